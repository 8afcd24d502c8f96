use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hutong_model::{
    Ability, Action, AppId, Body, ChatId, FailedReceiver, Mention, PersonRecord, Platform, Receipt, Timestamp, UserId,
};

use super::config::{ManualMembers, OnLeave, OnTransfer, Owner, Source};
use super::*;
use crate::access::Scope;
use crate::rules::PendingEffect;
use crate::rules::service::Service;
use crate::rules::testkit::{
    Done, FakeAdapter, Kit, START, company, department, direct, env, group, outcome_of, record, user,
};
use crate::store::testing::{TestStore, all};

mod faults;
mod grace;
mod history;
mod orders;
mod own;
mod sources;
mod undo;

const ABLE: [Ability; 9] = [
    Ability::SendToChat,
    Ability::SendToUser,
    Ability::Reply,
    Ability::CreateChat,
    Ability::RenameChat,
    Ability::SetOwner,
    Ability::AddMembers,
    Ability::RemoveMembers,
    Ability::Disband,
];

fn china() -> Arc<dyn Workdays> {
    Arc::new(crate::schedule::WorkdayTable::china().unwrap())
}

pub(super) fn rule() -> GroupRule {
    GroupRule {
        id: "dept-rd".into(),
        app: AppId::new("fs").unwrap(),
        source: Source {
            rule: "dept-rd".into(),
            department: Some("研发中心".into()),
            include_children: true,
            include_contractors: true,
            segment: None,
        },
        depth: 1,
        into: None,
        feeders: Vec::new(),
        split_over: 0,
        optional: true,
        name: "{dept}·技术交流".into(),
        owner: vec![Owner::Leader, Owner::Deputy, Owner::BotOperator],
        manual_members: ManualMembers::Keep,
        on_leave: OnLeave::RemoveNow,
        auto: false,
        on_transfer: OnTransfer {
            grace_workdays: 0,
            notice: true,
        },
        preview_days: 0,
    }
}

/// Research: the operator `op` and u1..u4 below in the embedded team, m1 in marketing.
async fn world(test: TestStore, rule: GroupRule) -> Kit {
    world_of(test, vec![rule], feishu()).await
}

fn feishu() -> FakeAdapter {
    FakeAdapter::new("fs", Platform::Feishu, ABLE)
}

/// With several rules; two more operators of everything, `boss` and `boss2`, who have no department,
/// come in only where something is of the whole company.
async fn world_of(test: TestStore, rules: Vec<GroupRule>, fs: FakeAdapter) -> Kit {
    let everything = rules.len() > 1 || rules.iter().any(|r| r.source.department.is_none() || r.split_over > 0);
    let hook = FakeAdapter::new("hook", Platform::Feishu, [Ability::SendToChat]);
    let rules = Service::in_front_of(vec![Arc::new(Groups::new(
        rules,
        chrono_tz::Asia::Shanghai,
        Alone::default(),
        china(),
    ))])
    .unwrap()
    .rules;
    let kit = Kit::new(test, env(vec![Arc::new(fs), Arc::new(hook)]), rules);
    let mut people: Vec<PersonRecord> = (1..=4)
        .map(|i| record(&format!("u{i}"), &format!("员工{i}"), &["emb"]))
        .collect();
    people.push(record("op", "运营王芳", &["rd"]));
    people.push(record("op2", "运营李敏", &["rd"]));
    people.push(record("m1", "市场赵", &["mk"]));
    let departments = [
        department("0", None, "海星"),
        department("rd", Some("0"), "研发中心"),
        department("emb", Some("rd"), "嵌入式组"),
        department("mk", Some("0"), "市场部"),
    ];
    kit.directory(Platform::Feishu, &departments, &people).await;
    let scope = Scope::Department("研发中心".into());
    let (op, op2, m1) = (
        kit.person("fs", "op").await.id,
        kit.person("fs", "op2").await.id,
        kit.person("fs", "m1").await.id,
    );
    let mut roles = vec![
        (&op, Role::Operator, scope.clone()),
        (&op2, Role::Operator, scope),
        (&m1, Role::Operator, Scope::Department("市场部".into())),
    ];
    let bosses = match everything {
        true => vec![kit.person("fs", "boss").await.id, kit.person("fs", "boss2").await.id],
        false => Vec::new(),
    };
    roles.extend(bosses.iter().map(|b| (b, Role::Operator, Scope::All)));
    kit.roles(&roles).await;
    kit
}

