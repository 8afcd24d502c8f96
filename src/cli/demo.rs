//! `hutong demo`: the platforms, the service and a page to try them on, in one process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use hutong_model::Platform;
use hutong_simkit::company;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{Log, LogFormat, LogLevel};
use crate::demo::page::{self, DemoSim, DemoState, NoPictures};
use crate::demo::platforms::{Modes, Receive};
use crate::demo::{Hand, tour, weeks};
use crate::ingress::{self, Limits};

/// What the demo is started with.
#[derive(clap::Args)]
pub struct DemoArguments {
    /// Address of the page.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8137")]
    listen: SocketAddr,
    /// Folder for the demo's database, made anew at every start [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Host name under which the page may be opened, beside localhost and IP addresses.
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// How the platforms' events come: by callback, or over a long connection where the app knows it.
    /// The page has a switch for each platform.
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Receive::Callback, conflicts_with = "tour")]
    receive: Receive,
    /// Print a walk through everything the bot does, without a page. Fails when a platform would
    /// have refused something.
    #[arg(long)]
    tour: bool,
}

/// The database's folder; a temporary one is removed in the end.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn make(named: Option<&Path>) -> anyhow::Result<Self> {
        let folder = match named {
            Some(path) => Self {
                path: std::path::absolute(path)?,
                temporary: false,
            },
            None => Self {
                path: std::env::temp_dir().join(format!("hutong-demo-{}", std::process::id())),
                temporary: true,
            },
        };
        std::fs::create_dir_all(&folder.path)
            .with_context(|| format!("making the folder {}", folder.path.display()))?;
        folder.clear();
        Ok(folder)
    }

    /// The platforms begin anew at every start, so an older database fits nothing.
    fn clear(&self) {
        for end in ["", "-wal", "-shm", "-journal"] {
            let _ = std::fs::remove_file(self.path.join(format!("hutong-demo.db{end}")));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            self.clear();
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

pub(super) async fn demo(arguments: &DemoArguments) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    crate::telemetry::start(&Log {
        level: LogLevel::Warn,
        format: LogFormat::Text,
    });
    if arguments.tour {
        return tour(arguments).await;
    }
    let listener = TcpListener::bind(arguments.listen).await.with_context(|| {
        format!(
            "listening on {}; choose another address with --listen",
            arguments.listen
        )
    })?;
    let folder = Folder::make(arguments.data.as_deref())?;
    eprintln!("{}: 126 people, three platforms, four weeks", company::NAME);
    let (stage, _) = weeks::prepare(&folder.path, &mut |line| eprintln!("  {line}")).await?;
    // The weeks are played by callback: their clock leaps, and no connection lives that fast.
    stage.receive(Modes::all(arguments.receive)).await?;
    let stage = Arc::new(stage);
    for complaint in stage.complaints() {
        eprintln!("  the platform would have refused: {complaint}");
    }

    let cancel = CancellationToken::new();
    let driver = tokio::spawn(stage.clone().live(cancel.clone()));
    let sims = Platform::ALL
        .into_iter()
        .filter_map(|platform| {
            Some(DemoSim {
                sim: stage.sim(platform).ok()?,
                departments: company::org(platform).departments,
            })
        })
        .collect();
    let state = DemoState {
        sims,
        backstage: stage.behind.clone(),
        time: Arc::new(Hand(stage.clone())),
        reception: stage.clone(),
        pictures: Arc::new(NoPictures),
        hosts: arguments.host.clone(),
        stop: cancel.clone(),
    };
    let address = listener.local_addr()?;
    let server = tokio::spawn(ingress::serve(
        listener,
        page::router(state),
        Limits::default(),
        cancel.clone(),
    ));
    eprintln!("ready after {:.1} s; stop with Ctrl-C", began.elapsed().as_secs_f64());
    println!("http://{address}/");
    super::serve::stop_signal().await;
    cancel.cancel();
    let _ = server.await;
    let _ = driver.await;
    stage.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn tour(arguments: &DemoArguments) -> anyhow::Result<ExitCode> {
    let folder = Folder::make(arguments.data.as_deref())?;
    let (stage, counts) = weeks::prepare(&folder.path, &mut |line| eprintln!("  {line}")).await?;
    let outcome = tour::walk(&stage, &counts, &mut |line| println!("{line}")).await;
    stage.close().await;
    Ok(if outcome?.ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
