//! Nothing that people type, and no name of a person, department or group, becomes markup, a mention
//! or a link: the same story is told twice, once with harmless texts and once with hostile ones, and
//! what the platforms show may differ in its letters only.

use std::collections::BTreeMap;

use hutong_simkit::{Org, ScreenItem, ScreenPart, SimDepartment, SimPerson, Verb};

use crate::support::{Db, EVERYWHERE, Group, On, TestBot, org, root};

/// People with names from the corpus, and departments.
const PEOPLE: usize = 16;
const DEPARTMENTS: usize = 4;

fn corpus() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("tests/hostile/texts.txt")).unwrap();
    text.lines()
        .filter(|l| !l.trim().is_empty())
        .map(|l| serde_json::from_str::<String>(l).unwrap_or_else(|e| panic!("{l}: {e}")))
        .collect()
}

/// As a name: one line, not longer than platforms allow.
fn name_of(text: &str) -> String {
    let flat: String = text.chars().filter(|c| !c.is_control()).take(28).collect();
    match flat.trim() {
        "" => "空".to_owned(),
        name => name.to_owned(),
    }
}

/// As a message: `<@` is how the simulators are told of a mention; without a closing `>` near it,
/// it is no more than text.
fn said(text: &str) -> String {
    text.replace("<@", "< @")
}

/// The text of every place: number `n` of the round.
trait Words {
    fn get(&self, n: usize) -> String;
    /// Without an at sign: a thank-you that names everybody is refused, which is another story.
    fn without_at(&self, n: usize) -> String {
        let mut n = n;
        loop {
            let text = self.get(n);
            if !text.contains(['@', '＠']) {
                return text;
            }
            n += PEOPLE;
        }
    }
}
struct Harmless;
struct Hostile(Vec<String>);

impl Words for Harmless {
    fn get(&self, n: usize) -> String {
        format!("平常话{n}")
    }
}
impl Words for Hostile {
    fn get(&self, n: usize) -> String {
        self.0[n % self.0.len()].clone()
    }
}

fn company(words: &dyn Words) -> Org {
    let mut org = org();
    for n in 0..DEPARTMENTS {
        org.departments.push(SimDepartment {
            id: format!("20{n}"),
            parent: Some("101".to_owned()),
            // The number keeps two departments apart.
            name: format!("{n}{}", name_of(&words.get(n))),
        });
    }
    for n in 0..PEOPLE {
        org.people.push(SimPerson {
            id: format!("x{n}"),
            name: format!("{}{n}", name_of(&words.get(DEPARTMENTS + n))),
            employee_no: format!("X{n:03}"),
            department: format!("20{}", n % DEPARTMENTS),
            email: format!("x{n}@shiliu.example"),
            mobile: format!("198000000{n:02}"),
            title: name_of(&words.get(DEPARTMENTS + PEOPLE + n)),
            leader: Some("u_chen".to_owned()),
            active: true,
            joined_on: None,
            office: None,
            employment: None,
        });
    }
    org
}

/// What would do something: everything but plain letters.
fn active(item: &ScreenItem) -> Vec<String> {
    item.parts
        .iter()
        .filter_map(|part| match part {
            ScreenPart::Mention { user, everyone, .. } => Some(format!("mention {user} {everyone}")),
            ScreenPart::Link { url, .. } => Some(format!("link {url}")),
            ScreenPart::Image { .. } => Some("image".to_owned()),
            ScreenPart::Buttons { buttons } => Some(format!("{} buttons", buttons.len())),
            ScreenPart::Form { fields, .. } => Some(format!("form of {}", fields.len())),
            ScreenPart::Table { columns, rows } => Some(format!("table {}x{}", columns.len(), rows.len())),
            ScreenPart::Chart { series, .. } => Some(format!("chart of {}", series.len())),
            ScreenPart::Strong { .. } => Some("strong".to_owned()),
            ScreenPart::Title { .. } => Some("title".to_owned()),
            ScreenPart::Divider => Some("divider".to_owned()),
            ScreenPart::ListItem { ordered, .. } => Some(format!("item {ordered}")),
            // Layout: where a text has lines of its own, a platform may show it without the bar of a quote.
            ScreenPart::Quote { .. }
            | ScreenPart::Text { .. }
            | ScreenPart::Break
            | ScreenPart::Note { .. }
            | ScreenPart::Toast { .. } => None,
        })
        .collect()
}