async fn say(kit: &Kit, id: &str, text: &str) -> Done {
    kit.command("fs", id, &direct("d1"), text).await
}

/// The code in the preview.
async fn code(kit: &Kit) -> String {
    let done = say(kit, "op", "/建群 预览 dept-rd").await;
    let text = done.said().join("\n");
    let (_, code) = text.split_once("计划=").unwrap_or_else(|| panic!("{text}"));
    code.trim().to_owned()
}

fn chat_id(name: &str) -> ChatId {
    ChatId::new(format!("oc_{}", crate::ids::short_hash(&[name], 6))).unwrap()
}

/// Lets the platform do all that was asked, and what that leads to. Returns the actions.
async fn platform(kit: &Kit, done: Done, refuses: &[&str]) -> Vec<Action> {
    let mut seen = Vec::new();
    let mut waiting: Vec<PendingEffect> = done.effects;
    let mut keys = BTreeSet::new();
    while !waiting.is_empty() {
        let effect = waiting.remove(0);
        assert!(keys.insert(effect.key.clone()), "two effects with one key: {effect:?}");
        let action: Action = serde_json::from_str(&effect.prepared.request).unwrap();
        let failed = match &action {
            Action::CreateChat { members: users, .. }
            | Action::AddMembers { users, .. }
            | Action::RemoveMembers { users, .. } => users
                .iter()
                .filter(|u| refuses.contains(&u.as_str()))
                .map(|u| FailedReceiver {
                    receiver: u.to_string(),
                    code: "232024".into(),
                    text: String::new(),
                })
                .collect(),
            _ => Vec::new(),
        };
        let receipt = Receipt {
            chat: match &action {
                Action::CreateChat { name, .. } => Some(chat_id(name)),
                _ => None,
            },
            failed,
            ..Receipt::default()
        };
        seen.push(action);
        if effect.tag.is_some() {
            waiting.extend(kit.event("fs", outcome_of(&effect, true, receipt)).await.effects);
        }
    }
    seen
}

/// The action of the first button with this label.
fn labelled(done: &Done, label: &str) -> Option<String> {
    let contents = done.actions().into_iter().filter_map(|a| match a {
        Action::Send { content, .. } | Action::Reply { content, .. } => Some(content),
        _ => None,
    });
    contents.flat_map(|c| c.blocks).find_map(|block| match block {
        hutong_model::Block::Buttons(list) => list.into_iter().find(|b| b.label == label).map(|b| b.action),
        _ => None,
    })
}

/// The button with which a second operator agrees, when one was asked.
fn consent(done: &Done) -> Option<String> {
    labelled(done, "同意执行")
}

