//! The four weeks before the demo begins: everything that people did, played on the platforms at its
//! time, with the real service answering over its real callbacks.

use std::collections::HashSet;

use anyhow::Context as _;
use chrono::NaiveDate;
use hutong_model::{Platform, Timestamp};
use hutong_simkit::company::{self, Date, HistoryStep};
use hutong_simkit::{ChatSel, ScreenPart, Verb};

use super::platforms::{Cast, user_of};
use super::screen::newest_button;
use super::stage::Stage;
use super::stories::{Story, stories};
use crate::schedule::{WorkdayTable, Workdays as _};

const WEEKS: u32 = 4;
const SEED: u64 = 7;
/// Friday 2026-11-20, 16:40 in Shanghai: the demo is the same on every day.
pub const END: Timestamp = Timestamp::from_secs(1_795_164_000);
/// The service is stepped at least this often.
const HOUR: i64 = 3_600_000;
/// People who press the button of a column's card, at most.
const PRESSES: usize = 9;

/// Something that happens in the weeks.
#[derive(Debug)]
enum Scene {
    Step(Box<HistoryStep>),
    Submit(Story),
    /// The editor takes what came in.
    Edit,
    /// Members press the button of the newest card in a group.
    Press {
        group: &'static str,
        people: usize,
    },
}

/// What happened, for the progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub messages: u64,
    pub thanks: u64,
    pub private: u64,
    pub clicks: u64,
    pub failed: u64,
}

/// Builds the stage and plays the weeks. `say` is told one line for each week.
pub async fn prepare(folder: &std::path::Path, say: &mut dyn FnMut(String)) -> anyhow::Result<(Stage, Counts)> {
    let table = WorkdayTable::china().unwrap_or_default();
    let is_workday = |date: Date| naive(date).is_none_or(|day| table.is_workday(day));
    let mut steps: Vec<HistoryStep> = company::history(WEEKS, END, SEED, is_workday).collect();
    let talk = steps.split_off(
        steps
            .iter()
            .take_while(|s| matches!(s.verb, Verb::CreateChat { .. }))
            .count(),
    );
    let start = steps.first().map_or(END, |s| s.at);
    let mut stage = Stage::build(folder, start, &steps).await?;
    let counts = play(&mut stage, scenes(talk), say).await?;
    Ok((stage, counts))
}

fn naive(date: Date) -> Option<NaiveDate> {
    let (year, month, day) = date.ymd();
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

/// Talk, submissions, editing and presses in order of time.
fn scenes(talk: Vec<HistoryStep>) -> Vec<(Timestamp, Scene)> {
    let known = |step: &HistoryStep| match &step.verb {
        // The script knows a command that this bot has not.
        Verb::Say { text, .. } => !text.contains("/勋章"),
        _ => true,
    };
    let mut list: Vec<(Timestamp, Scene)> = talk
        .into_iter()
        .filter(known)
        .map(|step| (step.at, Scene::Step(Box::new(step))))
        .collect();
    let mut days = HashSet::new();
    for story in stories(END) {
        let day = Date::of(story.at);
        if days.insert(day) {
            list.push((day.at_minute(15 * 60 + 35), Scene::Edit));
        }
        list.push((story.at, Scene::Submit(story)));
    }
    let friday = Date::of(END).monday().plus(4);
    for week in 0..i64::from(WEEKS) {
        let (monday, thursday) = (friday.plus(-4 - 7 * week), friday.plus(-1 - 7 * week));
        let fewer = usize::try_from(week).unwrap_or(0);
        for (day, minute, group, people) in [
            (monday, 10 * 60 + 25, "rd_all", PRESSES - fewer),
            (monday, 11 * 60 + 5, "hq", PRESSES - 2 - fewer),
            (thursday, 16 * 60 + 30, "rd_all", PRESSES - 1 - fewer),
        ] {
            list.push((day.at_minute(minute), Scene::Press { group, people }));
        }
    }
    list.retain(|(at, _)| *at < END);
    list.sort_by_key(|(at, _)| *at);
    list
}

async fn play(
    stage: &mut Stage,
    scenes: Vec<(Timestamp, Scene)>,
    say: &mut dyn FnMut(String),
) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    let mut week = scenes.first().map(|(at, _)| Date::of(*at).monday());
    let mut stepped = Timestamp::default();
    for (at, scene) in scenes {
        let monday = Date::of(at).monday();
        if let Some(done) = week.filter(|w| *w != monday) {
            say(line(done, &counts));
            week = Some(monday);
        }
        stage.pass_quickly(at).await?;
        let mut bot = at.millis() - stepped.millis() >= HOUR;
        match scene {
            Scene::Step(step) => {
                count(&step.verb, &mut counts);
                bot |= concerns_the_bot(&step.verb);
                if let Err(error) = stage.platforms.play(&step).await {
                    counts.failed += 1;
                    tracing::debug!(%error, "a step of the script was refused");
                }
            }
            Scene::Submit(story) => {
                submit(stage, &story).await?;
                counts.private += 1;
                bot = true;
            }
            Scene::Edit => edit(stage, &mut counts).await?,
            Scene::Press { group, people } => {
                counts.clicks += press(stage, group, people).await?;
                bot = true;
            }
        }
        if bot {
            stage.step().await?;
            stepped = at;
        }
    }
    stage.pass_quickly(END).await?;
    stage.rest().await?;
    stage.behind.look().await;
    if let Some(last) = week {
        say(line(last, &counts));
    }
    Ok(counts)
}

