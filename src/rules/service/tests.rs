use std::sync::Arc;
use std::time::Duration;

use hutong_model::{
    Ability, Action, Body, ChatChange, Clock as _, DepartmentId, Mention, PersonRecord, Platform, Receipt, SeeClass,
    SenderKind,
};

use super::*;
use crate::access::Scope;
use crate::directory::{Directory, Person};
use crate::rules::testkit::{FakeAdapter, Kit, company, department, direct, env, group, outcome_of, record, user};
use crate::store::testing::{TestStore, all};

/// A rule that only has something to say in `/me`.
struct Talker;

impl Rule for Talker {
    fn name(&self) -> &'static str {
        "talker"
    }
    fn on_event<'a>(&'a self, _ctx: &'a mut Ctx, _event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async { Ok(()) })
    }
    fn me_lines<'a>(
        &'a self,
        _ctx: &'a mut Ctx,
        person: &'a Person,
        _lang: Lang,
    ) -> BoxFuture<'a, Result<Vec<String>, RuleError>> {
        Box::pin(async move { Ok(vec![format!("积分:{} 有 3 分", person.name)]) })
    }
}

fn kit(test: TestStore) -> Kit {
    let mut narrow = FakeAdapter::new("wcbot", Platform::WeCom, [Ability::Reply, Ability::SendToChat]);
    narrow.caps.sees = [SeeClass::V2].into();
    let wide = FakeAdapter::new(
        "fs",
        Platform::Feishu,
        [
            Ability::SendToChat,
            Ability::SendToUser,
            Ability::Reply,
            Ability::ListPeople,
        ],
    );
    let rules = Service::in_front_of(vec![Arc::new(Talker)]).unwrap().rules;
    Kit::new(test, env(vec![Arc::new(wide), Arc::new(narrow)]), rules)
}

async fn kits() -> Vec<Kit> {
    all().await.unwrap().into_iter().map(kit).collect()
}

fn lines(text: &str) -> usize {
    text.lines().count()
}

/// The commands of the whole program.
fn whole() -> Registry {
    Registry::build([
        (NAME, COMMANDS),
        (crate::rules::groups::NAME, crate::rules::groups::COMMANDS),
        ("points", crate::rules::points::commands::COMMANDS),
        ("columns", crate::rules::columns::commands::COMMANDS),
        ("reports", crate::rules::reports::commands::COMMANDS),
        (crate::rules::newcomers::NAME, crate::rules::newcomers::COMMANDS),
    ])
    .unwrap()
}

#[test]
fn names_and_examples_of_all_commands_fit_together() {
    let registry = whole();
    assert_eq!(registry.check_examples(), []);
}

