//! What people type and what comes of it.

use hutong_model::{Body, ChatRef, Mention, MessageId};

use super::config::{Give, Points};
use super::verify::verify;
use super::*;
use crate::commands::ArgValue;
use crate::directory::Person;
use crate::rules::fake::{Left, World, at, mention, text};
use crate::store::testing;

pub fn config() -> Points {
    Points {
        score_daily_cap: 40,
        values: vec!["客户第一".into(), "协作".into()],
        give: Give {
            weekly_allowance: 10,
            max_per_act: 3,
            per_pair_per_day: 1,
            reason_min_chars: 6,
            pair_saturation: 0.5,
            payback_window_days: 7,
        },
    }
}

struct Office {
    w: World,
    rule: PointsRule,
    li: Person,
    chen: Person,
    wang: Person,
}

async fn office(store: &crate::store::Store) -> Office {
    let w = World::new(store, "2026-11-24T10:00");
    Office {
        li: w.person("fs", "li", "李敏").await,
        chen: w.person("fs", "chen", "陈晨").await,
        wang: w.person("fs", "wang", "王芳").await,
        rule: PointsRule::new(config(), chrono_tz::Asia::Shanghai),
        w,
    }
}

fn people(list: &[(&str, &str)]) -> ArgValue {
    ArgValue::People(list.iter().map(|(id, name)| mention(id, name)).collect())
}

