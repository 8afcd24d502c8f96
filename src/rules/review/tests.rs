//! Reviews as reviewers, authors and readers see them, with the rule that sends columns behind the gate.

use std::sync::Arc;

use chrono::{NaiveTime, Weekday};
use hutong_model::{Action, Body, MessageId, Receipt, Segment, Sender};

use super::config::{Columns, Review, Urgent};
use super::*;
use crate::access::Scope;
use crate::access::store::{Grant, Subject, sync_config_roles};
use crate::commands::ArgValue;
use crate::config::{OnHoliday, OnMakeupWorkday, ScheduleSpec};
use crate::directory::Person;
use crate::issues::State;
use crate::lexicon::{Handle, Source};
use crate::rules::columns::ColumnsRule;
use crate::rules::fake::{Left, World, app_id, at, company, text, user};
use crate::schedule::WorkdayTable;
use crate::store::{Store, testing};

const WORDS: &str = "最佳\tnote\tcolumns\t法务 王芳\t2026-12-10\n内部代号\tblock\t*\t安全 赵强\t-\n\
                     赌博\treview\tmembers\t安全 赵强\t-\n";

struct Room {
    w: World,
    columns: ColumnsRule,
    review: ReviewRule,
    editor: Person,
    reviewer: Person,
    deputy: Person,
    member: Person,
    n: u32,
}

fn column() -> Column {
    Column {
        id: "news".into(),
        title: "每周资讯".into(),
        app: app_id("fs"),
        chats: vec![ColumnChat::Chat(ChatId::new("oc_1").unwrap())],
        every: ScheduleSpec::Weekly {
            weekday: Weekday::Mon,
            time: NaiveTime::from_hms_opt(9, 30, 0).unwrap(),
        },
        zone: None,
        items: vec![],
        min_items: 1,
        lateness: Duration::from_secs(7200),
        on_holiday: None,
        on_makeup_workday: None,
        quiet: Default::default(),
        editors: vec![],
        deputies: vec![],
        reviewers: vec![],
        enabled: true,
    }
}

fn calendar() -> Calendar {
    Calendar {
        zone: chrono_tz::Asia::Shanghai,
        workdays: Arc::new(WorkdayTable::china().unwrap()),
        on_holiday: OnHoliday::NextWorkday,
        on_makeup_workday: OnMakeupWorkday::Normal,
        today: "2026-01-01".parse().unwrap(),
    }
}

fn config() -> Review {
    let source = Source {
        name: "words.tsv".into(),
        text: WORDS.into(),
    };
    Review {
        columns: Columns::TwoPerson,
        only: vec![],
        urgent: Urgent::PostReview,
        deputies: vec!["E9".into()],
        deputy_after: Duration::from_secs(4 * 3_600),
        members: true,
        files: vec!["words.tsv".into()],
        words: Handle::open(vec![source]).unwrap(),
    }
}

impl Room {
    async fn open(store: &Store) -> Self {
        let w = World::new(store, "2026-11-27T09:00");
        let editor = w.person("fs", "editor", "李敏").await;
        let reviewer = w.person("fs", "reviewer", "赵强").await;
        let deputy = w.person("fs", "deputy", "王芳").await;
        let member = w.person("fs", "member", "刘洋").await;
        let mut tx = store.begin().await.unwrap();
        let grant = |person: &Person, role| Grant {
            company: company(),
            subject: Subject::Person(person.id.clone()),
            role,
            scope: Scope::All,
        };
        let grants = [
            grant(&editor, Role::Editor),
            grant(&editor, Role::Reviewer),
            grant(&reviewer, Role::Reviewer),
        ];
        sync_config_roles(&mut tx, &grants, w.now).await.unwrap();
        tx.query("UPDATE person SET employee_no = 'E9' WHERE id = $1")
            .bind(deputy.id.as_str())
            .execute()
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let review = ReviewRule::new(config(), &[column()], calendar());
        let columns = ColumnsRule::new(vec![column()], calendar())
            .unwrap()
            .with_gate(review.gate());
        Self {
            w,
            columns,
            review,
            editor,
            reviewer,
            deputy,
            member,
            n: 0,
        }
    }

