//! `hutong simulate`: the platforms alone, for whoever develops against them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hutong_model::Clock;
use hutong_simkit::Verb;
use hutong_simkit::company;

use crate::clock::SystemClock;
use crate::demo::platforms::{Modes, Platforms, Receive, config_id, knows_both};

/// How often repeats of callbacks are looked at, and an address that does not answer yet is tried.
const LOOK: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub struct SimulateArguments {
    /// Port of the first platform; the others take the next two. 0: any free ports.
    #[arg(long, value_name = "PORT", default_value_t = 18701)]
    port: u16,
    /// Write a configuration for `hutong serve --config FILE`; an existing file is left alone.
    #[arg(long, value_name = "FILE")]
    write_config: Option<PathBuf>,
    /// Address of the bot in that configuration; callbacks are registered as soon as it answers.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    bot: std::net::SocketAddr,
    /// How the bot of that configuration receives. Over a long connection no callback address is
    /// registered; apps that know callbacks only keep theirs.
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Receive::Callback)]
    receive: Receive,
}

pub(super) async fn simulate(arguments: &SimulateArguments) -> anyhow::Result<ExitCode> {
    let modes = Modes::all(arguments.receive);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let first = arguments.port;
    let ports = if first == 0 {
        [0; 3]
    } else {
        [first, first.saturating_add(1), first.saturating_add(2)]
    };
    let mut platforms = Platforms::start(clock.clone(), ports).await?;
    // The company's groups, with the bot in them.
    let script = company::history(1, clock.now(), 7, company::monday_to_friday);
    for step in script.take_while(|s| matches!(s.verb, Verb::CreateChat { .. })) {
        platforms.play(&step).await?;
    }
    platforms.add_robots().await?;

    for sim in &platforms.sims {
        println!("{}  {}", sim.platform(), sim.base_url());
        println!("  control    {}/_sim/", sim.base_url());
        for app in sim.apps() {
            println!("  app        {} ({}), {}", app.id, app.kind, app.name);
            if knows_both(app.kind) && arguments.receive == Receive::LongConnection {
                println!("  events     over a long connection that the bot opens");
            } else if !app.kind.ends_with("webhook") {
                println!("  callbacks  http://{}/hook/{}", arguments.bot, config_id(&app));
            }
        }
    }
    let config = platforms.config("sqlite://hutong.db", &arguments.bot.to_string(), modes);
    match &arguments.write_config {
        Some(path) => {
            use std::io::Write as _;
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(path)
                .with_context(|| format!("writing {}", path.display()))?;
            file.write_all(config.as_bytes())?;
            println!("\nstart the bot: hutong serve --config {}", path.display());
        }
        None => println!("\n# ---- configuration for these apps (--write-config FILE writes it) ----\n{config}"),
    }

    let bot = format!("http://{}", arguments.bot);
    let mut connected = false;
    let mut tick = tokio::time::interval(LOOK);
    let stop = super::serve::stop_signal();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(ExitCode::SUCCESS),
            _ = tick.tick() => {}
        }
        if !connected && platforms.subscribe(&bot, modes).await.is_ok() {
            connected = true;
            println!("the bot at {bot} has passed the address check of every app");
        }
        for sim in &platforms.sims {
            sim.repeat_due().await;
        }
    }
}