/// What is between `mark` and the next space or line.
fn after(text: &str, mark: &str) -> String {
    let (_, rest) = text.split_once(mark).unwrap_or_else(|| panic!("{mark} in {text}"));
    rest.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Both groups made, everybody in.
async fn made(test: TestStore, rule: GroupRule) -> Kit {
    let kit = world(test, rule).await;
    let code = code(&kit).await;
    let done = say(&kit, "op", &format!("/建群 执行 规则=dept-rd 计划={code}")).await;
    platform(&kit, done, &[]).await;
    kit
}

async fn members(kit: &Kit, name: &str) -> Vec<String> {
    let mut ctx = kit.ctx().await;
    let app = AppId::new("fs").unwrap();
    let mut names = Vec::new();
    for id in ctx.directory().members(&app, &chat_id(name)).await.unwrap() {
        names.push(ctx.directory().person(&id).await.unwrap().unwrap().name);
    }
    names.sort();
    names
}

fn users(action: &Action) -> Vec<&str> {
    match action {
        Action::AddMembers { users, .. } | Action::RemoveMembers { users, .. } => {
            users.iter().map(UserId::as_str).collect()
        }
        _ => Vec::new(),
    }
}

const EMB: &str = "嵌入式组·技术交流";
const RD: &str = "研发中心·技术交流";

#[tokio::test]
async fn a_plan_is_previewed_and_carried_out_exactly() {
    for test in all().await.unwrap() {
        let kit = world(test, rule()).await;
        let done = say(&kit, "op", "/建群 预览 规则=dept-rd").await;
        let text = done.said().join("\n");
        for part in ["新建 2 个群", RD, "加入 11 人次", "计划="] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.lines().count() <= 12);
        assert_eq!(done.effects.len(), 1, "a preview changes nothing");
        let wrong = say(&kit, "op", "/建群 执行 规则=dept-rd 计划=zzzzzz").await;
        assert!(wrong.said()[0].contains("已作废"), "{:?}", wrong.said());
        let code = code(&kit).await;
        let done = say(&kit, "op", &format!("/建群 执行 规则=dept-rd 计划={code}")).await;
        assert!(done.said().join("").contains("开始执行"), "{:?}", done.said());
        // u3 has set that nobody may add them.
        let actions = platform(&kit, done, &["u3"]).await;
        let created: Vec<_> = actions
            .iter()
            .filter_map(|a| match a {
                Action::CreateChat {
                    name, owner, members, ..
                } => {
                    assert!(members.len() <= 3 && members.contains(owner));
                    assert!(
                        ["op", "op2"].contains(&owner.as_str()),
                        "the first operator of the department"
                    );
                    Some(name.as_str())
                }
                _ => None,
            })
            .collect();
        assert_eq!(created.iter().collect::<BTreeSet<_>>(), [EMB, RD].iter().collect());
        assert!(actions.iter().all(|a| users(a).len() <= 3));
        let welcomes = actions
            .iter()
            .filter(|a| matches!(a, Action::Send { .. }) && a.summary().contains("欢迎来到"))
            .count();
        assert_eq!(welcomes, 2);
        assert_eq!(members(&kit, RD).await.len(), 5, "{}", kit.test.name);
        assert_eq!(members(&kit, EMB).await.len(), 4, "three of the team and the owner");
        let shown = say(&kit, "op2", "/群 规则 查看 dept-rd").await.said().join("\n");
        for part in [EMB, "正常 · 4 人", "员工3(232024)", "没能加入或移出 2 人次"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        // Every change has its reason, and the order is in the trail.
        let reasons = kit
            .test
            .store
            .query("SELECT COUNT(*) AS n FROM group_change WHERE reason LIKE '计划 %'")
            .one()
            .await
            .unwrap();
        assert_eq!(reasons.get::<i64>("n").unwrap(), 2 + 11);
        let trail = kit
            .test
            .store
            .query("SELECT COUNT(*) AS n FROM audit WHERE action = 'groups.apply'")
            .one()
            .await
            .unwrap();
        assert_eq!(trail.get::<i64>("n").unwrap(), 1);
        // The old plan is used up; a new one tries u3 again.
        let again = say(&kit, "op", &format!("/建群 执行 规则=dept-rd 计划={code}")).await;
        assert!(again.said()[0].contains("已作废"));
        assert!(say(&kit, "op", "/建群 预览 dept-rd").await.said()[0].contains("加入 2 人次:员工3"));
    }
}

#[tokio::test]
async fn a_plan_of_yesterday_is_refused_when_the_directory_has_changed() {
    for test in all().await.unwrap() {
        let kit = world(test, rule()).await;
        let code = code(&kit).await;
        kit.directory(Platform::Feishu, &[], &[record("u5", "员工5", &["emb"])])
            .await;
        let done = say(&kit, "op", &format!("/建群 执行 规则=dept-rd 计划={code}")).await;
        assert!(done.said()[0].contains("已作废"), "{:?}", done.said());
        assert!(done.effects.is_empty());
    }
}

#[tokio::test]
async fn only_operators_of_that_department_may() {
    for test in all().await.unwrap() {
        let kit = world(test, rule()).await;
        for (who, part) in [("u1", "需要「运营」"), ("m1", "不在你的负责范围")] {
            for text in ["/建群 预览 dept-rd", "/建群 执行 dept-rd x", "/群 规则 暂停 dept-rd"] {
                let done = say(&kit, who, text).await;
                assert!(done.said()[0].contains(part), "{who} {text}: {:?}", done.said());
            }
        }
        let done = say(&kit, "op", "/建群 预览 没有").await;
        assert!(done.said()[0].contains("现有:dept-rd"), "{:?}", done.said());
    }
}

#[tokio::test]
async fn an_app_that_cannot_says_which_could() {
    for test in all().await.unwrap() {
        let hook = GroupRule {
            app: AppId::new("hook").unwrap(),
            ..rule()
        };
        let kit = world(test, hook).await;
        let done = say(&kit, "op", "/建群 预览 dept-rd").await;
        let text = &done.said()[0];
        assert!(text.contains("应用 hook 不能建群") && text.contains("\"fs\""), "{text}");
    }
}

#[tokio::test]
async fn a_department_that_is_missing_or_ambiguous_is_named() {
    for test in all().await.unwrap() {
        let lost = GroupRule {
            source: Source {
                department: Some("火星部".into()),
                ..rule().source
            },
            ..rule()
        };
        let kit = world(test, lost).await;
        let done = say(&kit, "op", "/建群 预览 dept-rd").await;
        assert!(done.said()[0].contains("找不到部门「火星部」"), "{:?}", done.said());
    }
}

#[tokio::test]
async fn a_rule_that_matches_nobody_says_so_and_removes_nobody() {
    for test in all().await.unwrap() {
        let kit = made(test, GroupRule { auto: true, ..rule() }).await;
        // Half a directory: everybody has gone elsewhere.
        let mut away: Vec<PersonRecord> = (1..=4).map(|i| record(&format!("u{i}"), "员工", &["mk"])).collect();
        away.extend(["op", "op2"].map(|id| record(id, "运营", &["mk"])));
        kit.directory(Platform::Feishu, &[], &away).await;
        for text in ["/建群 预览 dept-rd", "/建群 执行 dept-rd zzzzzz"] {
            let done = say(&kit, "op", text).await;
            assert!(done.said()[0].contains("一个人也没匹配到"), "{:?}", done.said());
        }
        assert_eq!(members(&kit, EMB).await.len(), 5);
    }
}

#[test]
fn a_rule_is_looked_after_four_times_an_hour_and_none_not_at_all() {
    let zone = chrono_tz::Asia::Shanghai;
    let schedules = Groups::new(vec![rule()], zone, Alone::default(), china()).schedules();
    assert_eq!(schedules.len(), 1);
    assert_eq!(
        (schedules[0].id.as_str(), schedules[0].rule.as_str()),
        ("groups:reconcile", NAME)
    );
    let ten = NaiveDate::from_ymd_opt(2026, 11, 24)
        .unwrap()
        .and_hms_opt(10, 0, 0)
        .unwrap();
    assert_eq!(
        schedules[0].spec.next_after(ten),
        Some(ten + chrono::Duration::minutes(7))
    );
    assert!(
        Groups::new(Vec::new(), zone, Alone::default(), china())
            .schedules()
            .is_empty()
    );
}

fn member_event(name: &str, who: &str, joined: bool, by: Option<&str>) -> Body {
    Body::Member {
        chat: group(chat_id(name).as_str()),
        users: vec![Mention {
            user: Some(user(who)),
            name: None,
            bot: false,
        }],
        joined,
        by: by.map(user),
    }
}

#[tokio::test]
async fn who_leaves_by_themselves_stays_out_and_who_was_added_by_hand_stays_in() {
    for test in all().await.unwrap() {
        let kit = made(test, rule()).await;
        kit.event("fs", member_event(EMB, "u1", false, None)).await;
        kit.event("fs", member_event(EMB, "m1", true, Some("op"))).await;
        let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(
            text.contains("没有要改动的") && text.contains("1 人次自己退过群"),
            "{text}"
        );
        // Back by themselves, and out of the department later: by hand is by hand.
        kit.event("fs", member_event(EMB, "u1", true, None)).await;
        kit.directory(Platform::Feishu, &[], &[record("u1", "员工1", &["mk"])])
            .await;
        let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(
            text.contains("移出 1 人次:员工1"),
            "only from the group of the whole center: {text}"
        );
        assert!(members(&kit, EMB).await.contains(&"市场赵".to_owned()));
    }
}

#[tokio::test]
async fn who_leaves_the_company_is_removed_at_once() {
    for test in all().await.unwrap() {
        let kit = made(test, rule()).await;
        let left = Body::Person {
            user: user("u2"),
            record: None,
            left: true,
        };
        let done = kit.event("fs", left.clone()).await;
        assert_eq!(done.effects.len(), 2);
        let actions = platform(&kit, done, &[]).await;
        assert!(actions.iter().all(|a| users(a) == ["u2"]));
        assert_eq!(kit.event("fs", left).await.effects.len(), 0, "once");
        let row = kit
            .test
            .store
            .query("SELECT COUNT(*) AS n FROM group_change WHERE reason = '离职' AND what = 'remove'")
            .one()
            .await
            .unwrap();
        assert_eq!(row.get::<i64>("n").unwrap(), 2);
        assert_eq!(members(&kit, EMB).await.len(), 5 - 1);
        // Two whom only a sync found to have left: each is removed from each group, in one tick.
        let mut tx = kit.test.store.begin().await.unwrap();
        for id in ["u3", "u4"] {
            let mut directory = crate::directory::Directory::new(&mut tx);
            let person = directory
                .person_of(&company(), Platform::Feishu, &user(id))
                .await
                .unwrap()
                .unwrap();
            directory.person_left(&person.id, Timestamp(1)).await.unwrap();
        }
        tx.commit().await.unwrap();
        let tick = Body::Tick {
            schedule: "groups:reconcile".into(),
            slot: Timestamp(1),
            local: "2026-11-24T10:00".into(),
        };
        let done = kit.event("fs", tick.clone()).await;
        assert_eq!(done.effects.len(), 4);
        platform(&kit, done, &[]).await;
        assert_eq!(kit.event("fs", tick).await.effects.len(), 0);
    }
}

#[tokio::test]
async fn a_newcomer_is_added_and_told_why() {
    for test in all().await.unwrap() {
        let kit = made(test, GroupRule { auto: true, ..rule() }).await;
        let new = |id: &str, depts: &[&str]| Body::Person {
            user: user(id),
            record: Some(Box::new(record(id, "新人", depts))),
            left: false,
        };
        let done = kit.event("fs", new("n1", &["emb"])).await;
        let adds = done.actions().iter().filter(|a| users(a) == ["n1"]).count();
        assert_eq!(adds, 2, "the team and the center");
        let told = done.said().join("");
        assert!(
            told.contains("你在「嵌入式组」") && told.contains(EMB) && told.contains("退出"),
            "{told}"
        );
        platform(&kit, done, &[]).await;
        assert_eq!(kit.event("fs", new("n1", &["emb"])).await.effects.len(), 0, "once");
        assert_eq!(
            kit.event("fs", new("n2", &["mk"])).await.effects.len(),
            0,
            "another department"
        );
        // Left by themselves: not again, whatever happens.
        kit.event("fs", member_event(EMB, "n1", false, Some("n1"))).await;
        assert_eq!(kit.event("fs", new("n1", &["emb"])).await.effects.len(), 0);
        // Found by a sync only.
        kit.directory(Platform::Feishu, &[], &[record("n3", "新人三", &["rd"])])
            .await;
        let tick = Body::Tick {
            schedule: "groups:reconcile".into(),
            slot: Timestamp(1),
            local: "2026-11-24T10:00".into(),
        };
        let done = kit.event("fs", tick.clone()).await;
        assert_eq!(done.actions().iter().filter(|a| users(a) == ["n3"]).count(), 1);
        platform(&kit, done, &[]).await;
        // Many at once wait for a plan.
        let crowd: Vec<PersonRecord> = (0..21).map(|i| record(&format!("c{i}"), "众", &["rd"])).collect();
        kit.directory(Platform::Feishu, &[], &crowd).await;
        assert_eq!(kit.event("fs", tick.clone()).await.effects.len(), 0);
        say(&kit, "op", "/群 规则 暂停 dept-rd").await;
        assert_eq!(kit.event("fs", new("n4", &["rd"])).await.effects.len(), 0);
        assert!(say(&kit, "op", "/建群 执行 dept-rd x").await.said()[0].contains("已暂停"));
        say(&kit, "op", "/群 规则 恢复 dept-rd").await;
        assert_eq!(kit.event("fs", new("n4", &["rd"])).await.effects.len(), 2);
    }
}

#[tokio::test]
async fn a_large_removal_needs_another_operator() {
    for test in all().await.unwrap() {
        let kit = made(test, rule()).await;
        kit.directory(Platform::Feishu, &[], &[record("u1", "员工1", &["mk"])])
            .await;
        let first_code = code(&kit).await;
        let apply = format!("/建群 执行 dept-rd {first_code}");
        let done = say(&kit, "op", &apply).await;
        assert!(
            done.said().join("").contains("已私下发给 运营李敏"),
            "{:?}",
            done.said()
        );
        assert!(
            done.actions().iter().all(|a| users(a).is_empty()),
            "nothing is removed yet"
        );
        let [yes, no] = &done.buttons()[..] else {
            panic!("{:?}", done.said())
        };
        // Neither the author nor somebody else may press it.
        for who in ["op", "u2", "m1"] {
            assert!(
                kit.press("fs", who, yes).await.said()[0].contains("不是给你的"),
                "{who}"
            );
        }
        let done = kit.press("fs", "op2", no).await;
        assert!(done.said().iter().any(|s| s.contains("没有同意")), "{:?}", done.said());
        assert!(kit.press("fs", "op2", yes).await.said()[0].contains("已经有人拒绝"));
        // A second request, agreed to.
        kit.clock.advance(Duration::from_secs(60));
        let yes = say(&kit, "op", &apply).await.buttons()[0].clone();
        let done = kit.press("fs", "op2", &yes).await;
        assert!(
            done.said().iter().any(|s| s.contains("运营李敏 已同意")),
            "{:?}",
            done.said()
        );
        let removed: Vec<Action> = done
            .actions()
            .into_iter()
            .filter(|a| matches!(a, Action::RemoveMembers { .. }))
            .collect();
        assert_eq!(removed.len(), 2);
        platform(&kit, done, &[]).await;
        assert!(!members(&kit, EMB).await.contains(&"员工1".to_owned()));
        // An agreement to a plan that has changed since does nothing.
        kit.directory(Platform::Feishu, &[], &[record("u2", "员工2", &["mk"])])
            .await;
        let second_code = code(&kit).await;
        let yes = say(&kit, "op", &format!("/建群 执行 dept-rd {second_code}"))
            .await
            .buttons()[0]
            .clone();
        kit.directory(Platform::Feishu, &[], &[record("u3", "员工3", &["mk"])])
            .await;
        let done = kit.press("fs", "op2", &yes).await;
        assert!(done.said()[0].contains("已作废"), "{:?}", done.said());
        // Nor does one that comes too late.
        kit.clock.advance(APPROVAL_VALID + Duration::from_secs(1));
        assert!(kit.press("fs", "op2", &yes).await.result.is_err());
    }
}

#[tokio::test]
async fn a_renamed_department_renames_its_group_and_a_failed_group_is_made_again() {
    for test in all().await.unwrap() {
        let kit = world(test, rule()).await;
        let first = code(&kit).await;
        let done = say(&kit, "op", &format!("/建群 执行 dept-rd {first}")).await;
        for effect in done.effects.iter().filter(|e| e.tag.is_some()) {
            kit.event("fs", outcome_of(effect, false, Receipt::default())).await;
        }
        let shown = say(&kit, "op", "/群 规则 查看 dept-rd").await.said().join("\n");
        assert!(shown.contains("没建成") && shown.contains("refused"), "{shown}");
        let again = code(&kit).await;
        let done = say(&kit, "op", &format!("/建群 执行 dept-rd {again}")).await;
        platform(&kit, done, &[]).await;
        assert_eq!(members(&kit, RD).await.len(), 6, "{}", kit.test.name);
        kit.directory(Platform::Feishu, &[department("emb", Some("rd"), "端侧组")], &[])
            .await;
        let rename = code(&kit).await;
        let done = say(&kit, "op", &format!("/建群 执行 dept-rd {rename}")).await;
        let actions = platform(&kit, done, &[]).await;
        assert!(
            actions
                .iter()
                .any(|a| matches!(a, Action::RenameChat { name, .. } if name == "端侧组·技术交流"))
        );
        assert!(say(&kit, "op", "/建群 预览 dept-rd").await.said()[0].contains("没有要改动的"));
    }
}

/// The platform has said yes without a name for the group, or an operator has given up a call that
/// may have arrived: no second group before a person has looked.
#[tokio::test]
async fn a_group_that_may_exist_is_asked_about_and_not_made_twice() {
    for (ok, code_is) in [(true, None), (false, Some("abandoned"))] {
        for test in all().await.unwrap() {
            let kit = world(test, rule()).await;
            let first = code(&kit).await;
            let done = say(&kit, "op", &format!("/建群 执行 dept-rd {first}")).await;
            let mut asked = Vec::new();
            for effect in done.effects.iter().filter(|e| e.tag.is_some()) {
                let mut body = outcome_of(effect, ok, Receipt::default());
                if let Body::EffectDone { code, .. } = &mut body {
                    *code = code_is.map(str::to_owned);
                }
                asked.push(kit.event("fs", body).await);
            }
            // Both operators of the department, not the one of marketing.
            assert_eq!(asked[0].effects.len(), 2, "{:?}", asked[0].said());
            assert!(say(&kit, "op", "/建群 预览 dept-rd").await.said()[0].contains("没有要改动的"));
            let shown = say(&kit, "op", "/群 规则 查看 dept-rd").await.said().join("\n");
            assert!(shown.contains("建群结果不明"), "{shown}");
            let button = asked[0].buttons()[0].clone();
            let pressed = [
                kit.press("fs", "op", &button).await,
                kit.press("fs", "op2", &button).await,
            ];
            assert_eq!(
                pressed.iter().filter(|d| d.said()[0].contains("重新发")).count(),
                1,
                "{pressed:?}"
            );
            // The other group stays as it was; this one may be made now.
            let again = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
            assert!(again.contains("新建 1 个群"), "{again}");
        }
    }
}
