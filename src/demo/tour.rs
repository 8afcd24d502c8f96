//! `hutong demo --tour`: the modules at work, as a transcript. People act as on the page; every
//! line that is printed is what a simulated chat shows to somebody in it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hutong_model::{Clock as _, Platform, Timestamp};
use hutong_simkit::company::{Date, minute_of_day};
use hutong_simkit::{ChatSel, ScreenChat, ScreenItem, Simulator, Verb};

use super::page::{Jump, target};
use super::platforms::{Cast, RULES, user_of};
use super::screen::{lines, newest_button};
use super::stage::Stage;
use super::weeks::Counts;
use crate::rules::points::verify::verify;

/// Between two things that people do.
const PAUSE: Duration = Duration::from_secs(20);
/// Newest items of a chat that are compared with what was printed.
const NEAR: usize = 120;

/// Prints what chats show, each state of each item once.
struct Teller<'a> {
    stage: &'a Stage,
    say: &'a mut dyn FnMut(&str),
    /// Printed or old, by chat and item.
    known: HashMap<(Platform, String, String), Vec<String>>,
    /// The chat whose heading stands above.
    heading: Option<(Platform, String)>,
}

fn platform_zh(platform: Platform) -> &'static str {
    match platform {
        Platform::Feishu => "飞书 Feishu",
        Platform::DingTalk => "钉钉 DingTalk",
        Platform::WeCom => "企业微信 WeCom",
    }
}

fn stamp(at_ms: i64) -> String {
    let minute = minute_of_day(Timestamp(at_ms));
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

impl<'a> Teller<'a> {
    /// Everything that is there now counts as old.
    fn new(stage: &'a Stage, say: &'a mut dyn FnMut(&str)) -> Self {
        let mut known = HashMap::new();
        for sim in &stage.platforms.sims {
            for chat in sim.chats() {
                let viewer = viewer_of(&chat);
                for item in sim.screen(&chat.id, &viewer, usize::MAX) {
                    known.insert((sim.platform(), chat.id.clone(), item.id.clone()), lines(&item));
                }
            }
        }
        Self {
            stage,
            say,
            known,
            heading: None,
        }
    }

    fn title(&mut self, text: &str) {
        (self.say)("");
        (self.say)(&format!("==== {text} ===="));
        self.heading = None;
    }

    fn now(&mut self) {
        let now = self.stage.clock.now();
        let (year, month, day) = Date::of(now).ymd();
        (self.say)(&format!("---- {year}-{month:02}-{day:02} {} ----", stamp(now.millis())));
        self.heading = None;
    }

    /// What is new or different in a chat, as `viewer` sees it.
    fn tell(&mut self, platform: Platform, chat: &str, viewer: &str) -> anyhow::Result<Vec<ScreenItem>> {
        let sim = self.stage.sim(platform)?;
        let name = sim.chats().into_iter().find(|c| c.id == chat).map(|c| {
            if c.group {
                c.name
            } else {
                format!("私聊 private · {}", name_of(&*sim, viewer))
            }
        });
        let mut fresh = Vec::new();
        for item in sim.screen(chat, viewer, NEAR) {
            let shown = lines(&item);
            let key = (platform, chat.to_owned(), item.id.clone());
            let before = self.known.insert(key, shown.clone());
            if before.as_ref() == Some(&shown) || shown.is_empty() {
                continue;
            }
            let heading = (platform, chat.to_owned());
            if self.heading.as_ref() != Some(&heading) {
                let name = name.clone().unwrap_or_default();
                (self.say)(&format!("\n[{} · {name}]", platform_zh(platform)));
                self.heading = Some(heading);
            }
            let who = if item.from_name.is_empty() {
                "·"
            } else {
                &item.from_name
            };
            let changed = if before.is_some() { " (changed)" } else { "" };
            match shown.as_slice() {
                [one] => (self.say)(&format!("{} {who}{changed}: {one}", stamp(item.at_ms))),
                many => {
                    (self.say)(&format!("{} {who}{changed}:", stamp(item.at_ms)));
                    for line in many {
                        (self.say)(&format!("        {line}"));
                    }
                }
            }
            fresh.push(item);
        }
        Ok(fresh)
    }
}

fn viewer_of(chat: &ScreenChat) -> String {
    let first = chat.person.clone().or_else(|| chat.members.first().cloned());
    first.unwrap_or_default()
}

fn name_of(sim: &dyn Simulator, user: &str) -> String {
    let people = sim.people();
    people
        .into_iter()
        .find(|p| p.id == user)
        .map_or_else(String::new, |p| p.name)
}

/// The app that answers in private on a platform.
fn direct_app(sim: &dyn Simulator) -> String {
    sim.apps().first().map_or_else(String::new, |a| a.id.clone())
}

struct Tour<'a> {
    t: Teller<'a>,
    stage: &'a Stage,
}

