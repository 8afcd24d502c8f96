//! Weeks of talk, as a script of verbs at times.

use std::collections::{BTreeMap, HashMap, HashSet};

use hutong_model::{Platform, Timestamp};

use super::dates::{Date, minute_of_day};
use super::dice::Dice;
use super::groups::{GroupPlan, plans};
use super::people::{Employee, employees};
use super::scene::{Filler, Line, Scene, What, fill, scenes};
use crate::{ChatSel, Done, SimError, Simulator, Verb};

/// One step of the script. Ids that a platform gives only when the step is played stand as handles:
/// `$port` for the group "port", `$#17` for the message that a step named `$#17` made, `$bot` for
/// the app. [`Player`] replaces them.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryStep {
    pub at: Timestamp,
    pub platform: Platform,
    pub verb: Verb,
    /// The handle of the chat or message that the step makes.
    pub makes: Option<String>,
}

/// Latest minute of the day at which anybody still writes.
const NIGHT: i64 = 21 * 60 + 30;
/// Thanks that a person gives in a week, at most (the bot allows ten).
const THANKS_PER_WEEK: u32 = 8;
/// Emoji names as Feishu has them.
const EMOJI: [&str; 7] = ["THUMBSUP", "OK", "THANKS", "APPLAUSE", "MUSCLE", "JIAYI", "DONE"];

/// The past `weeks` weeks up to `end`, in order of time: first the groups are made, then people
/// talk on the days that `is_workday` accepts. The same arguments give the same script.
pub fn history(
    weeks: u32,
    end: Timestamp,
    seed: u64,
    is_workday: impl Fn(Date) -> bool,
) -> impl Iterator<Item = HistoryStep> {
    let all = employees();
    let groups = plans(&all);
    let last = Date::of(end);
    let first = last.plus(-7 * i64::from(weeks));
    let days: Vec<Date> = (0..=first.until(last))
        .map(|n| first.plus(n))
        .filter(|d| is_workday(*d))
        .collect();
    let opening = days.first().map_or(end, |d| d.at_minute(6 * 60 + 30));

    let mut steps: Vec<HistoryStep> = Vec::new();
    for (n, group) in groups.iter().enumerate() {
        steps.push(HistoryStep {
            at: Timestamp(opening.millis() + i64::try_from(n).unwrap_or(0) * 20_000),
            platform: group.platform,
            verb: Verb::CreateChat {
                name: group.name.to_owned(),
                owner: group.owner.clone(),
                members: group.members.clone(),
                apps: vec!["$bot".to_owned()],
            },
            makes: Some(format!("${}", group.key)),
        });
    }
    let scenes = scenes();
    let mut messages = 0;
    for group in &groups {
        let mut writer = Writer {
            all: &all,
            group,
            scenes: &scenes,
            days: &days,
            end,
            dice: Dice::part(seed, group.key),
            used: HashMap::new(),
            energy: Vec::new(),
            thanked: HashSet::new(),
            given: HashMap::new(),
            messages: &mut messages,
            steps: &mut steps,
        };
        writer.write();
    }
    private_talk(&all, &days, end, seed, &mut steps);
    steps.retain(|s| s.at < end);
    // Stable, so that a reply never comes before what it answers.
    steps.sort_by_key(|s| s.at);
    steps.into_iter()
}

struct Writer<'a> {
    all: &'a [Employee],
    group: &'a GroupPlan,
    scenes: &'a [Scene],
    days: &'a [Date],
    end: Timestamp,
    dice: Dice,
    /// Scene and the days on which it was played.
    used: HashMap<usize, Vec<Date>>,
    /// How much each member writes.
    energy: Vec<f64>,
    /// Giver, receiver and day.
    thanked: HashSet<(usize, usize, Date)>,
    /// Giver and Monday.
    given: HashMap<(usize, Date), u32>,
    messages: &'a mut u32,
    steps: &'a mut Vec<HistoryStep>,
}

