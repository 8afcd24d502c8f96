//! A group's own robot against the simulated platform: signed, judged by keyword, blocked when too fast.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod world;

use std::sync::Arc;
use std::time::Duration;

use hutong_dingtalk::GroupRobot;
use hutong_model::{
    Action, Adapter, AppId, Build, ChatId, CompanyId, LimitScope, Message, Outcome, Secret, SettingValue, Settings,
    Target,
};
use hutong_simkit::Simulator as _;

use world::World;

fn robot(w: &World, settings: Settings) -> GroupRobot {
    GroupRobot::new(Build {
        app: AppId::new("hook").unwrap(),
        company: CompanyId::new("main").unwrap(),
        kind: "dingtalk_robot".to_owned(),
        settings,
        clock: Arc::new(w.clock.clone()),
    })
    .ok()
    .unwrap()
}

async fn post(robot: &GroupRobot, settings: &Settings, text: &str, key: &str) -> Outcome {
    let content = Message::text(text);
    let to = Target::Chat(ChatId::new(settings.text("chat").unwrap()).unwrap());
    let prepared = robot.prepare(&Action::Send { to, content }).unwrap();
    assert_eq!(prepared.len(), 1);
    robot.deliver(&prepared[0], key).await
}

fn said(w: &World, chat: &str) -> usize {
    w.sim.screen(chat, "u_chen", 100).iter().filter(|item| item.bot).count()
}

const SECRET: &str = "SEC0000000000000000000000000000000000000000000000000000000000000001";

fn code(outcome: Outcome) -> String {
    match outcome {
        Outcome::Sent(_) => "sent".to_owned(),
        Outcome::Rejected { code, .. } | Outcome::RateLimited { code, .. } | Outcome::AuthExpired { code, .. } => code,
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_signed_robot_posts_and_a_forged_one_does_not() {
    let w = World::new().await;
    let group = w.group(&["u_chen", "u_lin"]).await;
    let settings = w.sim.add_robot(group.as_str(), "车间机器人", Some(SECRET), None);
    let right = robot(&w, settings.clone());
    assert_eq!(code(post(&right, &settings, "今天 14:00 停线检修", "k1").await), "sent");
    assert_eq!(code(post(&right, &settings, "今天 14:00 停线检修", "k1").await), "sent");
    assert_eq!(said(&w, group.as_str()), 1, "one msgUuid is one message");

    let other = "SEC0000000000000000000000000000000000000000000000000000000000000002";
    for (key, value, refused) in [("sign_secret", other, "310000"), ("access_token", "unknown", "300005")] {
        let wrong = settings.clone().with(key, SettingValue::Secret(Secret::new(value)));
        assert_eq!(
            code(post(&robot(&w, wrong.clone()), &wrong, "x", "k2").await),
            refused,
            "{key}"
        );
    }
    // Signed at the moment of sending: hours later it is still right.
    w.advance(Duration::from_secs(5 * 3600));
    assert_eq!(code(post(&right, &settings, "检修结束", "k3").await), "sent");
    assert_eq!(said(&w, group.as_str()), 2);
}

#[tokio::test]
async fn a_keyword_is_said_or_nothing_comes() {
    let w = World::new().await;
    let group = w.group(&["u_chen", "u_lin"]).await;
    let settings = w.sim.add_robot(group.as_str(), "车间机器人", None, Some("生产"));
    assert_eq!(
        code(post(&robot(&w, settings.clone()), &settings, "今天停线", "k1").await),
        "sent"
    );
    let without = settings.clone().with("keyword", SettingValue::Text("采购".into()));
    assert_eq!(
        code(post(&robot(&w, without.clone()), &without, "今天停线", "k2").await),
        "310000"
    );
    assert_eq!(said(&w, group.as_str()), 1);
}

#[tokio::test]
async fn the_twenty_first_message_of_a_minute_blocks_for_ten() {
    let w = World::new().await;
    let group = w.group(&["u_chen", "u_lin"]).await;
    let settings = w.sim.add_robot(group.as_str(), "车间机器人", Some(SECRET), None);
    let robot = robot(&w, settings.clone());
    for n in 0..20 {
        assert_eq!(
            code(post(&robot, &settings, &format!("第{n}条"), &format!("k{n}")).await),
            "sent"
        );
    }
    match post(&robot, &settings, "多了一条", "k20").await {
        Outcome::RateLimited { code, scope, after_ms } => {
            assert_eq!(
                (code.as_str(), scope, after_ms),
                ("130101", LimitScope::Destination, Some(600_000))
            );
        }
        other => panic!("{other:?}"),
    }
    w.advance(Duration::from_secs(300));
    assert_eq!(code(post(&robot, &settings, "还在封", "k21").await), "130101");
    w.advance(Duration::from_secs(301));
    assert_eq!(code(post(&robot, &settings, "好了", "k22").await), "sent");
    // Our own rule is the platform's.
    let rule = &robot.capabilities().rates[0];
    assert_eq!(robot.capabilities().rates.len(), 1, "{rule:?}");
    assert_eq!(said(&w, group.as_str()), 21);
}

/// Contacts of the same simulator: every field, and those that are withheld by name.
#[tokio::test]
async fn contact_fields_can_be_withheld() {
    use hutong_model::{Day, Employment, UserId};
    let told = async |without: Vec<String>| {
        let w = World::with_people(
            |spec| spec.rights.without = without,
            |people| {
                people[1].joined_on = Day::new(2026, 9, 1);
                people[1].office = Some("苏州".into());
                people[1].employment = Some(Employment::Contractor);
            },
        )
        .await;
        w.adapter.person(&UserId::new("u_lin").unwrap()).await.unwrap().unwrap()
    };
    let all = told(vec![]).await;
    assert_eq!(
        (all.joined_on, all.office.as_deref()),
        (Day::new(2026, 9, 1), Some("苏州"))
    );
    assert_eq!(all.employment, Some(Employment::Contractor));
    assert!(all.email.is_some() && all.mobile.is_some());
    let less = told(vec!["fieldMobile".into(), "fieldProfile".into()]).await;
    assert_eq!(
        (less.mobile, less.joined_on, less.office, less.employment),
        (None, None, None, None)
    );
    assert_eq!((less.name, less.email), (all.name, all.email));
}