impl Office {
    async fn thanks(&mut self, by: &str, message: &str, to: &[(&str, &str)], reason: &str) -> Left {
        let by = match by {
            "li" => self.li.clone(),
            "chen" => self.chen.clone(),
            _ => self.wang.clone(),
        };
        let args = [("to", people(to)), ("reason", text(reason))];
        self.w
            .command(&self.rule, "points.thanks", &by, Some(message), &args)
            .await
            .unwrap()
    }
    async fn ask(&mut self, id: &'static str, by: &Person, args: &[(&'static str, ArgValue)]) -> Left {
        self.w.command(&self.rule, id, by, None, args).await.unwrap()
    }
    async fn recall(&mut self, message: &str) -> Left {
        let body = Body::Recall {
            message: MessageId::new(message).unwrap(),
            chat: Option::<ChatRef>::None,
            by: None,
        };
        self.w.event(&self.rule, &format!("r-{message}"), body).await.unwrap()
    }
    async fn score(&mut self, person: &Person) -> String {
        let left = self.ask("points.mine", person, &[]).await;
        let text = left.to("reply direct");
        let line = text.lines().find(|l| l.contains("贡献分")).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_thank_you_from_end_to_end() {
    for t in testing::all().await.unwrap() {
        let mut o = office(&t.store).await;
        let left = o
            .thanks(
                "li",
                "m1",
                &[("chen", "陈晨")],
                "帮我定位了驱动问题 <at id=all> #客户第一",
            )
            .await;
        assert_eq!(
            left.to("reply oc_1"),
            "陈晨 收到 李敏 的感谢:帮我定位了驱动问题 <at id=all>(+1)"
        );
        let card = left.to("user chen");
        assert!(
            card.contains("李敏 感谢你:") && card.contains("体现了「客户第一」") && card.contains("本月共 1"),
            "{card}"
        );
        // The same event again: nothing more.
        let again = o.thanks("li", "m1", &[("chen", "陈晨")], "帮我定位了驱动问题").await;
        assert!(again.effects.is_empty(), "{}", t.name);
        assert_eq!(o.score(&o.chen.clone()).await, "1");
        let li = o.li.clone();
        let mine = o.ask("points.mine", &li, &[]).await.to("reply direct");
        assert!(mine.contains("可赠 9") && mine.lines().count() <= 12, "{mine}");
        // Two more receivers, two points each, one of them saturated on the next day.
        o.w.now = at("2026-11-25T10:00");
        let left = o
            .thanks(
                "li",
                "m2",
                &[("chen", "陈晨"), ("wang", "王芳")],
                "2分 一起排查了线上的问题",
            )
            .await;
        assert!(
            left.to("reply oc_1").ends_with("(陈晨 +1.3、王芳 +2)"),
            "{}",
            left.to("reply oc_1")
        );
        // Giving back within a week weighs half.
        let left = o.thanks("chen", "m3", &[("li", "李敏")], "谢谢你这么耐心地讲解").await;
        assert!(left.to("reply oc_1").ends_with("(+0.5)"));
        let report = verify(&t.store).await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!(report.transactions, 4);
        let event = o.w.next_id();
        let mut ctx = o.w.ctx(t.store.begin().await.unwrap(), event, &o.rule);
        let lines = o.rule.me_lines(&mut ctx, &o.li, Lang::Zh).await.unwrap();
        assert_eq!(lines, ["积分:本月 0.5 分,本周还可送出 5 分"]);
    }
}

#[tokio::test]
async fn what_is_not_sent_is_explained_in_private() {
    let t = testing::sqlite().await.unwrap();
    let mut o = office(&t.store).await;
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
    let cases: &[Case<'_>] = &[
        (&[("li", "李敏")], "帮我定位了驱动问题", "不能给自己"),
        (&[], "帮我定位了驱动问题", "请 @ 一位同事"),
        (&[("chen", "陈晨")], "谢谢", "至少 6 个字"),
        (
            &[("chen", "陈晨")],
            "谢谢 `很长很长很长的代码` https://x.example/abcdefg",
            "至少 6 个字",
        ),
        (&[("chen", "陈晨")], "帮我定位了驱动问题 4分", "1 到 3 分"),
        (&[("chen", "陈晨")], "感谢 @所有人 今天的付出", "不能 @所有人"),
        (&[("all", "所有人")], "感谢今天大家的付出", "不能 @所有人"),
    ];
    for (i, (to, reason, expected)) in cases.iter().enumerate() {
        let left = o.thanks("li", &format!("x{i}"), to, reason).await;
        assert_eq!(left.effects.len(), 1);
        assert!(left.to("user li").contains(expected), "{expected}: {:?}", left.said());
    }
    let nobody = ArgValue::People(vec![Mention {
        user: None,
        name: Some("没有此人".into()),
        bot: false,
    }]);
    let li = o.li.clone();
    let left = o
        .ask(
            "points.thanks",
            &li,
            &[("to", nobody), ("reason", text("帮我定位了驱动问题"))],
        )
        .await;
    assert!(left.to("reply direct").contains("没认出「没有此人」"));
    // Nothing of all that was counted.
    assert_eq!(verify(&t.store).await.unwrap().transactions, 0);
    // The pair's day, then the week.
    o.thanks("li", "m1", &[("chen", "陈晨")], "3分 帮我定位了驱动问题")
        .await;
    let left = o.thanks("li", "m2", &[("chen", "陈晨")], "帮我定位了驱动问题").await;
    assert!(left.to("user li").contains("今天已经感谢过 陈晨"));
    o.thanks("li", "m3", &[("wang", "王芳")], "3分 帮我定位了驱动问题")
        .await;
    o.w.now = at("2026-11-25T10:00");
    o.thanks("li", "m4", &[("wang", "王芳")], "3分 帮我定位了驱动问题")
        .await;
    let left = o
        .thanks("li", "m5", &[("chen", "陈晨")], "2分 帮我定位了驱动问题")
        .await;
    let told = left.to("user li");
    assert!(told.contains("还剩 1 分") && told.contains("周一(11-30)"), "{told}");
    // On Monday there are ten again.
    o.w.now = at("2026-11-30T09:00");
    let left = o
        .thanks("li", "m6", &[("chen", "陈晨")], "2分 帮我定位了驱动问题")
        .await;
    assert!(left.to("reply oc_1").contains("陈晨 收到"));
}

#[tokio::test]
async fn a_receiver_has_a_day_of_fifteen() {
    let t = testing::sqlite().await.unwrap();
    let mut o = office(&t.store).await;
    let mut last = String::new();
    for n in 0..7 {
        let giver = o.w.person("fs", &format!("g{n}"), &format!("同事{n}")).await;
        let args = [
            ("to", people(&[("chen", "陈晨")])),
            ("reason", text("3分 帮我定位了驱动问题")),
        ];
        let message = format!("m{n}");
        let left =
            o.w.command(&o.rule, "points.thanks", &giver, Some(&message), &args)
                .await
                .unwrap();
        last = left.to("reply oc_1");
    }
    assert!(last.contains("已经满了"), "{last}");
    assert_eq!(o.score(&o.chen.clone()).await, "15");
    assert!(verify(&t.store).await.unwrap().ok());
}

#[tokio::test]
async fn taken_back_before_between_and_after() {
    for t in testing::all().await.unwrap() {
        let mut o = office(&t.store).await;
        // After, twice.
        let sent = o.thanks("li", "m1", &[("chen", "陈晨")], "帮我定位了驱动问题").await;
        let line = sent.effects.iter().find(|e| e.tag.is_some()).unwrap();
        let done = World::done(line, "bot1");
        o.w.event(&o.rule, "d1", done).await.unwrap();
        let left = o.recall("m1").await;
        assert!(left.to("user chen").contains("撤回"), "{:?}", left.said());
        assert!(
            left.said().iter().any(|(kind, _)| kind == "recall"),
            "the bot's line goes too"
        );
        assert!(o.recall("m1").await.effects.is_empty());
        assert_eq!(o.score(&o.chen.clone()).await, "0");
        // Before.
        o.recall("m2").await;
        let left = o.thanks("li", "m2", &[("wang", "王芳")], "帮我定位了驱动问题").await;
        assert!(left.effects.is_empty());
        // Between the line and its receipt.
        let sent = o.thanks("wang", "m3", &[("chen", "陈晨")], "帮我定位了驱动问题").await;
        o.recall("m3").await;
        let line = sent.effects.iter().find(|e| e.tag.is_some()).unwrap();
        let left = o.w.event(&o.rule, "d3", World::done(line, "bot3")).await.unwrap();
        assert_eq!(left.said().len(), 1);
        let report = verify(&t.store).await.unwrap();
        assert_eq!((report.problems, report.transactions), (vec![], 4), "{}", t.name);
        // The allowance is not given back: posting and taking back earns nothing and costs.
        let li = o.li.clone();
        let mine = o.ask("points.mine", &li, &[]).await.to("reply direct");
        assert!(mine.contains("可赠 9"), "{mine}");
    }
}

#[tokio::test]
async fn a_question_toggles_in_place() {
    let t = testing::sqlite().await.unwrap();
    let mut o = office(&t.store).await;
    o.thanks("li", "m1", &[("chen", "陈晨")], "帮我定位了驱动问题").await;
    let (li, chen) = (o.li.clone(), o.chen.clone());
    let card = o.ask("points.mine", &chen, &[]).await;
    let button = card.buttons().pop().unwrap();
    assert_eq!(button.label, "有疑问");
    for _ in 0..2 {
        let left = o.w.click(&o.rule, &chen, &button, Some("c1")).await.unwrap();
        assert!(left.to("card c1").contains("已收到"), "{:?}", left.said());
        assert_eq!(left.effects[0].state_key.as_deref(), Some("points.mine:fs:c1"));
    }
    let list = o.ask("points.disputes", &li, &[]).await.to("reply direct");
    assert!(list.contains("陈晨 · L20261124-0001"), "{list}");
    let args = [
        ("id", text("l20261124-0001")),
        ("to", people(&[("chen", "陈晨")])),
        ("reason", text("已核对,无误")),
    ];
    let left = o.ask("points.answer", &li, &args).await;
    assert!(left.to("user chen").contains("已核对,无误"));
    assert!(
        o.ask("points.disputes", &li, &[])
            .await
            .to("reply direct")
            .contains("没有待处理")
    );
    let left = o.w.click(&o.rule, &chen, &button, Some("c1")).await.unwrap();
    let undo = left.buttons().pop().unwrap();
    let left = o.w.click(&o.rule, &chen, &undo, None).await.unwrap();
    assert!(!left.to("reply direct").contains("已收到"), "{:?}", left.said());
}

#[tokio::test]
async fn operators_grant_and_reverse() {
    for t in testing::all().await.unwrap() {
        let mut o = office(&t.store).await;
        let (li, chen) = (o.li.clone(), o.chen.clone());
        let grant = |n: i64| {
            [
                ("to", people(&[("chen", "陈晨")])),
                ("points", ArgValue::Integer(n)),
                ("reason", text("整理了测试规范")),
            ]
        };
        let left = o.ask("points.grant", &li, &grant(50)).await;
        assert!(left.to("user chen").contains("奖励你 50 分"));
        assert!(left.to("reply direct").contains("L20261124-0001"));
        o.ask("points.grant", &li, &grant(45)).await;
        let left = o.ask("points.grant", &li, &grant(20)).await;
        assert!(left.to("reply direct").contains("还剩 5 分"), "{:?}", left.said());
        let back = |id: &str| [("id", text(id)), ("reason", text("重复"))];
        let left = o.ask("points.reverse", &li, &back("l20261124-0002")).await;
        assert!(left.to("reply direct").contains("已冲正") && left.to("user chen").contains("重复"));
        let left = o.ask("points.reverse", &li, &back("L20261124-0002")).await;
        assert!(left.to("reply direct").contains("之前已经冲正过"));
        let left = o.ask("points.reverse", &li, &back("L20261124-0003")).await;
        assert!(left.to("reply direct").contains("不能再冲正"));
        let left = o.ask("points.reverse", &li, &back("L20261124-9999")).await;
        assert!(left.to("reply direct").contains("没有找到"));
        assert_eq!(o.score(&chen).await, "50");
        let list = o
            .ask("points.entries", &chen, &[("month", text("2026-11"))])
            .await
            .to("reply direct");
        assert!(
            list.contains("李敏 奖励:整理了测试规范") && list.contains("已冲正"),
            "{list}"
        );
        let look = [("to", people(&[("chen", "陈晨")]))];
        assert_eq!(o.ask("points.lookup", &li, &look).await.to("reply direct"), list);
        let report = verify(&t.store).await.unwrap();
        assert_eq!((report.problems, report.transactions), (vec![], 3));
    }
}

#[tokio::test]
async fn the_board_names_the_upper_half() {
    for t in testing::all().await.unwrap() {
        let mut o = office(&t.store).await;
        o.thanks("li", "m1", &[("chen", "陈晨")], "3分 帮我定位了驱动问题")
            .await;
        o.thanks("chen", "m2", &[("wang", "王芳")], "帮我定位了驱动问题").await;
        let (chen, wang) = (o.chen.clone(), o.wang.clone());
        for period in ["本月", "week"] {
            let board = o
                .ask("points.board", &chen, &[("period", text(period))])
                .await
                .to("reply direct");
            assert!(board.contains("1. 陈晨 3 分 · 帮到 1 人"), "{board}");
            assert!(!board.contains("王芳"), "{board}");
        }
        let board = o.ask("points.board", &wang, &[]).await.to("reply direct");
        assert!(board.contains("你 1 分"), "{board}");
        let board = o
            .ask("points.board", &wang, &[("dept", text("部门"))])
            .await
            .to("reply direct");
        assert!(board.contains("不知道你在哪个部门"), "{board}");
        o.ask("points.hide", &chen, &[]).await;
        let board = o.ask("points.board", &wang, &[]).await.to("reply direct");
        assert!(!board.contains("陈晨") && board.contains("1. 王芳"), "{board}");
        o.ask("points.show", &chen, &[]).await;
        assert!(
            o.ask("points.board", &wang, &[])
                .await
                .to("reply direct")
                .contains("陈晨")
        );
    }
}

#[test]
fn every_command_has_its_texts() {
    for spec in commands::COMMANDS {
        assert!(
            crate::text::points::COMMANDS.iter().any(|t| t.id == spec.id),
            "{}",
            spec.id
        );
    }
    assert_eq!(commands::COMMANDS.len(), crate::text::points::COMMANDS.len());
}

/// What segments are told of a person's score.
async fn fact(o: &Office, person: &Person) -> Option<i64> {
    let mut tx = o.w.store.begin().await.unwrap();
    let all = crate::directory::facts::all(&mut tx, &crate::rules::fake::company())
        .await
        .unwrap();
    all.into_iter().find(|p| p.id == person.id).unwrap().score
}

#[tokio::test]
async fn segments_know_the_score_of_the_season() {
    for t in testing::all().await.unwrap() {
        let mut o = office(&t.store).await;
        let (li, chen) = (o.li.clone(), o.chen.clone());
        assert_eq!(fact(&o, &chen).await, None, "nobody has been thanked");
        o.thanks("li", "m1", &[("chen", "陈晨")], "2分 帮我定位了驱动问题")
            .await;
        assert_eq!((fact(&o, &chen).await, fact(&o, &li).await), (Some(2), None));
        o.recall("m1").await;
        assert_eq!(fact(&o, &chen).await, Some(0), "taken back");
        o.thanks("wang", "m2", &[("chen", "陈晨")], "1分 帮我修好了测试台架")
            .await;
        assert_eq!(fact(&o, &chen).await, Some(1));

        // The first of the next month.
        o.w.now = crate::rules::fake::at("2026-12-01T00:05");
        let tick = || Body::Tick {
            schedule: SEASON.into(),
            slot: crate::rules::fake::at("2026-12-01T00:05"),
            local: "2026-12-01T00:05".into(),
        };
        o.w.event(&o.rule, "season", tick()).await.unwrap();
        assert_eq!(fact(&o, &chen).await, Some(0), "a new season");
        // What was earned in it stays, also when the tick is late.
        o.w.now = crate::rules::fake::at("2026-12-01T09:00");
        o.thanks("li", "m3", &[("chen", "陈晨")], "1分 帮我重写了烧录脚本")
            .await;
        o.w.event(&o.rule, "season again", tick()).await.unwrap();
        assert_eq!(fact(&o, &chen).await, Some(1));
        let schedules = o.rule.schedules();
        assert_eq!((schedules[0].id.as_str(), schedules[0].rule.as_str()), (SEASON, NAME));
    }
}