/// What the bot showed, by who saw it: the parts that do something, and the letters for messages.
type Shown = Vec<(String, Vec<String>, String)>;

async fn told(on: On, words: &dyn Words) -> Option<Shown> {
    let mut bot = TestBot::start_in(on, Db::Sqlite, company(words)).await?;
    let mut members = vec!["u_chen", "u_wu", "u_gu"];
    let others: Vec<String> = (0..PEOPLE).map(|n| format!("x{n}")).collect();
    members.extend(others.iter().map(String::as_str));
    let group = bot.group(&name_of(&words.get(50)), &members).await;
    let (app, chat) = match on {
        On::WeCom => ("wc-hook", "wc-hook".to_owned()),
        _ => (bot.stage.ear().0, group.0.clone()),
    };
    let more = format!(
        "[onboard]\ngroups = [\"{app}:{chat}\"]\n[[segment]]\nid = \"all\"\nwhere = \"dept under '研发中心'\"\n\
         [[column]]\nid = \"news\"\ntitle = \"周刊\"\napp = \"{app}\"\nchats = [\"{chat}\"]\nmin_items = 2\n\
         every = {{ weekday = \"mon\", time = \"09:30\" }}\n\
         [review]\n[[role]]\nrole = \"reviewer\"\npeople = [\"{}:u_chen\"]\n{}",
        bot.stage.door().0,
        bot.link(&group),
    );
    bot.restart(&more).await;

    for (n, person) in others.iter().enumerate() {
        let reason = format!("感谢 <@u_wu> 做得很好很仔细 {}", said(&words.without_at(60 + n)));
        bot.asks(person, &group, &reason).await;
        bot.tells(
            person,
            &format!("/投稿 周刊 内容写得很详细 {}", said(&words.get(100 + n))),
        )
        .await;
    }
    for person in ["u_wu", "x0", "x1"] {
        bot.tells(person, "/积分").await;
        bot.tells(person, "/我").await;
    }
    bot.asks("u_wu", &group, "/排行").await;
    bot.tells("u_chen", "/分层 查询 all").await;
    bot.tells(
        "u_chen",
        &format!(
            "/分层 查询 all 部门=\"{}\"",
            said(&words.get(0)).replace(['"', '\n'], " ")
        ),
    )
    .await;
    bot.tells("u_chen", "/周报").await;
    bot.tells("u_gu", "/栏目 内容 周刊").await;
    for n in 1..=6 {
        bot.tells("u_gu", &format!("/栏目 采用 {n}")).await;
    }
    bot.tells(
        "u_gu",
        &format!("/栏目 退回 7 原因={}", said(&words.get(140)).replace('\n', " ")),
    )
    .await;
    bot.tells("u_gu", "/栏目 补发 周刊").await;
    // Its correction, and what reviewers see of both.
    bot.tells(
        "u_gu",
        &format!(
            "/更正 2026-11-24 周刊 内容写得很详细 {}",
            said(&words.get(144)).replace('\n', " ")
        ),
    )
    .await;
    bot.clock.advance(std::time::Duration::from_secs(16 * 60));
    bot.settle().await;
    bot.tells("u_chen", "/审核 待办").await;
    // Somebody new, called and placed like that, with a welcome text of that kind.
    bot.tells(
        "u_chen",
        &format!(
            "/新人 话术 编辑 a 欢迎{{name}}来{{dept}} {}",
            said(&words.get(142)).replace('\n', " ")
        ),
    )
    .await;
    bot.tells("u_chen", "/新人 话术").await;
    let mut new = org().people.remove(0);
    new.id = "u_new".to_owned();
    new.name = name_of(&words.get(143));
    new.employee_no = "N001".to_owned();
    new.department = "200".to_owned();
    new.email = "new@shiliu.example".to_owned();
    new.mobile = "19700000001".to_owned();
    new.leader = Some("u_chen".to_owned());
    new.joined_on = None;
    bot.act(Verb::Hire { person: new }).await;
    bot.settle().await;
    for (_, result) in hutong::app::sync_directory(bot.system()).await {
        result.unwrap();
    }
    for _ in 0..3 {
        bot.clock.advance(std::time::Duration::from_secs(300));
        bot.settle().await;
    }
    let card = bot.private_items("u_new").pop().expect("a newcomer is welcomed");
    let hello = crate::support::buttons(&card).pop().unwrap();
    bot.act(Verb::Click {
        person: "u_new".to_owned(),
        message: card.id.clone(),
        action: hello.action,
        values: Default::default(),
    })
    .await;
    bot.settle().await;
    for _ in 0..3 {
        bot.clock.advance(std::time::Duration::from_secs(300));
        bot.settle().await;
    }
    bot.tells("u_chen", "/新人 名单").await;
    bot.act(Verb::RenameChat {
        chat: group.0.clone(),
        name: name_of(&words.get(141)),
        by: "u_chen".to_owned(),
    })
    .await;
    bot.settle().await;

    let mut shown = Vec::new();
    collect(&bot, &group, &mut shown);
    members.push("u_new");
    for person in members {
        for item in bot.private_items(person) {
            shown.push((person.to_owned(), active(&item), crate::support::text_of(&item)));
        }
    }
    bot.finish().await;
    Some(shown)
}