fn line(monday: Date, counts: &Counts) -> String {
    let (year, month, day) = monday.ymd();
    format!(
        "week of {year}-{month:02}-{day:02}: {} messages in groups, {} thanks, {} private questions, {} clicks so far",
        counts.messages, counts.thanks, counts.private, counts.clicks
    )
}

fn count(verb: &Verb, counts: &mut Counts) {
    if let Verb::Say { chat, text, .. } = verb {
        match chat {
            ChatSel::Chat(_) => counts.messages += 1,
            ChatSel::DirectWith(_) => counts.private += 1,
        }
        if text.contains("感谢 <@") {
            counts.thanks += 1;
        }
    }
}

fn concerns_the_bot(verb: &Verb) -> bool {
    match verb {
        Verb::Say { chat, text, .. } => matches!(chat, ChatSel::DirectWith(_)) || text.contains("<@bot>"),
        Verb::React { .. } => false,
        _ => true,
    }
}

/// Somebody at headquarters writes to the bot in private.
async fn submit(stage: &Stage, story: &Story) -> anyhow::Result<()> {
    let sim = stage.sim(Platform::Feishu)?;
    let people = company::org(Platform::Feishu).people;
    // A different colleague each time, the same in every run.
    let at = usize::try_from(story.at.secs() / 60).unwrap_or(0);
    let author = people.get(at * 7 % people.len().max(1)).context("nobody works here")?;
    let app = sim.apps().first().map(|a| a.id.clone()).unwrap_or_default();
    sim.act(Verb::Say {
        person: author.id.clone(),
        chat: ChatSel::DirectWith(app),
        text: format!("/投稿 {} {}", story.column, story.text),
        reply_to: None,
    })
    .await?;
    Ok(())
}

/// The editor accepts everything that the bot has shown and that was not accepted yet.
async fn edit(stage: &Stage, counts: &mut Counts) -> anyhow::Result<()> {
    stage.step().await?;
    let sim = stage.sim(Platform::Feishu)?;
    let editor = user_of(Platform::Feishu, &Cast::new().editor).context("there is no editor")?;
    let chat = sim
        .chats()
        .into_iter()
        .find(|c| c.person.as_deref() == Some(editor.as_str()));
    let Some(chat) = chat else { return Ok(()) };
    let mut ids: Vec<u32> = Vec::new();
    let mut accepted: Vec<u32> = Vec::new();
    for item in sim.screen(&chat.id, &editor, 200) {
        for part in &item.parts {
            let (ScreenPart::Note { text } | ScreenPart::Text { text }) = part else {
                continue;
            };
            let Some(id) = number_after(text, "/栏目 采用 ") else {
                continue;
            };
            if item.bot { &mut ids } else { &mut accepted }.push(id);
        }
    }
    for id in ids.into_iter().filter(|id| !accepted.contains(id)) {
        sim.act(Verb::Say {
            person: editor.clone(),
            chat: ChatSel::Chat(chat.id.clone()),
            text: format!("/栏目 采用 {id}"),
            reply_to: None,
        })
        .await?;
        counts.private += 1;
        stage.step().await?;
    }
    Ok(())
}

fn number_after(text: &str, mark: &str) -> Option<u32> {
    let (_, rest) = text.split_once(mark)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

async fn press(stage: &Stage, group: &str, people: usize) -> anyhow::Result<u64> {
    let sim = stage.sim(Platform::Feishu)?;
    let Some(chat) = stage.platforms.player.group(group).map(str::to_owned) else {
        return Ok(0);
    };
    let members = sim
        .chats()
        .into_iter()
        .find(|c| c.id == chat)
        .map(|c| c.members)
        .unwrap_or_default();
    let mut pressed = 0;
    for n in 0..people {
        let Some(person) = members.get((n * 5 + people) % members.len().max(1)) else {
            continue;
        };
        let Some((message, action)) = newest_button(&sim.screen(&chat, person, 40)) else {
            break;
        };
        let verb = Verb::Click {
            person: person.clone(),
            message,
            action,
            values: Default::default(),
        };
        if sim.act(verb).await.is_ok() {
            pressed += 1;
        }
        stage.step().await?;
    }
    Ok(pressed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_from_a_hint() {
        assert_eq!(
            number_after("/栏目 采用 12  或  /栏目 退回 12", "/栏目 采用 "),
            Some(12)
        );
        assert_eq!(number_after("/栏目 采用", "/栏目 采用 "), None);
    }
}