#[test]
fn help_stays_short_for_somebody_who_may_do_everything() {
    let registry = whole();
    let rights = Rights([(Role::Admin, Scope::All)].into());
    for (lang, group) in [(Lang::Zh, false), (Lang::Zh, true), (Lang::En, false), (Lang::En, true)] {
        let reader = Reader {
            rights: &rights,
            group,
            caps: None,
            lang,
        };
        let text = help::overview(&registry, reader).plain();
        assert!(lines(&text) <= help::MAX_LINES, "{text}");
        let name = if lang == Lang::Zh {
            "/建群 预览"
        } else {
            "/group plan"
        };
        assert_eq!(
            text.contains(name),
            !group,
            "what needs a role is not for everyone's eyes: {text}"
        );
    }
    for entry in registry.entries() {
        for lang in [Lang::Zh, Lang::En] {
            let text = help::of_command(&registry, entry.spec, lang).plain();
            assert!(
                lines(&text) <= help::MAX_LINES && text.contains(&entry.text.name(lang)),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn help_says_what_this_person_can_do_here() {
    for kit in kits().await {
        let done = kit.command("fs", "u1", &direct("d1"), "/帮助").await;
        let text = &done.said()[0];
        assert!(text.contains("/我") && text.contains("/体检"), "{text}");
        assert!(lines(text) <= help::MAX_LINES, "{text}");
        let done = kit.command("wcbot", "u1", &group("g1"), "/help").await;
        let text = &done.said()[0];
        assert!(text.contains("@我") && !text.contains("/我 "), "{text}");
        let done = kit.command("fs", "u1", &direct("d1"), "/帮助 lang").await;
        assert!(done.said()[0].contains("/语言 en"), "{:?}", done.said());
        let done = kit.command("fs", "u1", &direct("d1"), "/语言 fr").await;
        assert!(
            done.said()[0].contains("zh、en") && done.said()[0].contains("例如"),
            "{:?}",
            done.said()
        );
        let done = kit.command("fs", "u1", &direct("d1"), "/hlep").await;
        assert!(done.said()[0].contains("/帮助"), "{:?}", done.said());
    }
}

#[tokio::test]
async fn me_is_private_and_names_the_same_person_on_two_platforms() {
    for kit in kits().await {
        let rd = [department("rd", None, "研发中心")];
        kit.directory(Platform::Feishu, &rd, &[record("e1", "陈晨", &["rd"])])
            .await;
        let on_wecom = PersonRecord {
            user: user("ChenChen"),
            departments: vec![],
            ..record("e1", "陈晨", &[])
        };
        kit.directory(Platform::WeCom, &[], &[on_wecom]).await;
        let person = kit.person("fs", "e1").await;
        assert_eq!(kit.person("wcbot", "ChenChen").await.id, person.id);
        kit.roles(&[(&person.id, Role::Operator, Scope::Department("研发中心".into()))])
            .await;
        let done = kit.command("fs", "e1", &group("g1"), "/我").await;
        let [Action::Send { to, content }] = &done.actions()[..] else {
            panic!("{:?}", done.actions())
        };
        assert_eq!(to.as_str(), "e1", "never in the group");
        let text = content.plain();
        for part in [
            "陈晨",
            "研发中心",
            "飞书",
            "企业微信",
            "运营(研发中心)",
            "语言",
            "积分:陈晨 有 3 分",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(lines(&text) <= help::MAX_LINES);
        // Where the bot cannot write to people, the group sees no content.
        let done = kit.command("wcbot", "ChenChen", &group("g2"), "/我").await;
        assert_eq!(done.said(), [Say::AskMePrivately.in_lang(Lang::Zh)]);
    }
}

#[tokio::test]
async fn a_person_is_spoken_to_in_the_language_they_chose() {
    for kit in kits().await {
        let done = kit.command("fs", "u1", &direct("d1"), "/语言 en").await;
        assert_eq!(done.said(), ["Fine, I will speak English to you."]);
        let done = kit.command("fs", "u1", &direct("d1"), "/me").await;
        assert!(done.said()[0].contains("Role: member"), "{:?}", done.said());
        kit.command("fs", "u1", &direct("d1"), "/lang 中文").await;
        let done = kit.command("fs", "u1", &direct("d1"), "/me").await;
        assert!(done.said()[0].contains("角色:成员"), "{:?}", done.said());
    }
}

#[tokio::test]
async fn health_is_a_line_for_everyone_and_a_page_for_operators() {
    for kit in kits().await {
        let done = kit.command("fs", "u1", &group("g1"), "/体检").await;
        assert_eq!(done.said(), [Say::NothingHeardYet.in_lang(Lang::Zh)]);
        let now = kit.clock.now().millis();
        let mut tx = kit.test.store.begin().await.unwrap();
        // It happened eight seconds after it arrived: our clock is slow.
        tx.query("INSERT INTO inbox (app, dedupe, lane, kind, occurred_at, received_at, state) VALUES ('fs', 'k', 'l', 'message', $1, $2, 0)")
            .bind(now - 2 * 3_600_000 + 8_000)
            .bind(now - 2 * 3_600_000)
            .execute()
            .await
            .unwrap();
        tx.query("INSERT INTO work (seq, rule, attempts, next_at, state, error, updated_at) VALUES (1, 'r', 3, 0, 1, 'e', 0)")
            .execute()
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let done = kit.command("fs", "u1", &group("g1"), "/体检").await;
        assert!(done.said()[0].contains("2 小时"), "{:?}", done.said());
        let person = kit.person("fs", "u1").await;
        kit.roles(&[(&person.id, Role::Operator, Scope::All)]).await;
        let done = kit.command("fs", "u1", &group("g1"), "/体检").await;
        let [Action::Send { to, content }] = &done.actions()[..] else {
            panic!("{:?}", done.actions())
        };
        assert_eq!(to.as_str(), "u1");
        let text = content.plain();
        for part in [
            "fs · 飞书 · 看得到:群里全部消息",
            "做不到:更新卡片、建群",
            "上一个事件: 2 小时前",
            "接收:回调",
            "还没有收到过事件",
            "待处理 1 · 处理失败 1 · 待发送 0 · 等人决定 0",
            "差 8 秒",
            "还没有完整同步过",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(lines(&text) <= help::MAX_LINES);
        // A role in one department is enough to see how the bot is.
        kit.roles(&[(&person.id, Role::Auditor, Scope::Department("x".into()))])
            .await;
        assert!(kit.command("fs", "u1", &direct("d"), "/health").await.said()[0].contains("待处理"));
    }
}

#[tokio::test]
async fn one_app_says_what_works_what_is_less_and_what_is_missing() {
    use hutong_model::{Finding, FindingState};
    for kit in kits().await {
        let person = kit.person("fs", "u1").await;
        kit.roles(&[(&person.id, Role::Operator, Scope::All)]).await;
        let ask = async |text: &str| kit.command("fs", "u1", &direct("u1"), text).await.said().join("\n");
        let card = ask("/体检 应用=fs").await;
        for part in ["体检 · fs", "没有:部门群(缺 建群、拉人、移人)", "还没有向平台核对过"] {
            assert!(card.contains(part), "{part}: {card}");
        }
        assert!(ask("/体检 nosuch").await.contains("没有应用「nosuch」"));
        let mut found = vec![
            Finding::new("token", FindingState::Good, "凭证正确", "credentials are right"),
            Finding::new("scope:x", FindingState::Missing, "缺少权限 x", "the scope x is missing"),
        ];
        let mut tx = kit.test.store.begin().await.unwrap();
        let app = hutong_model::AppId::new("fs").unwrap();
        super::store::keep_findings(&mut tx, &app, &found, kit.clock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let card = ask("/health app=fs").await;
        assert!(card.contains("要补:缺少权限 x") && card.contains("1 项齐全"), "{card}");
        assert!(ask("/体检").await.contains("权限缺 1 项、提醒 0 项"));
        // However much there is to say, it fits on a phone.
        found.extend((0..30).map(|n| Finding::new(format!("s{n}"), FindingState::Missing, "缺".repeat(200), "x")));
        let mut tx = kit.test.store.begin().await.unwrap();
        super::store::keep_findings(&mut tx, &app, &found, kit.clock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let card = ask("/体检 应用=fs").await;
        assert!(
            lines(&card) <= help::MAX_LINES && card.contains("hutong check --online"),
            "{card}"
        );
    }
}

#[tokio::test]
async fn who_speaks_is_entered_once_and_costs_nothing_later() {
    for kit in kits().await {
        let chat = group("g1");
        let say = |id: &str| Body::Message(Box::new(kit.message(id, &chat, "早")));
        let statements = async |id: &str| {
            let event = hutong_model::Event {
                id: hutong_model::EventId::from_bytes([1; 16]),
                seq: 1,
                app: hutong_model::AppId::new("fs").unwrap(),
                key: "k".into(),
                lane: "l".into(),
                occurred_at: kit.clock.now(),
                received_at: kit.clock.now(),
                body: say(id),
            };
            if !kit.rules[0].wants(&event.head()) {
                return 0;
            }
            let mut ctx = kit.ctx().await;
            ctx.enter(event.id, NAME);
            kit.rules[0].on_event(&mut ctx, &event).await.unwrap();
            let (tx, _) = ctx.into_parts();
            let writes = tx.writes();
            tx.commit().await.unwrap();
            writes
        };
        assert!(statements("u1").await > 0);
        kit.clock.advance(Duration::from_secs(61));
        assert!(statements("u1").await > 0, "read back once");
        assert_eq!(statements("u1").await, 0);
        assert!(statements("u2").await > 0);
        // Somebody whose entry was rolled back is entered again, however long ago that was.
        let event = say("u3");
        let mut ctx = kit.ctx().await;
        let stamped = hutong_model::Event {
            id: hutong_model::EventId::from_bytes([2; 16]),
            seq: 2,
            app: hutong_model::AppId::new("fs").unwrap(),
            key: "k2".into(),
            lane: "l".into(),
            occurred_at: kit.clock.now(),
            received_at: kit.clock.now(),
            body: event,
        };
        ctx.enter(stamped.id, NAME);
        kit.rules[0].on_event(&mut ctx, &stamped).await.unwrap();
        let (tx, _) = ctx.into_parts();
        tx.rollback().await.unwrap();
        kit.clock.advance(Duration::from_secs(600));
        statements("u3").await;
        let mut tx = kit.test.store.begin().await.unwrap();
        let mut directory = Directory::new(&mut tx);
        let members = directory
            .members(&hutong_model::AppId::new("fs").unwrap(), &chat.id)
            .await
            .unwrap();
        assert_eq!(members.len(), 3, "{}", kit.test.name);
        drop(tx);
        // Bots and people from outside are not entered.
        for kind in [SenderKind::Bot, SenderKind::External] {
            let mut message = kit.message("u9", &chat, "早");
            message.sender.kind = kind;
            kit.event("fs", Body::Message(Box::new(message))).await;
        }
        let mut tx = kit.test.store.begin().await.unwrap();
        let found = Directory::new(&mut tx)
            .person_of(&company(), Platform::Feishu, &user("u9"))
            .await
            .unwrap();
        assert_eq!(found, None);
    }
}

#[tokio::test]
async fn the_bot_greets_a_group_once_and_an_external_one_only_says_why_not() {
    for kit in kits().await {
        let bot = |chat: &str, added, external| Body::Bot {
            chat: group(chat),
            added,
            by: None,
            external,
        };
        let done = kit.event("fs", bot("g1", true, false)).await;
        assert_eq!(done.said(), [Say::Greeting { mention: false }.in_lang(Lang::Zh)]);
        assert_eq!(
            kit.event("wcbot", bot("g1", true, false)).await.said(),
            [Say::Greeting { mention: true }.in_lang(Lang::Zh)]
        );
        kit.event("fs", bot("g1", false, false)).await;
        assert_eq!(kit.event("fs", bot("g1", true, false)).await.said(), [""; 0]);
        let done = kit.event("fs", bot("g2", true, true)).await;
        assert_eq!(done.said(), [Say::ExternalGroup.in_lang(Lang::Zh)]);
        assert_eq!(kit.event("fs", bot("g2", true, true)).await.said(), [""; 0]);
        // Nobody who speaks or joins there is entered.
        let message = kit.message("guest", &group("g2"), "早");
        kit.event("fs", Body::Message(Box::new(message))).await;
        let joined = Body::Member {
            chat: group("g2"),
            users: vec![Mention {
                user: Some(user("guest")),
                name: None,
                bot: false,
            }],
            joined: true,
            by: None,
        };
        kit.event("fs", joined).await;
        let mut tx = kit.test.store.begin().await.unwrap();
        let fs = hutong_model::AppId::new("fs").unwrap();
        let mut directory = Directory::new(&mut tx);
        let (company, guest) = (company(), user("guest"));
        let guest = directory.person_of(&company, Platform::Feishu, &guest);
        assert_eq!(guest.await.unwrap(), None);
        assert!(directory.chat(&fs, &group("g2").id).await.unwrap().unwrap().external);
        assert!(!directory.chat(&fs, &group("g1").id).await.unwrap().unwrap().external);
        assert_eq!(directory.groups(&fs).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn joins_leaves_and_directory_events_reach_the_mirror() {
    for kit in kits().await {
        let fs = hutong_model::AppId::new("fs").unwrap();
        let people = |names: &[&str]| -> Vec<Mention> {
            let mention = |n: &&str| Mention {
                user: Some(user(n)),
                name: None,
                bot: false,
            };
            names.iter().map(mention).collect()
        };
        let member = |names: &[&str], joined| Body::Member {
            chat: group("g1"),
            users: people(names),
            joined,
            by: None,
        };
        kit.event("fs", member(&["u1", "u2"], true)).await;
        kit.event("fs", member(&["u1"], false)).await;
        let person = Body::Person {
            user: user("u3"),
            record: Some(Box::new(record("u3", "新人", &["rd"]))),
            left: false,
        };
        kit.event("fs", person).await;
        let dept = Body::Department {
            id: DepartmentId::new("rd").unwrap(),
            record: Some(department("rd", None, "研发中心")),
            removed: false,
        };
        kit.event("fs", dept).await;
        let changed = Body::Chat {
            chat: group("g1"),
            change: ChatChange::Updated {
                name: Some("新群名".into()),
                owner: Some(user("u2")),
            },
        };
        kit.event("fs", changed).await;
        let unseen = Body::Person {
            user: user("u4"),
            record: None,
            left: false,
        };
        kit.event("fs", unseen).await;
        kit.event("fs", Body::DirectoryScope).await;
        let mut tx = kit.test.store.begin().await.unwrap();
        let mut directory = Directory::new(&mut tx);
        assert_eq!(directory.members(&fs, &group("g1").id).await.unwrap().len(), 1);
        let new = directory
            .person_of(&company(), Platform::Feishu, &user("u3"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (new.name.as_str(), new.department_name.as_deref()),
            ("新人", Some("研发中心"))
        );
        assert_eq!(
            directory
                .chat(&fs, &group("g1").id)
                .await
                .unwrap()
                .unwrap()
                .name
                .as_deref(),
            Some("新群名")
        );
        let mut asked: Vec<_> = directory
            .sync_todo(&fs, 10)
            .await
            .unwrap()
            .into_iter()
            .map(|(u, _)| u)
            .collect();
        asked.sort();
        assert_eq!(asked, [None, Some(user("u4"))]);
        drop(tx);
        let left = Body::Person {
            user: user("u2"),
            record: None,
            left: true,
        };
        kit.event("fs", left).await;
        kit.event(
            "fs",
            Body::Chat {
                chat: group("g1"),
                change: ChatChange::Disbanded,
            },
        )
        .await;
        let mut tx = kit.test.store.begin().await.unwrap();
        let mut directory = Directory::new(&mut tx);
        assert!(directory.members(&fs, &group("g1").id).await.unwrap().is_empty());
        assert!(directory.groups(&fs).await.unwrap().is_empty());
        let gone = directory
            .person_of(&company(), Platform::Feishu, &user("u2"))
            .await
            .unwrap()
            .unwrap();
        assert!(!gone.active);
    }
}

#[tokio::test]
async fn those_who_were_in_a_group_before_the_bot_are_its_members() {
    for test in all().await.unwrap() {
        let wide = FakeAdapter::new("fs", Platform::Feishu, [Ability::SendToChat, Ability::ListMembers]);
        let rules = Service::in_front_of(Vec::new()).unwrap().rules;
        let kit = Kit::new(test, env(vec![Arc::new(wide)]), rules);
        let came = |chat: &str, external| Body::Bot {
            chat: group(chat),
            added: true,
            by: None,
            external,
        };
        let done = kit.event("fs", came("g1", false)).await;
        let listing = done
            .effects
            .iter()
            .find(|e| e.tag.is_some())
            .expect("the members are asked for");
        let receipt = Receipt {
            users: vec![user("li"), user("wang")],
            ..Receipt::default()
        };
        kit.event("fs", outcome_of(listing, true, receipt)).await;
        // Told twice, they are in it once.
        let receipt = Receipt {
            users: vec![user("li")],
            ..Receipt::default()
        };
        kit.event("fs", outcome_of(listing, true, receipt)).await;
        let fs = hutong_model::AppId::new("fs").unwrap();
        let mut tx = kit.test.store.begin().await.unwrap();
        let members = Directory::new(&mut tx).members(&fs, &group("g1").id).await.unwrap();
        assert_eq!(members.len(), 2, "{}", kit.test.name);
        drop(tx);
        // Nobody of an external group is asked for.
        let done = kit.event("fs", came("g2", true)).await;
        assert!(done.effects.iter().all(|e| e.tag.is_none()));
    }
}