fn collect(bot: &TestBot, group: &Group, shown: &mut Shown) {
    for item in bot.items(&group.0, "u_chen") {
        if item.bot {
            shown.push(("group".to_owned(), active(&item), crate::support::text_of(&item)));
        }
    }
}

async fn the_same_story(on: On, rounds: usize) {
    let corpus = corpus();
    assert!(corpus.len() >= 300, "{}", corpus.len());
    let Some(harmless) = told(on, &Harmless).await else {
        return;
    };
    assert!(
        harmless.len() > 40,
        "{on:?}: the story is too short: {}",
        harmless.len()
    );
    for round in 0..rounds {
        // Each round begins elsewhere, so that every text stands in several places.
        let mut texts = corpus.clone();
        let turn = round * texts.len() / rounds;
        texts.rotate_left(turn);
        let hostile = told(on, &Hostile(texts)).await.unwrap();
        let (a, b) = (seen(on, &harmless), seen(on, &hostile));
        for (who, parts) in &a {
            let all = || hostile.iter().filter(|(w, ..)| w == who).map(|(.., text)| text);
            assert_eq!(
                Some(parts),
                b.get(who),
                "{on:?} round {round}, {who}: more than letters has changed: {:#?}",
                all().collect::<Vec<_>>()
            );
        }
        assert_eq!(a.len(), b.len(), "{on:?} round {round}: others were written to");
    }
}

/// By who saw it: all that does something, in order. Long texts may need one message more where
/// messages are short, so there the cut between two messages does not count.
fn seen(on: On, shown: &Shown) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (who, parts, _) in shown {
        let entry = all.entry(who.clone()).or_default();
        if on == On::WeCom {
            entry.extend(parts.iter().filter(|p| *p != "title").cloned());
        } else {
            entry.push("message".to_owned());
            entry.extend(parts.iter().cloned());
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_write_and_are_called_changes_letters_only() {
    // Two rounds put every place through two parts of the corpus; all of it with HUTONG_SOAK.
    let rounds = if std::env::var_os("HUTONG_SOAK").is_some() {
        12
    } else {
        2
    };
    for on in EVERYWHERE {
        the_same_story(on, rounds).await;
    }
}