impl Writer<'_> {
    fn write(&mut self) {
        let mut ranks: Vec<usize> = (0..self.group.who.len()).collect();
        self.dice.shuffle(&mut ranks);
        // A few write a lot, most a little, some only read.
        self.energy = ranks
            .iter()
            .map(|&rank| {
                if rank * 10 >= self.group.who.len() * 8 {
                    0.0
                } else {
                    1.0 / (1.0 + rank as f64).powf(0.65)
                }
            })
            .collect();
        for at in 0..self.days.len() {
            let Some(&day) = self.days.get(at) else { break };
            let mood = match day.weekday() {
                1 => 1.1,
                5 => 0.9,
                6 | 7 => 0.6,
                _ => 1.0,
            };
            let wanted = if self.group.key == "book" {
                self.reading_circle(at)
            } else {
                self.group.per_day * mood * (0.7 + 0.6 * self.dice.unit())
            };
            let mut count = wanted as usize;
            if self.dice.chance(wanted - count as f64) {
                count += 1;
            }
            let hours = self.group.hours.weights();
            let weights: Vec<f64> = hours.iter().map(|(_, w)| *w).collect();
            let mut starts: Vec<i64> = (0..count)
                .map(|_| {
                    let hour = hours.get(self.dice.weighted(&weights)).map_or(10, |(h, _)| *h);
                    let minute = hour * 60 + self.dice.between(0, 59);
                    day.at_minute(minute).millis() + self.dice.between(0, 59_999)
                })
                .collect();
            starts.sort_unstable();
            // Two dialogues of one group at the same moment would be hard to follow.
            let mut free = i64::MIN;
            for start in starts {
                let start = start.max(free);
                if let Some(end) = self.play(day, Timestamp(start)) {
                    free = end.millis() + self.dice.between(90_000, 600_000);
                }
            }
        }
    }

    /// The topic that cools down: full of life four weeks ago, nearly silent now.
    fn reading_circle(&self, at: usize) -> f64 {
        let week = self.days.len().saturating_sub(at + 1) / 5;
        match week {
            0 => 0.2,
            1 => 0.5,
            2 => 1.2,
            _ => 2.2,
        }
    }

    /// Plays a dialogue from `at` on; returns when it has ended.
    fn play(&mut self, day: Date, mut at: Timestamp) -> Option<Timestamp> {
        let index = self.choose(day)?;
        let scene = self.scenes.get(index)?;
        self.used.entry(index).or_default().push(day);

        let cast = self.cast(scene);
        let mut chosen: HashMap<&'static str, &'static str> = HashMap::new();
        let mut previous: Option<String> = None;
        // Some questions are asked at a bad moment and nobody answers.
        let unheard = scene.lines.len() > 1
            && scene.lines.first().is_some_and(|l| l.text.contains('？'))
            && self.dice.chance(0.04);
        let mut left_out = false;
        for (n, line) in scene.lines.iter().enumerate() {
            // An answer to what was not said is not said either.
            left_out = left_out && line.reply || line.perhaps && !self.dice.chance(0.6) || n > 0 && unheard;
            if left_out {
                continue;
            }
            if n > 0 {
                at = Timestamp(at.millis() + self.pause(scene, n, line));
            }
            if Date::of(at) != day || minute_of_day(at) > NIGHT || at >= self.end {
                return None;
            }
            previous = self.line(line, at, day, &cast, &mut chosen, previous);
        }
        Some(at)
    }

    /// A fitting scene: not one of the last six working days, the least used first.
    fn choose(&mut self, day: Date) -> Option<usize> {
        let weights: Vec<f64> = self.group.kinds.iter().map(|(_, w)| *w).collect();
        let kind = self.group.kinds.get(self.dice.weighted(&weights))?.0;
        let mut candidates: Vec<(usize, usize)> = self
            .scenes
            .iter()
            .enumerate()
            .filter(|(_, s)| s.kinds.contains(&kind))
            .map(|(i, _)| (i, self.used.get(&i).map_or(0, Vec::len)))
            .filter(|(i, _)| {
                let last = self.used.get(i).and_then(|days| days.last());
                last.is_none_or(|last| last.until(day) >= 8)
            })
            .collect();
        let least = candidates.iter().map(|(_, n)| *n).min()?;
        candidates.retain(|(_, n)| *n == least);
        self.dice.pick(&candidates).map(|(i, _)| *i)
    }

    /// Milliseconds before line `n`.
    fn pause(&mut self, scene: &Scene, n: usize, line: &Line) -> i64 {
        let first_answer = n == 1
            && scene.lines.first().is_some_and(|l| l.text.contains('？'))
            && line.who != scene.lines.first().map_or(' ', |l| l.who);
        let x = self.dice.unit().max(0.01);
        // Heavy tails: most answers come in minutes, some after an hour.
        let seconds = if line.later {
            900.0 + 2400.0 * self.dice.unit()
        } else if first_answer {
            (380.0 / x.powf(0.9)).min(6600.0)
        } else if line.what == What::Recalled {
            30.0
        } else {
            12.0 + 70.0 * -x.ln()
        };
        (seconds * 1000.0) as i64 + self.dice.between(0, 999)
    }

    /// Who speaks as A to E; L is the owner.
    fn cast(&mut self, scene: &Scene) -> HashMap<char, usize> {
        let mut cast = HashMap::new();
        let mut left = self.energy.clone();
        let owner = self.group.who.first().copied().unwrap_or(0);
        let has_owner = scene
            .lines
            .iter()
            .any(|l| l.who == 'L' || matches!(l.what, What::Thanks { whom: 'L' }));
        if has_owner {
            cast.insert('L', owner);
            if let Some(energy) = left.first_mut() {
                *energy = 0.0;
            }
        }
        for who in ['A', 'B', 'C', 'D', 'E'] {
            let at = self.dice.weighted(&left);
            let Some(&person) = self.group.who.get(at) else { break };
            if let Some(energy) = left.get_mut(at) {
                *energy = 0.0;
            }
            cast.insert(who, person);
        }
        cast
    }

    fn id(&self, person: usize) -> Option<String> {
        self.all.get(person).map(|e| e.id(self.group.platform))
    }

    /// Writes one line; returns the handle of the message.
    fn line(
        &mut self,
        line: &Line,
        at: Timestamp,
        day: Date,
        cast: &HashMap<char, usize>,
        chosen: &mut HashMap<&'static str, &'static str>,
        previous: Option<String>,
    ) -> Option<String> {
        let speaker = *cast.get(&line.who)?;
        let person = self.id(speaker)?;
        let days = self.days;
        let all = self.all;
        let filler = Filler {
            cast: &|who| {
                let employee = all.get(*cast.get(&who)?)?;
                Some((employee.family, employee.name.clone()))
            },
            day: &|dice| coming_day(days, day, dice),
            time: &|dice| coming_time(at, dice),
        };
        let text = fill(line.text, &mut self.dice, chosen, &filler);
        let text = match line.what {
            What::Say | What::Recalled => text,
            What::Command => format!("<@bot> {text}"),
            What::Thanks { whom } => {
                let receiver = *cast.get(&whom)?;
                if !self.may_thank(speaker, receiver, day) {
                    return None;
                }
                format!("<@bot> 感谢 <@{}> {text}", self.id(receiver)?)
            }
        };
        *self.messages += 1;
        let handle = format!("$#{}", self.messages);
        let thanks = matches!(line.what, What::Thanks { .. });
        self.push(
            at,
            Verb::Say {
                person: person.clone(),
                chat: ChatSel::Chat(format!("${}", self.group.key)),
                text,
                reply_to: if line.reply { previous } else { None },
            },
            Some(handle.clone()),
        );
        if line.what == What::Recalled {
            let soon = Timestamp(at.millis() + self.dice.between(6_000, 22_000));
            self.push(
                soon,
                Verb::Recall {
                    person,
                    message: handle.clone(),
                },
                None,
            );
        } else if line.liked || thanks && self.dice.chance(0.6) || self.dice.chance(0.03) {
            self.reactions(speaker, at, &handle);
        }
        Some(handle)
    }

    fn may_thank(&mut self, giver: usize, receiver: usize, day: Date) -> bool {
        let given = self.given.entry((giver, day.monday())).or_default();
        if giver == receiver || *given >= THANKS_PER_WEEK || !self.thanked.insert((giver, receiver, day)) {
            return false;
        }
        *given += 1;
        true
    }

    /// Only where reactions are part of the ordinary talk that an app can see.
    fn reactions(&mut self, author: usize, at: Timestamp, message: &str) {
        if self.group.platform != Platform::Feishu {
            return;
        }
        let count = self.dice.between(1, 4);
        let mut seen = vec![author];
        let emoji = self.dice.pick(&EMOJI).copied().unwrap_or("THUMBSUP");
        let mut when = at.millis();
        for _ in 0..count {
            let Some(&who) = self.group.who.get(self.dice.weighted(&self.energy)) else {
                return;
            };
            if seen.contains(&who) {
                continue;
            }
            seen.push(who);
            when += self.dice.between(4_000, 240_000);
            let emoji = if self.dice.chance(0.75) {
                emoji
            } else {
                self.dice.pick(&EMOJI).copied().unwrap_or("OK")
            };
            if let Some(person) = self.id(who) {
                let verb = Verb::React {
                    person,
                    message: message.to_owned(),
                    emoji: emoji.to_owned(),
                    on: true,
                };
                self.push(Timestamp(when), verb, None);
            }
        }
    }

    fn push(&mut self, at: Timestamp, verb: Verb, makes: Option<String>) {
        self.steps.push(HistoryStep {
            at,
            platform: self.group.platform,
            verb,
            makes,
        });
    }
}

