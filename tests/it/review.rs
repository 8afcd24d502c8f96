//! Review of columns, corrections, and words of the lexicon, through the platforms.

use std::time::Duration;

use hutong_model::Timestamp;
use hutong_simkit::{ScreenButton, Verb};

use crate::support::{EVERYWHERE, Group, On, TestBot, buttons, story, text_of};

/// Wednesday 2026-11-25, 09:30 in Shanghai; the bot starts on Tuesday at 14:00.
const WEDNESDAY: Timestamp = Timestamp::from_secs(1_795_570_200);
const MINUTE: Duration = Duration::from_secs(60);
/// Where a person has private cards with buttons.
const CARDS: [On; 2] = [On::Feishu, On::DingTalk];

fn config(bot: &TestBot, group: &Group) -> String {
    let (app, chat) = match bot.stage.on {
        On::WeCom => ("wc-hook", "wc-hook".to_owned()),
        _ => (bot.stage.ear().0, group.0.clone()),
    };
    let door = bot.stage.door().0;
    format!(
        "{}[review]\nlexicon = [\"words.tsv\"]\n\
         [[role]]\nrole = \"reviewer\"\npeople = [\"{door}:u_lin\", \"{door}:u_gu\"]\n\
         [[column]]\nid = \"news\"\ntitle = \"每周资讯\"\napp = \"{app}\"\nchats = [\"{chat}\"]\nmin_items = 1\n\
         every = {{ weekday = \"wed\", time = \"09:30\" }}\nitems = [\"本周最佳测试台到货 12 台\"]\n",
        bot.link(group)
    )
}

/// A reviewed column whose draft waits for a yes.
async fn waiting(bot: &mut TestBot) -> Group {
    let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
    let more = config(bot, &group);
    bot.restart(&more).await;
    bot.settle().await;
    // Written within half an hour, handed to the reviewers within a quarter more.
    pass(bot, 50).await;
    group
}

async fn pass(bot: &TestBot, minutes: u32) {
    for _ in 0..minutes / 5 {
        bot.clock.advance(5 * MINUTE);
        bot.settle().await;
    }
}

/// Message and button of the newest private card with this label.
fn card(bot: &TestBot, person: &str, label: &str) -> (String, ScreenButton) {
    let items = bot.private_items(person);
    let found = items.iter().rev().find_map(|i| {
        let button = buttons(i).into_iter().find(|b| b.label.contains(label))?;
        Some((i.id.clone(), button))
    });
    found.unwrap_or_else(|| panic!("{}: no [{label}]: {:#?}", bot.name, bot.private(person)))
}

async fn press(bot: &TestBot, person: &str, (message, button): (String, ScreenButton)) {
    bot.act(Verb::Click {
        person: person.to_owned(),
        message,
        action: button.action,
        values: Default::default(),
    })
    .await;
    bot.settle().await;
}

