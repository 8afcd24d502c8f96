//! `hutong groups` beside a running service: plan, apply, undo, as processes on one SQLite file, with
//! the groups on the simulated platform as the judge.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hutong::clock::SystemClock;

use crate::crash::{Process, ready};
use crate::support::{On, Stage, org};

async fn hutong(config: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hutong"));
    let (name, rest) = arguments.split_first().unwrap();
    command.args(["groups", name, "--config"]).arg(config).args(rest);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.code(), said)
}

/// What stands behind `--plan`.
fn code(said: &str) -> String {
    let (_, rest) = said.split_once("--plan ").unwrap_or_else(|| panic!("{said}"));
    rest.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_applied_and_taken_back_beside_the_running_service() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stage = Stage::start_unjudged(On::Feishu, org(), Arc::new(SystemClock)).await;
    let folder = tempfile::tempdir().unwrap();
    let address = {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        taken.local_addr().unwrap()
    };
    let config = folder.path().join("hutong.toml");
    let text = format!(
        "[server]\nlisten = \"{address}\"\n[store]\nurl = \"sqlite://{}\"\n[log]\nlevel = \"error\"\n{}\
         [[role]]\nrole = \"operator\"\npeople = [\"fs:u_chen\", \"fs:u_gu\"]\n\
         [[group_rule]]\nid = \"rd\"\napp = \"fs\"\ndepartment = \"研发中心\"\ndepth = 0\nname = \"研发大群\"\npreview_days = 0\n\
         [limits]\ngroup_remove_percent = 100\n",
        folder.path().join("groups.db").display(),
        stage.config()
    );
    std::fs::write(&config, text).unwrap();
    let mut process = Process::start(&config);
    ready(address, &mut process).await;
    let app = stage.sim.apps()[0].id.clone();
    let hook = format!("http://{address}/hook/fs");
    stage.sim.subscribe(&app, &hook).await.unwrap();
    // The service reads the directory by itself when it begins.
    let mut plan = (None, String::new());
    for _ in 0..100 {
        plan = hutong(&config, &["plan", "--rule", "rd"]).await;
        if plan.1.contains("+ 研发大群") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(plan.0, Some(0), "{}", plan.1);
    let number = |id: &str| org().people.iter().find(|p| p.id == id).unwrap().employee_no.clone();
    let (chen, stranger) = (number("u_chen"), number("u_sun"));
    let refused = hutong(
        &config,
        &["apply", "--rule", "rd", "--plan", &code(&plan.1), "--as", &stranger],
    )
    .await;
    assert!(refused.0 == Some(1) && refused.1.contains("没有权限"), "{}", refused.1);
    let applied = hutong(
        &config,
        &["apply", "--rule", "rd", "--plan", &code(&plan.1), "--as", &chen],
    )
    .await;
    assert!(applied.0 == Some(0) && applied.1.contains("开始执行"), "{}", applied.1);
    let group = || stage.sim.chats().into_iter().find(|c| c.name == "研发大群");
    let mut members = 0;
    for _ in 0..100 {
        members = group().map_or(0, |c| c.members.len());
        if members >= 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(members, 5, "three of the center and two of the team below");
    // Once the outcomes are booked there is nothing left to do, and the way back is to disband.
    let mut undo = (None, String::new());
    let run = code(&plan.1);
    for _ in 0..100 {
        undo = hutong(&config, &["undo", "--rule", "rd", "--plan", &run]).await;
        if undo.0 == Some(0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(undo.0 == Some(0) && undo.1.contains("- 研发大群"), "{}", undo.1);
    let rest = hutong(&config, &["plan", "--rule", "rd"]).await;
    assert!(rest.1.contains("没有要改动的"), "{}", rest.1);
    // Disbanding wants a second operator, who is asked in the chat.
    let back = hutong(
        &config,
        &["apply", "--rule", "rd", "--plan", &code(&undo.1), "--as", &chen],
    )
    .await;
    assert!(back.0 == Some(0) && back.1.contains("另一位运营"), "{}", back.1);
    // The service is as well as before.
    ready(address, &mut process).await;
}