/// A handful of people ask the bot in private.
fn private_talk(all: &[Employee], days: &[Date], end: Timestamp, seed: u64, steps: &mut Vec<HistoryStep>) {
    const ASKED: [(&str, f64); 6] = [
        ("/积分", 5.0),
        ("/我", 2.0),
        ("/排行", 3.0),
        ("/帮助", 2.0),
        ("/勋章", 1.0),
        ("/积分 明细", 1.0),
    ];
    let mut dice = Dice::part(seed, "private");
    let weights: Vec<f64> = ASKED.iter().map(|(_, w)| *w).collect();
    for &day in days {
        for _ in 0..dice.between(2, 6) {
            let (Some(employee), Some((text, _))) = (dice.pick(all), ASKED.get(dice.weighted(&weights))) else {
                return;
            };
            let at = Timestamp(day.at_minute(dice.between(9 * 60, 18 * 60)).millis() + dice.between(0, 59_999));
            if at < end {
                steps.push(HistoryStep {
                    at,
                    platform: employee.main,
                    verb: Verb::Say {
                        person: employee.id(employee.main),
                        chat: ChatSel::DirectWith("$bot".to_owned()),
                        text: (*text).to_owned(),
                        reply_to: None,
                    },
                    makes: None,
                });
            }
        }
    }
}