/// What the tour has found out.
#[derive(Debug)]
pub struct Outcome {
    pub complaints: Vec<String>,
    pub ledger: Vec<String>,
}

impl Outcome {
    pub fn ok(&self) -> bool {
        self.complaints.is_empty() && self.ledger.is_empty()
    }
}

/// Does the walk; `say` gets the transcript line by line. Errors: something that should have been
/// there was not.
pub async fn walk(stage: &Stage, counts: &Counts, say: &mut dyn FnMut(&str)) -> anyhow::Result<Outcome> {
    let mut tour = Tour {
        t: Teller::new(stage, say),
        stage,
    };
    tour.t.now();
    tour.groups().await?;
    tour.points().await?;
    tour.columns().await?;
    tour.report().await?;
    tour.review().await?;
    tour.rehearsal().await?;
    tour.people().await?;
    tour.end(counts).await
}

impl Tour<'_> {
    async fn act(&mut self, platform: Platform, verb: Verb) -> anyhow::Result<hutong_simkit::Done> {
        self.stage.pass(self.stage.clock.now() + PAUSE).await?;
        let done = self.stage.sim(platform)?.act(verb).await?;
        self.stage.rest().await?;
        Ok(done)
    }

    /// Says something and prints the chat; returns the chat and what is new in it.
    async fn says(
        &mut self,
        platform: Platform,
        person: &str,
        chat: ChatSel,
        text: &str,
    ) -> anyhow::Result<(String, Vec<ScreenItem>)> {
        let verb = Verb::Say {
            person: person.to_owned(),
            chat,
            text: text.to_owned(),
            reply_to: None,
        };
        let done = self.act(platform, verb).await?;
        let chat = done.chat.context("the platform names no chat")?;
        let fresh = self.t.tell(platform, &chat, person)?;
        ensure!(
            fresh.iter().any(|i| i.bot),
            "the bot did not answer {text:?} on {platform}"
        );
        Ok((chat, fresh))
    }

    async fn asks(&mut self, platform: Platform, person: &str, text: &str) -> anyhow::Result<Vec<ScreenItem>> {
        let app = direct_app(&*self.stage.sim(platform)?);
        let (_, fresh) = self.says(platform, person, ChatSel::DirectWith(app), text).await?;
        Ok(fresh)
    }

    fn group(&self, key: &str) -> anyhow::Result<String> {
        let id = self.stage.platforms.player.group(key).map(str::to_owned);
        id.with_context(|| format!("there is no group {key}"))
    }

    fn members(&self, platform: Platform, chat: &str) -> anyhow::Result<Vec<String>> {
        let chats = self.stage.sim(platform)?.chats();
        Ok(chats
            .into_iter()
            .find(|c| c.id == chat)
            .map(|c| c.members)
            .unwrap_or_default())
    }

    async fn groups(&mut self) -> anyhow::Result<()> {
        self.t.title("1 部门群 · department groups");
        let cast = Cast::new();
        for (platform, operator) in [
            (Platform::Feishu, &cast.feishu),
            (Platform::DingTalk, &cast.dingtalk),
            (Platform::WeCom, &cast.wecom),
        ] {
            let operator = user_of(platform, operator).context("an operator has no account")?;
            let rule = RULES
                .iter()
                .find(|(_, app, ..)| *app == platform.as_str())
                .map_or("", |(id, ..)| id);
            let sim = self.stage.sim(platform)?;
            let before: BTreeSet<String> = sim.chats().into_iter().map(|c| c.id).collect();
            let preview = self
                .asks(platform, &operator, &format!("/建群 预览 规则={rule}"))
                .await?;
            let code = preview
                .iter()
                .filter(|i| i.bot)
                .flat_map(lines)
                .find_map(|line| Some(line.split_once("计划=")?.1.trim().to_owned()))
                .context("the preview has no code")?;
            self.asks(platform, &operator, &format!("/建群 执行 规则={rule} 计划={code}"))
                .await?;
            // The newcomers hear of it one by one.
            for _ in 0..6 {
                self.stage.pass(self.stage.clock.now() + PAUSE).await?;
                self.stage.rest().await?;
            }
            let made: Vec<ScreenChat> = sim
                .chats()
                .into_iter()
                .filter(|c| c.group && !before.contains(&c.id))
                .collect();
            ensure!(!made.is_empty(), "no group was made on {platform}");
            for chat in made.iter().take(2) {
                self.t.tell(platform, &chat.id, &viewer_of(chat))?;
            }
            let newcomer = made.iter().flat_map(|c| &c.members).find(|m| **m != operator).cloned();
            let private = sim.chats().into_iter().find(|c| !c.group && c.person == newcomer);
            if let (Some(chat), Some(person)) = (private, newcomer) {
                self.t.tell(platform, &chat.id, &person)?;
            }
        }
        Ok(())
    }

    async fn points(&mut self) -> anyhow::Result<()> {
        self.t.title("2 感谢与积分 · thanks and points");
        let reasons = [
            (Platform::Feishu, "rd_all", "帮我一起定位了驱动掉帧 #客户第一"),
            (Platform::DingTalk, "quality", "夜里两点来现场换了继电器 #协作"),
            (Platform::WeCom, "sales", "把样机资料连夜翻成了英文 #客户第一"),
        ];
        for (platform, key, reason) in reasons {
            let chat = self.group(key)?;
            let members = self.members(platform, &chat)?;
            let (giver, receiver) = match members.as_slice() {
                [.., receiver, giver] => (giver.clone(), receiver.clone()),
                _ => anyhow::bail!("{key} has no two members"),
            };
            let text = format!("<@bot> 感谢 <@{receiver}> {reason}");
            let sel = ChatSel::Chat(chat.clone());
            let (_, fresh) = self.says(platform, &giver, sel.clone(), &text).await?;
            self.asks(platform, &receiver, "/积分").await?;
            if platform != Platform::Feishu {
                continue;
            }
            // Taken back within minutes: the points go back too.
            let thanks = fresh.iter().find(|i| i.from == giver).map(|i| i.id.clone());
            let message = thanks.context("the thanks are not in the chat")?;
            let verb = Verb::Recall {
                person: giver.clone(),
                message,
            };
            self.act(platform, verb).await?;
            self.t.tell(platform, &chat, &giver)?;
            self.asks(platform, &receiver, "/积分").await?;
            self.asks(platform, &giver, "/排行").await?;
            // A wrong command in a group is answered to its author alone.
            let verb = Verb::Say {
                person: giver.clone(),
                chat: sel,
                text: "<@bot> /积份".to_owned(),
                reply_to: None,
            };
            self.act(platform, verb).await?;
            let mut answers = self.t.tell(platform, &chat, &giver)?;
            let private = self.stage.sim(platform)?.chats().into_iter();
            let private = private.filter(|c| !c.group && c.person.as_deref() == Some(giver.as_str()));
            for chat in private {
                answers.extend(self.t.tell(platform, &chat.id, &giver)?);
            }
            ensure!(answers.iter().any(|i| i.bot), "a wrong command got no hint");
        }
        Ok(())
    }

    async fn columns(&mut self) -> anyhow::Result<()> {
        self.t.title("3 固定栏目 · columns");
        let monday = Date::of(self.stage.clock.now()).monday().plus(7);
        self.stage.pass(monday.at_minute(9 * 60 + 30)).await?;
        self.stage.rest().await?;
        self.t.now();
        let chat = self.group("hq")?;
        let members = self.members(Platform::Feishu, &chat)?;
        let viewer = members.first().cloned().unwrap_or_default();
        let fresh = self.t.tell(Platform::Feishu, &chat, &viewer)?;
        ensure!(newest_button(&fresh).is_some(), "no column appeared on Monday at 09:30");
        let sim = self.stage.sim(Platform::Feishu)?;
        for person in members.iter().skip(3).take(2) {
            let button = newest_button(&sim.screen(&chat, person, NEAR));
            let (message, action) = button.context("the card has lost its button")?;
            let verb = Verb::Click {
                person: person.clone(),
                message,
                action,
                values: Default::default(),
            };
            self.act(Platform::Feishu, verb).await?;
            let changed = self.t.tell(Platform::Feishu, &chat, person)?;
            ensure!(!changed.is_empty(), "the card did not change");
        }
        Ok(())
    }

    /// A draft, a second pair of eyes, an edit that takes the yes away, and the minute it is for.
    async fn review(&mut self) -> anyhow::Result<()> {
        const ON: Platform = Platform::Feishu;
        self.t.title("5 内容审核 · review");
        let cast = Cast::new();
        let editor = user_of(ON, &cast.editor).context("there is no editor")?;
        let reviewer = user_of(ON, &cast.feishu).context("there is no reviewer")?;
        let author = self
            .members(ON, &self.group("rd_all")?)?
            .pop()
            .context("nobody is there")?;
        let item = "12 月 1 日起差旅住宿标准上调 10%,来源:财务通知";
        self.asks(ON, &author, &format!("/投稿 公司公告 {item}")).await?;
        let asked = self.private(ON, &editor)?;
        let number = asked.iter().rev().find_map(|i| number_in(i, "/栏目 采用 "));
        let number = number.context("the editor was not asked")?;
        self.asks(ON, &editor, &format!("/栏目 采用 {number}")).await?;

        // Written on the day before at the latest, then handed to the reviewer.
        let tuesday = Date::of(self.stage.clock.now()).monday().plus(1);
        for minute in [15 * 60 + 1, 15 * 60 + 46] {
            self.stage.pass(tuesday.at_minute(minute)).await?;
            self.stage.rest().await?;
        }
        self.t.now();
        let card = self.private(ON, &reviewer)?;
        let issue = card.iter().rev().find_map(|i| number_in(i, "编号 "));
        let issue = issue.context("the reviewer got no card")?;
        self.approve(ON, &reviewer).await?;
        // The yes was to other words: it is void, and a new card asks again.
        let changed = format!(
            "{}\n12 月 1 日起差旅住宿标准上调 8%,来源:财务通知",
            super::platforms::REVIEWED_ITEM
        );
        self.asks(ON, &editor, &format!("/审核 改稿 {issue} {changed}")).await?;
        let card = self.private(ON, &reviewer)?;
        ensure!(
            card.iter().any(|i| lines(i).iter().any(|l| l.contains("第 2 稿"))),
            "the edit was not handed to the reviewer"
        );
        self.approve(ON, &reviewer).await?;
        self.stage.pass(tuesday.plus(1).at_minute(15 * 60)).await?;
        self.stage.rest().await?;
        self.t.now();
        let chat = self.group("hq")?;
        let viewer = self.members(ON, &chat)?.first().cloned().unwrap_or_default();
        let fresh = self.t.tell(ON, &chat, &viewer)?;
        let sent = |i: &ScreenItem| lines(i).iter().any(|l| l.contains("上调 8%"));
        ensure!(fresh.iter().any(sent), "the approved notice did not appear");
        Ok(())
    }

    /// Presses the first button of the newest card that somebody got in private.
    async fn approve(&mut self, platform: Platform, person: &str) -> anyhow::Result<()> {
        let sim = self.stage.sim(platform)?;
        let chat = sim
            .chats()
            .into_iter()
            .find(|c| !c.group && c.person.as_deref() == Some(person));
        let chat = chat.context("the reviewer has no chat with the bot")?;
        let (message, action) = newest_button(&sim.screen(&chat.id, person, NEAR)).context("the card has no button")?;
        let verb = Verb::Click {
            person: person.to_owned(),
            message,
            action,
            values: Default::default(),
        };
        self.act(platform, verb).await?;
        let answers = self.t.tell(platform, &chat.id, person)?;
        ensure!(
            answers.iter().any(|i| lines(i).iter().any(|l| l.contains("已通过"))),
            "the approval was not taken"
        );
        Ok(())
    }

    async fn report(&mut self) -> anyhow::Result<()> {
        self.t.title("4 每周报告 · weekly report");
        let day = Date::of(self.stage.clock.now());
        self.stage.pass(day.at_minute(10 * 60)).await?;
        self.stage.rest().await?;
        self.t.now();
        for (platform, key) in [
            (Platform::Feishu, "rd_all"),
            (Platform::DingTalk, "quality"),
            (Platform::WeCom, "sales"),
        ] {
            let chat = self.group(key)?;
            let members = self.members(platform, &chat)?;
            let viewer = members.first().cloned().unwrap_or_default();
            let fresh = self.t.tell(platform, &chat, &viewer)?;
            ensure!(fresh.iter().any(|i| i.bot), "no report in {key} on {platform}");
        }
        Ok(())
    }

    /// Lets the time pass to where a button of the page leads.
    async fn jump(&mut self, jump: Jump) -> anyhow::Result<()> {
        let hand = |date: Date| {
            let (year, month, day) = date.ymd();
            let found = i32::try_from(year)
                .ok()
                .and_then(|year| chrono::NaiveDate::from_ymd_opt(year, month, day));
            found.is_none_or(|day| self.stage.is_workday(day))
        };
        let to = target(self.stage.clock.now(), jump, hand);
        self.stage.pass(to).await?;
        self.stage.rest().await?;
        self.t.now();
        Ok(())
    }

    /// What a person has got from the bot in private.
    fn private(&mut self, platform: Platform, person: &str) -> anyhow::Result<Vec<ScreenItem>> {
        let chats = self.stage.sim(platform)?.chats();
        let own = chats
            .into_iter()
            .filter(|c| !c.group && c.person.as_deref() == Some(person));
        let mut fresh = Vec::new();
        for chat in own {
            fresh.extend(self.t.tell(platform, &chat.id, person)?);
        }
        Ok(fresh)
    }

    /// Previews a rule and carries the plan out.
    async fn apply(&mut self, platform: Platform, operator: &str, rule: &str) -> anyhow::Result<String> {
        let preview = self
            .asks(platform, operator, &format!("/建群 预览 规则={rule}"))
            .await?;
        let text: Vec<String> = preview.iter().filter(|i| i.bot).flat_map(lines).collect();
        let code = text
            .iter()
            .find_map(|line| Some(line.split_once("计划=")?.1.trim().to_owned()))
            .context("the preview has no code")?;
        self.asks(platform, operator, &format!("/建群 执行 规则={rule} 计划={code}"))
            .await?;
        for _ in 0..3 {
            self.stage.pass(self.stage.clock.now() + PAUSE).await?;
            self.stage.rest().await?;
        }
        Ok(text.join("\n"))
    }

    fn describe(&mut self, platform: Platform, chats: &[&str]) -> anyhow::Result<()> {
        let sim = self.stage.sim(platform)?;
        for chat in sim.chats().into_iter().filter(|c| chats.contains(&c.id.as_str())) {
            let owner = chat.owner.as_deref().map_or_else(String::new, |o| name_of(&*sim, o));
            (self.t.say)(&format!(
                "· {}: {} 人 members, 群主 owner {owner}",
                chat.name,
                chat.members.len()
            ));
        }
        self.t.heading = None;
        Ok(())
    }

    /// Somebody moves, an owner leaves, somebody new begins.
    async fn people(&mut self) -> anyhow::Result<()> {
        const AT: Platform = Platform::Feishu;
        self.t.title("7 人来人往 · people move, leave and begin");
        let operator = user_of(AT, &Cast::new().feishu).context("the operator has no account")?;
        let sim = self.stage.sim(AT)?;
        let departments = hutong_simkit::company::org(AT).departments;
        let group_of = |name: &str| {
            let department = departments.iter().find(|d| d.name == name)?.id.clone();
            let chat = sim
                .chats()
                .into_iter()
                .find(|c| c.group && c.name == format!("{name}·部门群"))?;
            Some((department, chat))
        };
        let (from_id, from) = group_of("嵌入式软件组").context("no group of the first department")?;
        let (to_id, to) = group_of("硬件组").context("no group of the second department")?;
        let both = [from.id.as_str(), to.id.as_str()];
        let people = sim.people();
        let mover = people
            .iter()
            .find(|p| p.department == from_id && from.members.contains(&p.id) && from.owner.as_ref() != Some(&p.id))
            .context("nobody can move")?;

        (self.t.say)(&format!(
            "\n{} 从嵌入式软件组调到硬件组 · moves to another department",
            mover.name
        ));
        self.describe(AT, &both)?;
        let verb = Verb::Transfer {
            person: mover.id.clone(),
            department: to_id.clone(),
        };
        self.act(AT, verb).await?;
        let told = self.private(AT, &mover.id)?;
        ensure!(told.iter().any(|i| i.bot), "nobody told the person who moved");

        let name = "安小满";
        (self.t.say)(&format!("\n{name} 入职嵌入式软件组 · somebody new begins"));
        let mut person = mover.clone();
        person.id = "u_new1".to_owned();
        person.name = name.to_owned();
        person.employee_no = "N001".to_owned();
        person.email = "new1@example.com".to_owned();
        person.mobile = "19900990001".to_owned();
        person.department.clone_from(&from_id);
        person.leader = None;
        // New because they were not there before; the directory knows no first day.
        person.joined_on = None;
        self.act(AT, Verb::Hire { person }).await?;
        // The platform tells the id alone: the service reads the rest.
        self.stage.chores().await;
        for _ in 0..3 {
            self.stage
                .pass(self.stage.clock.now() + Duration::from_secs(300))
                .await?;
            self.stage.rest().await?;
        }
        let hq = self.group("hq")?;
        let viewer = self.members(AT, &hq)?.first().cloned().unwrap_or_default();
        self.t.tell(AT, &hq, &viewer)?;
        let card = self.private(AT, "u_new1")?;
        ensure!(newest_button(&card).is_some(), "the newcomer got no card");
        let (message, action) = newest_button(&card).context("no button")?;
        let verb = Verb::Click {
            person: "u_new1".to_owned(),
            message,
            action,
            values: Default::default(),
        };
        self.act(AT, verb).await?;
        self.private(AT, "u_new1")?;

        self.jump(Jump::ThreeWorkdays).await?;
        self.private(AT, "u_new1")?;
        self.apply(AT, &operator, "rd").await?;
        self.describe(AT, &both)?;
        let (left, came) = (self.members(AT, &from.id)?, self.members(AT, &to.id)?);
        ensure!(
            !left.contains(&mover.id) && came.contains(&mover.id),
            "the groups did not follow the person who moved"
        );
        ensure!(left.contains(&"u_new1".to_owned()), "the newcomer is not in the group");

        let owner = self.stage.sim(AT)?.chats().into_iter().find(|c| c.id == to.id);
        let owner = owner.and_then(|c| c.owner).context("the group has no owner")?;
        let name = name_of(&*sim, &owner);
        (self.t.say)(&format!("\n硬件组的群主 {name} 离职 · the owner leaves the company"));
        self.act(AT, Verb::Quit { person: owner.clone() }).await?;
        for _ in 0..4 {
            self.stage.pass(self.stage.clock.now() + PAUSE).await?;
            self.stage.rest().await?;
        }
        self.describe(AT, &both)?;
        let now = self.stage.sim(AT)?.chats().into_iter().find(|c| c.id == to.id);
        let now = now.and_then(|c| c.owner).context("the group has lost its owner")?;
        ensure!(now != owner, "nobody has succeeded the owner");
        self.asks(AT, &operator, "/新人 名单").await?;
        Ok(())
    }

    /// What the next two weeks would bring, by the command itself.
    async fn rehearsal(&mut self) -> anyhow::Result<()> {
        self.t.title("6 预演 · rehearsal");
        let system = self.stage.system();
        let options = crate::rehearse::Options {
            days: 14,
            from: self.stage.clock.now(),
        };
        let (copy, ground) = crate::rehearse::copy_of(system.store.url().map(|u| u.expose())).await?;
        let outcome = crate::rehearse::run(&system.config, &copy, ground, options).await?;
        copy.close().await;
        ensure!(!outcome.entries.is_empty(), "the rehearsal lists nothing");
        (self.t.say)("$ hutong rehearse --days 14 --config demo.toml");
        for line in crate::rehearse::report::text(&outcome, crate::text::Lang::Zh).lines() {
            (self.t.say)(line);
        }
        Ok(())
    }

    async fn end(mut self, counts: &Counts) -> anyhow::Result<Outcome> {
        self.t.title("结果 · result");
        let complaints = self.stage.complaints();
        let report = verify(&self.stage.system().store).await?;
        let say = &mut *self.t.say;
        say(&format!(
            "four weeks: {} messages in groups, {} thanks, {} private questions, {} clicks",
            counts.messages, counts.thanks, counts.private, counts.clicks
        ));
        let sent = self
            .stage
            .system()
            .store
            .query("SELECT state, COUNT(*) AS n FROM outbox GROUP BY state ORDER BY state")
            .all()
            .await?;
        for row in &sent {
            say(&format!(
                "effects {}: {}",
                row.get::<String>("state")?,
                row.get::<i64>("n")?
            ));
        }
        say(&format!(
            "ledger: {} transactions, {}",
            report.transactions,
            if report.ok() {
                "every check passes"
            } else {
                "NOT in order"
            }
        ));
        for problem in &report.problems {
            say(&format!("  {problem}"));
        }
        say(&format!("complaints of the platforms: {}", complaints.len()));
        for complaint in &complaints {
            say(&format!("  {complaint}"));
        }
        Ok(Outcome {
            complaints,
            ledger: report.problems,
        })
    }
}

/// The number behind a word on an item.
fn number_in(item: &ScreenItem, mark: &str) -> Option<u32> {
    lines(item).iter().find_map(|line| {
        let (_, rest) = line.split_once(mark)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}
