//! A run that is interrupted at every step there is, on platforms with and without idempotency keys.

use std::collections::BTreeMap;

use hutong_model::{ChatKind, Clock as _};

use super::*;

/// A platform: groups by name, with how often each was really made.
#[derive(Default)]
struct Sim {
    by_key: BTreeMap<String, ChatId>,
    made: BTreeMap<String, usize>,
    members: BTreeMap<ChatId, BTreeSet<String>>,
}

impl Sim {
    fn call(&mut self, key: &str, action: &Action) -> Receipt {
        let mut receipt = Receipt::default();
        match action {
            Action::CreateChat { name, members, .. } => {
                let id = self.by_key.entry(key.to_owned()).or_insert_with(|| {
                    *self.made.entry(name.clone()).or_default() += 1;
                    chat_id(name)
                });
                let inside = self.members.entry(id.clone()).or_default();
                inside.extend(members.iter().map(|u| u.as_str().to_owned()));
                receipt.chat = Some(id.clone());
            }
            Action::AddMembers { chat, users } => {
                let inside = self.members.entry(chat.clone()).or_default();
                inside.extend(users.iter().map(|u| u.as_str().to_owned()));
            }
            Action::RemoveMembers { chat, users } => {
                for user in users {
                    self.members.entry(chat.clone()).or_default().remove(user.as_str());
                }
            }
            _ => {}
        }
        receipt
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    /// Before the call: it leaves after the restart.
    BeforeCall,
    /// After the call, before its outcome is written: sent again with the same key.
    AfterCall,
    /// While the outcome is worked on: the transaction is lost, and runs again.
    InTransaction,
    /// After the call on a platform without keys: nobody knows, and an operator gives it up.
    Unknown,
}

/// Runs a plan with one crash at step `at`; returns how many steps there were.
async fn run(at: usize, crash: Crash) -> usize {
    let test = all().await.unwrap().remove(0);
    let mut kit = world(test, rule()).await;
    let first = code(&kit).await;
    let mut sim = Sim::default();
    let mut waiting = say(&kit, "op", &format!("/建群 执行 dept-rd {first}")).await.effects;
    let mut step = 0;
    while !waiting.is_empty() {
        let effect = waiting.remove(0);
        if effect.tag.is_none() {
            continue;
        }
        let action: Action = serde_json::from_str(&effect.prepared.request).unwrap();
        let here = step == at;
        step += 1;
        if here {
            // A new process on the same rows.
            if crash == Crash::AfterCall || crash == Crash::Unknown {
                sim.call(&effect.key, &action);
            }
            let clock = kit.clock;
            kit = Kit::new(kit.test, kit.env, kit.rules);
            kit.clock = clock;
        }
        if here && crash == Crash::Unknown {
            let mut body = outcome_of(&effect, false, Receipt::default());
            if let Body::EffectDone { code, .. } = &mut body {
                *code = Some("abandoned".into());
            }
            waiting.extend(kit.event("fs", body).await.effects);
            if let Action::CreateChat { name, .. } = &action {
                // No second one is made meanwhile.
                let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
                assert!(!text.contains("新建"), "{text}");
                // The platform tells that our application is in a group of that name.
                let mut tx = kit.test.store.begin().await.unwrap();
                crate::directory::Directory::new(&mut tx)
                    .upsert_chat(
                        &rule().app,
                        &chat_id(name),
                        ChatKind::Group,
                        Some(name),
                        false,
                        kit.clock.now(),
                    )
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
                let tick = Body::Tick {
                    schedule: "groups:reconcile".into(),
                    slot: Timestamp(1),
                    local: String::new(),
                };
                waiting.extend(kit.event("fs", tick).await.effects);
            }
            continue;
        }
        let receipt = sim.call(&effect.key, &action);
        let body = outcome_of(&effect, true, receipt);
        if here && crash == Crash::InTransaction {
            let mut ctx = kit.ctx().await;
            let event = hutong_model::Event {
                id: hutong_model::EventId::derive(&rule().app, "lost"),
                seq: 0,
                app: rule().app,
                key: "lost".into(),
                lane: "lane".into(),
                occurred_at: START,
                received_at: START,
                body: body.clone(),
            };
            let groups = kit.rules.iter().find(|r| r.name() == NAME).unwrap();
            ctx.enter(event.id, NAME);
            groups.on_event(&mut ctx, &event).await.unwrap();
            ctx.into_parts().0.rollback().await.unwrap();
        }
        waiting.extend(kit.event("fs", body).await.effects);
    }
    // What did not arrive is a row, and the next run tries it again.
    let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
    if text.contains("计划=") {
        let again = after(&text, "计划=");
        let mut waiting = say(&kit, "op", &format!("/建群 执行 dept-rd {again}")).await.effects;
        while !waiting.is_empty() {
            let effect = waiting.remove(0);
            let action: Action = serde_json::from_str(&effect.prepared.request).unwrap();
            if effect.tag.is_some() {
                let receipt = sim.call(&effect.key, &action);
                waiting.extend(kit.event("fs", outcome_of(&effect, true, receipt)).await.effects);
            }
        }
    }
    let made: Vec<(&str, usize)> = sim.made.iter().map(|(n, c)| (n.as_str(), *c)).collect();
    assert_eq!(made, [(EMB, 1), (RD, 1)], "{crash:?} at {at}");
    for (name, count) in [(EMB, 5), (RD, 6)] {
        assert_eq!(sim.members[&chat_id(name)].len(), count, "{crash:?} at {at}: {name}");
        assert_eq!(members(&kit, name).await.len(), count, "{crash:?} at {at}: {name}");
    }
    let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
    assert!(text.contains("没有要改动的"), "{crash:?} at {at}: {text}");
    step
}

#[tokio::test]
async fn a_run_that_crashes_anywhere_ends_the_same_with_one_group_each() {
    let steps = run(usize::MAX, Crash::BeforeCall).await;
    assert!(steps >= 4, "{steps}");
    for crash in [
        Crash::BeforeCall,
        Crash::AfterCall,
        Crash::InTransaction,
        Crash::Unknown,
    ] {
        for at in 0..steps {
            run(at, crash).await;
        }
    }
}