    fn key(&mut self, what: &str) -> String {
        self.n += 1;
        format!("{what}{}", self.n)
    }

    /// A submission of the member, taken by the editor.
    async fn submit(&mut self, what: &str) {
        let args = [("column", text("每周资讯")), ("text", text(what))];
        let member = self.member.clone();
        let key = self.key("submit");
        self.w
            .command(&self.columns, "columns.submit", &member, Some(&key), &args)
            .await
            .unwrap();
        let number = self.n_items().await;
        let editor = self.editor.clone();
        let args = [("number", ArgValue::Integer(number))];
        self.w
            .command(&self.columns, "columns.accept", &editor, None, &args)
            .await
            .unwrap();
    }

    async fn n_items(&self) -> i64 {
        let mut tx = self.w.store.begin().await.unwrap();
        let row = tx.query("SELECT MAX(id) AS n FROM column_item").one().await.unwrap();
        row.get("n").unwrap()
    }

    async fn tick(&mut self, now: &str) -> Left {
        self.w.now = at(now);
        let mut all = Left::default();
        for schedule in ["columns:~desk", WATCH] {
            let body = Body::Tick {
                schedule: schedule.into(),
                slot: at(now),
                local: now.into(),
            };
            let key = self.key("tick");
            let rule: &dyn Rule = if schedule == WATCH { &self.review } else { &self.columns };
            all.effects
                .extend(self.w.event(rule, &key, body).await.unwrap().effects);
        }
        all
    }

    async fn occurrence(&mut self, slot: &str) -> Left {
        self.w.now = at(slot);
        let body = Body::Tick {
            schedule: "columns:news".into(),
            slot: at(slot),
            local: slot.into(),
        };
        let key = self.key("tick");
        self.w.event(&self.columns, &key, body).await.unwrap()
    }

    async fn issue(&self) -> issues::Issue {
        let mut tx = self.w.store.begin().await.unwrap();
        let row = tx.query("SELECT MAX(id) AS n FROM column_issue").one().await.unwrap();
        issues::issue(&mut tx, row.get("n").unwrap()).await.unwrap().unwrap()
    }