fn last(bot: &TestBot, person: &str) -> String {
    bot.private(person).pop().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_somebody_else_has_approved_goes_out_and_a_correction_follows_it() {
    story(&CARDS, |mut bot: TestBot| async move {
        let group = waiting(&mut bot).await;
        let shown = bot.private("u_lin").join("\n");
        assert!(
            shown.contains("审核 │ 每周资讯 11-25") && shown.contains("提示「最佳」"),
            "{}: {shown}",
            bot.name
        );
        let first = card(&bot, "u_lin", "通过");
        // The editor changes it: what was shown is not what there is.
        bot.tells("u_gu", "/审核 改稿 1 本周测试台到货 11 台,来源见仓库系统")
            .await;
        press(&bot, "u_lin", first).await;
        assert!(
            last(&bot, "u_lin").contains("你看的不是现在的内容"),
            "{}: {:?}",
            bot.name,
            bot.private("u_lin")
        );
        // A second yes by the author is none.
        bot.tells("u_gu", "/审核 通过 1 稿=2").await;
        assert!(
            last(&bot, "u_gu").contains("你是这一期的作者"),
            "{}: {}",
            bot.name,
            last(&bot, "u_gu")
        );
        let second = card(&bot, "u_lin", "通过");
        press(&bot, "u_lin", second).await;
        assert!(
            bot.private("u_lin").iter().any(|t| t.contains("已通过「每周资讯」")),
            "{}",
            bot.name
        );
        bot.clock.set(WEDNESDAY);
        bot.settle().await;
        let said = bot.said(&group);
        assert_eq!(
            said.iter().filter(|t| t.contains("到货 11 台")).count(),
            1,
            "{}: {said:?}",
            bot.name
        );
        assert!(!said.iter().any(|t| t.contains("到货 12 台")), "{}: {said:?}", bot.name);

        // Somebody reads it, then it is corrected.
        let message = bot
            .items(&group.0, "u_wu")
            .iter()
            .rev()
            .find(|i| i.bot)
            .map(|i| i.id.clone())
            .unwrap();
        bot.act(Verb::Read {
            person: "u_wu".to_owned(),
            message,
        })
        .await;
        bot.settle().await;
        bot.clock.advance(MINUTE);
        bot.tells("u_gu", "/更正 2026-11-25 每周资讯 本周测试台到货 10 台,来源见仓库系统")
            .await;
        pass(&bot, 5).await;
        assert!(
            bot.said(&group).iter().any(|t| t.contains("到货 10 台")),
            "{}: {:?}",
            bot.name,
            bot.said(&group)
        );
        let told = last(&bot, "u_wu");
        assert!(
            told.contains("你看过的「每周资讯」有更正") && told.contains("到货 10 台"),
            "{}: {told}",
            bot.name
        );
        assert!(
            !bot.private("u_chen").iter().any(|t| t.contains("你看过的")),
            "{}",
            bot.name
        );
        assert!(
            bot.private("u_gu").iter().any(|t| t.contains("1 人看过旧版")),
            "{}: {:?}",
            bot.name,
            bot.private("u_gu")
        );
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_after_the_yes_stops_the_column() {
    story(&CARDS, |mut bot: TestBot| async move {
        let group = waiting(&mut bot).await;
        let first = card(&bot, "u_lin", "通过");
        press(&bot, "u_lin", first).await;
        bot.tells("u_gu", "/审核 改稿 1 本周测试台到货 13 台").await;
        assert!(
            bot.private("u_gu").iter().any(|t| t.contains("第 1 稿的通过作废")),
            "{}: {:?}",
            bot.name,
            bot.private("u_gu")
        );
        bot.clock.set(WEDNESDAY - 30 * MINUTE);
        bot.settle().await;
        assert!(
            bot.private("u_gu").iter().any(|t| t.contains("还没有人审核通过")),
            "{}: {:?}",
            bot.name,
            bot.private("u_gu")
        );
        bot.clock.set(WEDNESDAY);
        bot.settle().await;
        pass(&bot, 30).await;
        assert!(
            !bot.said(&group).iter().any(|t| t.contains("测试台")),
            "{}: {:?}",
            bot.name,
            bot.said(&group)
        );
        bot
    })
    .await;
}

/// A platform without private cards: the typed commands do it all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_cards_the_commands_do_it() {
    story(&[On::WeCom], |mut bot: TestBot| async move {
        let group = waiting(&mut bot).await;
        bot.tells("u_lin", "/审核 待办").await;
        assert!(
            last(&bot, "u_lin").contains("1 · 每周资讯 第 1 稿"),
            "{}: {}",
            bot.name,
            last(&bot, "u_lin")
        );
        bot.tells("u_wu", "/审核 通过 1 稿=1").await;
        assert!(
            last(&bot, "u_wu").contains("只有审核人"),
            "{}: {}",
            bot.name,
            last(&bot, "u_wu")
        );
        bot.tells("u_lin", "/审核 通过 1 稿=1").await;
        assert!(
            last(&bot, "u_lin").contains("已通过「每周资讯」"),
            "{}: {}",
            bot.name,
            last(&bot, "u_lin")
        );
        bot.clock.set(WEDNESDAY);
        bot.settle().await;
        assert!(
            bot.said(&group).iter().any(|t| t.contains("到货 12 台")),
            "{}: {:?}",
            bot.name,
            bot.said(&group)
        );
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_of_the_lexicon_is_told_to_its_author_alone() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        let group = waiting(&mut bot).await;
        let before = bot.said(&group);
        bot.asks("u_wu", &group, "内\u{200b}部代號是什么?").await;
        let rows = bot
            .count("SELECT COUNT(*) AS n FROM lexicon_hit WHERE mistaken = FALSE")
            .await;
        assert_eq!(rows, 1, "{}", bot.name);
        let public = bot.said(&group);
        assert!(
            !public.iter().any(|t| t.contains("词库")),
            "{}: {before:?} {public:?}",
            bot.name
        );
        if CARDS.contains(&bot.stage.on) {
            let items = bot.private_items("u_wu");
            assert!(
                items.iter().any(|i| text_of(i).contains("「内部代号」")),
                "{}: {:?}",
                bot.name,
                bot.private("u_wu")
            );
            let button = card(&bot, "u_wu", "误报");
            press(&bot, "u_wu", button).await;
            let wrong = bot
                .count("SELECT COUNT(*) AS n FROM lexicon_hit WHERE mistaken = TRUE")
                .await;
            assert_eq!(wrong, 1, "{}", bot.name);
        }
        bot
    })
    .await;
}