/// One of the next four working days in the words of that moment.
fn coming_day(days: &[Date], today: Date, dice: &mut Dice) -> String {
    const NAMES: [&str; 7] = ["一", "二", "三", "四", "五", "六", "日"];
    let ahead = dice.between(1, 4);
    // Beyond the end of the script any Monday to Friday will do.
    let mut day = today;
    let mut left = ahead;
    while left > 0 {
        day = day.plus(1);
        if days.contains(&day) || days.last().is_none_or(|last| day > *last) && day.weekday() <= 5 {
            left -= 1;
        }
    }
    let name = NAMES
        .get(usize::try_from(day.weekday().saturating_sub(1)).unwrap_or(0))
        .copied()
        .unwrap_or("一");
    match today.until(day) {
        1 => "明天".to_owned(),
        2 if dice.chance(0.4) => "后天".to_owned(),
        _ if day.monday() == today.monday() => format!("周{name}"),
        _ => format!("下周{name}"),
    }
}

/// A time of today that is still ahead, else one of tomorrow morning.
fn coming_time(at: Timestamp, dice: &mut Dice) -> String {
    const LATER: [(i64, &str); 9] = [
        (600, "十点"),
        (660, "十一点"),
        (840, "下午两点"),
        (870, "下午两点半"),
        (900, "下午三点"),
        (930, "下午三点半"),
        (960, "下午四点"),
        (990, "四点半"),
        (1020, "五点"),
    ];
    let now = minute_of_day(at);
    let ahead: Vec<&str> = LATER
        .iter()
        .filter(|(minute, _)| *minute >= now + 45 && *minute <= now + 300)
        .map(|(_, text)| *text)
        .collect();
    match dice.pick(&ahead) {
        Some(text) => (*text).to_owned(),
        None => dice
            .pick(&["明早九点", "明早十点"])
            .copied()
            .unwrap_or("明早九点")
            .to_owned(),
    }
}