    /// What a command answers, refusals included.
    async fn says(&mut self, by: &Person, id: &'static str, args: &[(&'static str, ArgValue)]) -> String {
        match self.w.command(&self.review, id, by, None, args).await {
            Ok(left) => left.to("reply direct"),
            Err(RuleError::Refuse(message)) => message.plain(),
            Err(error) => panic!("{error}"),
        }
    }

    /// The first button that the reviewer may press.
    fn yes_of(&self, left: &Left) -> hutong_model::Button {
        let only = |b: &hutong_model::Button| self.w.env.signer.read(&b.action, self.w.now).unwrap().only;
        let mut all = left.buttons().into_iter();
        all.find(|b| only(b).as_deref() == Some(self.reviewer.id.as_str()))
            .unwrap()
    }

    async fn press(&mut self, by: &Person, button: &hutong_model::Button) -> String {
        match self.w.click(&self.review, by, button, None).await {
            Ok(left) => left.said().into_iter().map(|(_, t)| t).collect::<Vec<_>>().join("\n"),
            Err(RuleError::Refuse(message)) => message.plain(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn approve(number: i64, draft: i64) -> Vec<(&'static str, ArgValue)> {
    vec![
        ("number", ArgValue::Integer(number)),
        ("draft", ArgValue::Integer(draft)),
    ]
}

#[tokio::test]
async fn from_submission_to_the_group_only_with_a_yes_of_somebody_else() {
    for t in testing::all().await.unwrap() {
        let mut r = Room::open(&t.store).await;
        r.submit("第三季度投诉率 12%,来源见最佳实践库").await;
        // Monday 09:30 is less than three working days away.
        let left = r.tick("2026-11-27T09:30").await;
        let card = left.to("user reviewer");
        assert!(
            card.starts_with("【审核 │ 每周资讯 11-30】\n作者 投稿汇集 · 第 1 稿"),
            "{card}"
        );
        assert!(
            card.contains("【最佳】") && card.contains("提示「最佳」") && card.contains("初稿"),
            "{card}"
        );
        assert!(
            card.contains("☑来源已附") && card.contains("[通过并排期 周一 11-30 09:30] [退回] [改时间]"),
            "{card}"
        );
        assert!(card.lines().count() <= 12, "{card}");
        let yes = r.yes_of(&left);
        let issue = r.issue().await;
        assert_eq!(issue.state, State::Pending);
        // The author of a submission is an author; somebody without the role decides nothing.
        let (member, reviewer, editor) = (r.member.clone(), r.reviewer.clone(), r.editor.clone());
        assert!(
            r.says(&member, "review.approve", &approve(issue.id, 1))
                .await
                .contains("只有审核人")
        );
        // An edit by the editor makes a new version with its own card, and says what changed.
        let args = [
            ("number", ArgValue::Integer(issue.id)),
            ("text", text("第三季度投诉率 11.6%")),
        ];
        let left =
            r.w.command(&r.review, "review.edit", &editor, None, &args)
                .await
                .unwrap();
        let card = left.to("user reviewer");
        assert!(
            card.contains("第 2 稿")
                && card.contains("− 第三季度投诉率 12%")
                && card.contains("+ 第三季度投诉率 11.6%"),
            "{card}"
        );
        let second = r.yes_of(&left);
        // The old card is about another version; the editor wrote this one.
        assert!(r.press(&reviewer, &yes).await.contains("你看的不是现在的内容"));
        assert!(
            r.says(&editor, "review.approve", &approve(issue.id, 2))
                .await
                .contains("你是这一期的作者")
        );
        assert!(r.says(&reviewer, "review.todo", &[]).await.contains("每周资讯 第 2 稿"));
        assert!(r.says(&editor, "review.todo", &[]).await.contains("没有等你审核"));
        assert!(r.press(&reviewer, &second).await.contains("已通过「每周资讯」"));
        assert!(r.press(&reviewer, &second).await.contains("「已排期」"));
        assert_eq!(r.issue().await.state, State::Scheduled);
        assert!(r.tick("2026-11-30T09:00").await.effects.is_empty());
        let left = r.occurrence("2026-11-30T09:30").await;
        assert!(left.to("chat oc_1").contains("11.6%"), "{:?}", left.said());
        assert_eq!(r.issue().await.state, State::Sent);
        assert!(r.occurrence("2026-11-30T09:30").await.effects.is_empty());
    }
}

#[tokio::test]
async fn an_edit_after_the_yes_stops_it_and_nobody_is_surprised() {
    let t = testing::sqlite().await.unwrap();
    let mut r = Room::open(&t.store).await;
    r.submit("半小时定位掉帧的办法").await;
    r.tick("2026-11-27T09:30").await;
    let issue = r.issue().await;
    let (reviewer, editor, deputy) = (r.reviewer.clone(), r.editor.clone(), r.deputy.clone());
    assert!(
        r.says(&reviewer, "review.approve", &approve(issue.id, 1))
            .await
            .contains("已通过")
    );
    let args = [
        ("number", ArgValue::Integer(issue.id)),
        ("text", text("一小时定位掉帧的办法")),
    ];
    let left =
        r.w.command(&r.review, "review.edit", &editor, None, &args)
            .await
            .unwrap();
    assert!(
        left.to("user editor").contains("第 1 稿的通过作废"),
        "{:?}",
        left.said()
    );
    // Deputies after four hours.
    assert!(r.tick("2026-11-27T13:20").await.to("user deputy").is_empty());
    let left = r.tick("2026-11-27T13:30").await;
    assert!(left.to("user deputy").contains("第 2 稿"), "{:?}", left.said());
    // The way round the gate: the minute comes, and nothing goes out.
    let left = r.tick("2026-11-30T09:00").await;
    assert!(left.to("user editor").contains("还没有人审核通过"), "{:?}", left.said());
    assert!(r.occurrence("2026-11-30T09:30").await.effects.is_empty());
    assert_eq!(r.issue().await.state, State::Missed);
    assert!(
        r.says(&deputy, "review.approve", &approve(issue.id, 2))
            .await
            .contains("「未发」")
    );
    assert!(r.tick("2026-11-30T09:10").await.effects.is_empty());
}

#[tokio::test]
async fn the_gate_holds_without_the_watch_and_after_a_return() {
    let t = testing::sqlite().await.unwrap();
    let mut r = Room::open(&t.store).await;
    r.submit("半小时定位掉帧的办法").await;
    // No watch has looked: the column asks the gate all the same.
    let left = r.occurrence("2026-11-30T09:30").await;
    assert!(
        left.to("chat oc_1").is_empty() && left.to("user editor").contains("还没有人审核通过"),
        "{:?}",
        left.said()
    );
    // The next one: returned with a reason, changed, approved too late.
    r.tick("2026-12-04T09:30").await;
    let issue = r.issue().await;
    let (reviewer, editor) = (r.reviewer.clone(), r.editor.clone());
    assert!(
        r.says(
            &reviewer,
            "review.return",
            &[("number", ArgValue::Integer(issue.id)), ("reason", text(" "))]
        )
        .await
        .contains("请写一句原因")
    );
    let args = [
        ("number", ArgValue::Integer(issue.id)),
        ("reason", text("没有日期 <b>")),
    ];
    let left =
        r.w.command(&r.review, "review.return", &reviewer, None, &args)
            .await
            .unwrap();
    assert!(left.to("user editor").contains("> 没有日期 <b>"), "{:?}", left.said());
    assert_eq!(r.issue().await.state, State::Returned);
    let args = [
        ("number", ArgValue::Integer(issue.id)),
        ("text", text("内部代号在 11 月 28 日定位掉帧")),
    ];
    r.w.command(&r.review, "review.edit", &editor, None, &args)
        .await
        .unwrap();
    assert!(
        r.says(&reviewer, "review.approve", &approve(issue.id, 2))
            .await
            .contains("不能发的词:内部代号")
    );
    let args = [
        ("number", ArgValue::Integer(issue.id)),
        ("text", text("11 月 28 日定位掉帧")),
    ];
    r.w.command(&r.review, "review.edit", &editor, None, &args)
        .await
        .unwrap();
    r.w.now = at("2026-12-07T09:01");
    assert!(
        r.says(&reviewer, "review.approve", &approve(issue.id, 3))
            .await
            .contains("已过截止时间")
    );
}

#[tokio::test]
async fn urgent_issues_are_looked_at_afterwards_and_corrections_reach_their_readers() {
    for t in testing::all().await.unwrap() {
        let mut r = Room::open(&t.store).await;
        r.w.env = with_readers(&r.w.env);
        r.submit("本季投诉率 12%").await;
        let (reviewer, editor) = (r.reviewer.clone(), r.editor.clone());
        let news = [("column", text("每周资讯"))];
        r.w.now = at("2026-11-30T10:00");
        let left =
            r.w.command(&r.columns, "columns.send", &editor, None, &news)
                .await
                .unwrap();
        assert!(left.to("chat oc_1").contains("12%"), "{:?}", left.said());
        let sent = left.effects.iter().find(|e| e.tag.is_some()).unwrap();
        let done = World::done(sent, "card1");
        r.w.event(&r.columns, "done", done).await.unwrap();
        let left = r.tick("2026-11-30T10:10").await;
        assert!(left.to("user reviewer").contains("已先发出"), "{:?}", left.said());
        let left = r.tick("2026-11-30T12:00").await;
        assert!(left.to("user editor").contains("还没有人补审"), "{:?}", left.said());
        assert!(r.tick("2026-11-30T12:10").await.effects.is_empty());
        let issue = r.issue().await;
        assert!(
            r.says(&reviewer, "review.approve", &approve(issue.id, 1))
                .await
                .contains("补审通过")
        );
        // The correction: readers are asked for first, the card is changed in place, readers are told.
        let wrong = [
            ("day", ArgValue::Date("2026-11-29".parse().unwrap())),
            ("column", text("news")),
            ("text", text("投诉率 11.6%")),
        ];
        assert!(
            r.says(&editor, "review.correct", &wrong)
                .await
                .contains("没有发出过的一期")
        );
        let args = [
            ("day", ArgValue::Date("2026-11-30".parse().unwrap())),
            ("column", text("每周资讯")),
            ("text", text("投诉率 11.6%")),
        ];
        let left =
            r.w.command(&r.review, "review.correct", &editor, None, &args)
                .await
                .unwrap();
        let kinds: Vec<&str> = left.actions().iter().map(|a| a.kind().as_str()).collect();
        assert_eq!(kinds, ["readers", "update_card", "reply"], "{:?}", left.said());
        assert!(left.to("card card1").contains("11.6%") && left.to("card card1").contains("第 2 版"));
        assert!(left.to("reply direct").contains("1 个群能查已读") && left.to("reply direct").contains("0 个群查不到"));
        assert_eq!((r.issue().await.state, r.issue().await.version), (State::Corrected, 2));
        let asked = left.effects.iter().find(|e| e.tag.is_some()).unwrap();
        let mut answer = World::done(asked, "card1");
        if let Body::EffectDone { receipt, .. } = &mut answer {
            *receipt = Receipt {
                users: vec![user("member"), user("stranger")],
                ..Receipt::default()
            };
        }
        let left = r.w.event(&r.review, "readers", answer).await.unwrap();
        let told: Vec<(String, String)> = left.said();
        assert!(
            left.to("user member").contains("你看过的「每周资讯」有更正") && left.to("user member").contains("11.6%"),
            "{told:?}"
        );
        assert!(
            left.to("user editor").contains("1 人看过旧版") && told.len() == 2,
            "{told:?}"
        );
        // Its own review after the fact.
        let left = r.tick("2026-11-30T12:20").await;
        assert!(left.to("user reviewer").contains("第 2 稿"), "{:?}", left.said());
    }
}

fn with_readers(env: &Arc<crate::rules::Env>) -> Arc<crate::rules::Env> {
    crate::rules::fake::env_with(env, "fs", &[hutong_model::Ability::Readers])
}

#[tokio::test]
async fn where_readers_are_not_known_everybody_is_told() {
    let t = testing::sqlite().await.unwrap();
    let mut r = Room::open(&t.store).await;
    r.submit("本季投诉率 12%").await;
    let editor = r.editor.clone();
    let news = [("column", text("每周资讯"))];
    r.w.now = at("2026-11-30T10:00");
    let left =
        r.w.command(&r.columns, "columns.send", &editor, None, &news)
            .await
            .unwrap();
    let done = World::done(left.effects.iter().find(|e| e.tag.is_some()).unwrap(), "card1");
    r.w.event(&r.columns, "done", done).await.unwrap();
    let args = [
        ("day", ArgValue::Date("2026-11-30".parse().unwrap())),
        ("column", text("每周资讯")),
        ("text", text("投诉率 11.6%")),
    ];
    let left =
        r.w.command(&r.review, "review.correct", &editor, None, &args)
            .await
            .unwrap();
    assert!(
        left.to("chat oc_1").starts_with("【更正 │ 每周资讯】"),
        "{:?}",
        left.said()
    );
    assert!(left.to("reply direct").contains("1 个群查不到"));
    // A forbidden word does not get in by the back door.
    let args = [
        ("day", ArgValue::Date("2026-11-30".parse().unwrap())),
        ("column", text("每周资讯")),
        ("text", text("内 部 代 号和內部代號")),
    ];
    assert!(
        r.says(&editor, "review.correct", &args)
            .await
            .contains("不能发的词:内部代号")
    );
}

#[tokio::test]
async fn a_member_is_told_in_private_and_the_text_is_kept_nowhere() {
    for t in testing::all().await.unwrap() {
        let mut r = Room::open(&t.store).await;
        let message = |id: &str, what: &str| {
            Body::Message(Box::new(hutong_model::MessageEvent {
                message: MessageId::new(id).unwrap(),
                chat: crate::rules::fake::group("oc_1"),
                sender: Sender {
                    user: Some(user("member")),
                    name: None,
                    kind: SenderKind::Person,
                },
                content: vec![Segment::Text(what.into())],
                attachments: vec![],
                reply_to: None,
                thread: None,
                addressed: false,
                mentions_all: false,
                reply_context: None,
            }))
        };
        assert!(
            r.w.event(&r.review, "m0", message("m0", "中午吃什么,最佳餐馆?"))
                .await
                .unwrap()
                .effects
                .is_empty()
        );
        let secret = "周末去賭\u{200B}博吗,地点在三号门";
        let left = r.w.event(&r.review, "m1", message("m1", secret)).await.unwrap();
        assert_eq!(left.effects.len(), 1);
        let note = left.to("user member");
        assert!(
            note.contains("第 4–6 个字:「赌博」") && note.contains("没有删除") && !note.contains("三号门"),
            "{note}"
        );
        assert!(matches!(left.actions()[0], Action::Send { .. }));
        assert!(
            r.w.event(&r.review, "m1b", message("m1", secret))
                .await
                .unwrap()
                .effects
                .is_empty()
        );
        let button = left.buttons()[0].clone();
        let member = r.member.clone();
        assert!(r.press(&member, &button).await.contains("已记为误报"));
        assert!(r.press(&member, &button).await.contains("已记过"));
        let mut tx = t.store.begin().await.unwrap();
        let rows = tx
            .query("SELECT word, message, from_char, to_char FROM lexicon_hit")
            .all()
            .await
            .unwrap();
        assert_eq!(rows.len(), 1);
        let word: String = rows[0].get("word").unwrap();
        assert!(!word.contains('赌') && word.len() == 20);
        let grant = Grant {
            company: company(),
            subject: Subject::Person(r.editor.id.clone()),
            role: Role::Operator,
            scope: Scope::All,
        };
        sync_config_roles(&mut tx, &[grant], r.w.now).await.unwrap();
        tx.commit().await.unwrap();
        let body = Body::Tick {
            schedule: WEEK.into(),
            slot: r.w.now,
            local: "2026-11-30T09:00".into(),
        };
        let left = r.w.event(&r.review, "week", body).await.unwrap();
        assert!(
            left.to("user editor").contains("赌博:命中 1,误报 1"),
            "{:?}",
            left.said()
        );
        let editor = r.editor.clone();
        let rules = r.says(&editor, "review.rules", &[]).await;
        assert!(
            rules.contains("词库 3 条") && rules.contains("将到期:最佳 · 法务 王芳 · 2026-12-10"),
            "{rules}"
        );
    }
}

#[tokio::test]
async fn a_reviewer_who_left_decides_nothing_and_nobody_left_is_said() {
    let t = testing::sqlite().await.unwrap();
    let mut r = Room::open(&t.store).await;
    r.submit("半小时定位掉帧的办法").await;
    r.tick("2026-11-27T09:30").await;
    let issue = r.issue().await;
    let (reviewer, deputy) = (r.reviewer.clone(), r.deputy.clone());
    let mut tx = t.store.begin().await.unwrap();
    let mut directory = crate::directory::Directory::new(&mut tx);
    directory.person_left(&reviewer.id, r.w.now).await.unwrap();
    tx.commit().await.unwrap();
    assert!(
        r.says(&reviewer, "review.approve", &approve(issue.id, 1))
            .await
            .contains("只有审核人")
    );
    assert!(
        r.says(&deputy, "review.approve", &approve(issue.id, 1))
            .await
            .contains("已通过")
    );
    for spec in commands::COMMANDS {
        assert!(
            crate::text::review::COMMANDS.iter().any(|t| t.id == spec.id),
            "{}",
            spec.id
        );
    }
}