/// The apps that people talk to on one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformApps {
    /// Answers in private chats.
    pub direct: String,
    /// Are put into groups.
    pub groups: Vec<String>,
}

/// Replaces the handles of a script by what the platforms made of them.
#[derive(Debug, Clone, Default)]
pub struct Player {
    apps: BTreeMap<Platform, PlatformApps>,
    ids: HashMap<String, String>,
}

impl Player {
    pub fn new(apps: BTreeMap<Platform, PlatformApps>) -> Self {
        Self {
            apps,
            ids: HashMap::new(),
        }
    }

    /// The verb with real ids. `None` when the platform takes no part, or when the step builds on
    /// one that failed.
    pub fn verb(&self, step: &HistoryStep) -> Option<Verb> {
        let apps = self.apps.get(&step.platform)?;
        let id = |handle: &String| match handle.starts_with('$') {
            true => self.ids.get(handle).cloned(),
            false => Some(handle.clone()),
        };
        let mut verb = step.verb.clone();
        match &mut verb {
            Verb::Say { chat, reply_to, .. } => {
                match chat {
                    ChatSel::Chat(chat) => *chat = id(chat)?,
                    ChatSel::DirectWith(app) => app.clone_from(&apps.direct),
                }
                if let Some(message) = reply_to {
                    *message = id(message)?;
                }
            }
            Verb::React { message, .. } | Verb::Recall { message, .. } => *message = id(message)?,
            Verb::CreateChat { apps: bots, .. } => bots.clone_from(&apps.groups),
            _ => {}
        }
        Some(verb)
    }

    /// Remembers what a step has made.
    pub fn done(&mut self, step: &HistoryStep, done: &Done) {
        if let Some(handle) = &step.makes {
            let made = match step.verb {
                Verb::CreateChat { .. } => done.chat.clone(),
                _ => done.message.clone(),
            };
            if let Some(id) = made {
                self.ids.insert(handle.clone(), id);
            }
        }
    }

    /// Plays a step on its simulator; `None` when it was left out. The caller sets the clock to
    /// [`HistoryStep::at`] first.
    pub async fn play(&mut self, sim: &dyn Simulator, step: &HistoryStep) -> Option<Result<Done, SimError>> {
        let verb = self.verb(step)?;
        let result = sim.act(verb).await;
        if let Ok(done) = &result {
            self.done(step, done);
        }
        Some(result)
    }

    /// The id of a group by its key in [`super::groups`].
    pub fn group(&self, key: &str) -> Option<&str> {
        self.ids.get(&format!("${key}")).map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
