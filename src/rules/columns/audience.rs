//! Whom a column reaches, and on which office's clock.

use chrono_tz::Tz;
use hutong_model::{AppId, ChatId, Target, UserId};

use super::config::ColumnChat;
use super::{ColumnsRule, Entry, store};
use crate::access::store::{holders, place_of_chat, place_of_department};
use crate::access::{Place, Role};
use crate::calendar::{Desk, Office, at_work_date, store as days};
use crate::config::Who;
use crate::directory::{PersonId, facts};
use crate::rules::{Ctx, RuleError};
use crate::segment::Answer;

/// A group, or a person in private.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reader {
    Chat(AppId, ChatId),
    Person(AppId, UserId, Option<String>),
}

impl Reader {
    pub(super) fn app(&self) -> &AppId {
        match self {
            Reader::Chat(app, _) | Reader::Person(app, ..) => app,
        }
    }

    pub(super) fn target(&self) -> Target {
        match self {
            Reader::Chat(_, chat) => Target::Chat(chat.clone()),
            Reader::Person(_, user, _) => Target::User(user.clone()),
        }
    }

    /// What the claim is made for. Ids of people stand apart from those of groups.
    pub(super) fn claim(&self) -> Option<ChatId> {
        match self {
            Reader::Chat(_, chat) => Some(chat.clone()),
            Reader::Person(_, user, _) => ChatId::new(format!("user:{user}")).ok(),
        }
    }
}

impl ColumnsRule {
    /// Everybody a column reaches now, each once.
    pub(super) async fn readers(&self, ctx: &mut Ctx, entry: &Entry) -> Result<Vec<Reader>, RuleError> {
        let mut list: Vec<Reader> = Vec::new();
        let app = &entry.column.app;
        for chat in &entry.column.chats {
            let found: Vec<Reader> = match chat {
                ColumnChat::Chat(chat) => vec![Reader::Chat(app.clone(), chat.clone())],
                ColumnChat::GroupsOf(rule) => store::chats_of_rule(ctx.tx(), rule)
                    .await?
                    .into_iter()
                    .map(chat_of)
                    .collect(),
                ColumnChat::Department(name) => {
                    let chats = store::chats_of_department(ctx.tx(), app, name).await?;
                    chats.into_iter().map(chat_of).collect()
                }
                ColumnChat::Segment(id) => self.people(ctx, app, id).await?,
            };
            for one in found {
                if !list.contains(&one) {
                    list.push(one);
                }
            }
        }
        Ok(list)
    }

    async fn people(&self, ctx: &mut Ctx, app: &AppId, segment: &str) -> Result<Vec<Reader>, RuleError> {
        let (Some(company), Some(platform)) = (ctx.env().app(app).map(|a| a.company.clone()), ctx.platform(app)) else {
            return Ok(Vec::new());
        };
        let Some(segment) = self.segments.iter().find(|s| s.id == segment) else {
            return Ok(Vec::new());
        };
        let departments = facts::departments(ctx.tx(), &company).await?;
        let Ok(bound) = segment.condition.bind(&departments) else {
            return Ok(Vec::new());
        };
        let today = ctx.local(ctx.now()).date_naive();
        let mut list = Vec::new();
        for person in facts::all(ctx.tx(), &company).await? {
            if person.ask(today, |f| bound.of(f)) != Answer::Yes {
                continue;
            }
            if let Some(user) = ctx.directory().identity_on(&person.id, platform).await? {
                let department = ctx.directory().person(&person.id).await?.and_then(|p| p.department);
                list.push(Reader::Person(app.clone(), user, department));
            }
        }
        Ok(list)
    }

    /// Where somebody reads: zone and days of the office of the group, or of the person's department.
    pub(super) async fn office_of(&self, ctx: &mut Ctx, reader: &Reader) -> Result<Option<Office>, RuleError> {
        if self.work.offices.is_empty() {
            return Ok(None);
        }
        let (chat, place) = match reader {
            Reader::Chat(app, chat) => (Some((app, chat)), place_of_chat(ctx.tx(), app, chat).await?),
            Reader::Person(_, _, Some(department)) => (None, place_of_department(ctx.tx(), department).await?),
            Reader::Person(..) => (None, Place::default()),
        };
        Ok(self.work.office_of(chat, &place).cloned())
    }

    /// Zone and days by which a column is planned where nothing else is said.
    pub(super) async fn home(&self, ctx: &mut Ctx, entry: &Entry) -> Result<Desk, RuleError> {
        let entered = days::shared(ctx.tx()).await?;
        let mut desk = self.work.desk(None, &entered);
        desk.zone = self.zone_of(entry);
        Ok(desk)
    }

    pub(super) fn zone_of(&self, entry: &Entry) -> Tz {
        entry.column.zone.unwrap_or(self.calendar.zone)
    }

    /// The readers on the clock of `zone` for whom `today` is a day of an issue, grouped by the date
    /// that the issue stands for.
    pub(super) async fn readers_of(
        &self,
        ctx: &mut Ctx,
        entry: &Entry,
        zone: Tz,
    ) -> Result<Vec<(Desk, Vec<Reader>)>, RuleError> {
        let entered = days::shared(ctx.tx()).await?;
        let mut groups: Vec<(Desk, Vec<Reader>)> = Vec::new();
        if zone == self.zone_of(entry) {
            let mut home = self.work.desk(None, &entered);
            home.zone = zone;
            groups.push((home, Vec::new()));
        }
        for reader in self.readers(ctx, entry).await? {
            let office = self.office_of(ctx, &reader).await?;
            let mut desk = self.work.desk(office.as_ref(), &entered);
            if let Some(own) = entry.column.zone {
                desk.zone = own;
            } else if desk.office.is_empty() {
                desk.zone = self.calendar.zone;
            }
            if desk.zone != zone {
                continue;
            }
            match groups.iter_mut().find(|(d, _)| d.office == desk.office) {
                Some((_, list)) => list.push(reader),
                None => groups.push((desk, vec![reader])),
            }
        }
        Ok(groups)
    }

    /// Who is named, as people who are there now; nobody named: everybody with the role.
    async fn named_people(
        &self,
        ctx: &mut Ctx,
        entry: &Entry,
        named: &[Who],
        role: Option<Role>,
    ) -> Result<Vec<PersonId>, RuleError> {
        let Some(company) = ctx.env().app(&entry.column.app).map(|a| a.company.clone()) else {
            return Ok(Vec::new());
        };
        if let (true, Some(role)) = (named.is_empty(), role) {
            return Ok(holders(ctx.tx(), &company, &[role], &Place::default()).await?);
        }
        let mut list = Vec::new();
        for who in named {
            let found = match who {
                Who::Employee(number) => store::employee(ctx.tx(), &company, number).await?,
                Who::User { app, user } => match ctx.platform(app) {
                    Some(platform) => ctx.directory().person_of(&company, platform, user).await?.map(|p| p.id),
                    None => None,
                },
            };
            let Some(id) = found else { continue };
            let active = ctx.directory().person(&id).await?.is_some_and(|p| p.active);
            if active && !list.contains(&id) {
                list.push(id);
            }
        }
        Ok(list)
    }

    /// The editors who are there today; when none is, the deputies; when none of those is, everybody
    /// who edits. True: deputies stand in.
    pub(super) async fn on_duty(&self, ctx: &mut Ctx, entry: &Entry) -> Result<(Vec<PersonId>, bool), RuleError> {
        let today = crate::rules::local(self.zone_of(entry), ctx.now()).date_naive();
        for (named, role, deputy) in [
            (&entry.column.editors, Some(Role::Editor), false),
            (&entry.column.deputies, None, true),
        ] {
            let mut there = Vec::new();
            for person in self.named_people(ctx, entry, named, role).await? {
                if !at_work_date(ctx.tx(), &person, today).await? {
                    continue;
                }
                there.push(person);
            }
            if !there.is_empty() {
                return Ok((there, deputy));
            }
        }
        let all = self.named_people(ctx, entry, &[], Some(Role::Editor)).await?;
        Ok((all, true))
    }

    /// True for those who may work on the issues of this column.
    pub(super) async fn edits(&self, ctx: &mut Ctx, entry: &Entry, person: &PersonId) -> Result<bool, RuleError> {
        if entry.column.editors.is_empty() {
            return Ok(true);
        }
        for named in [&entry.column.editors, &entry.column.deputies] {
            if self.named_people(ctx, entry, named, None).await?.contains(person) {
                return Ok(true);
            }
        }
        Ok(crate::access::store::rights_of(ctx.tx(), person)
            .await?
            .anywhere(&[Role::Operator]))
    }
}

fn chat_of((app, chat): (AppId, ChatId)) -> Reader {
    Reader::Chat(app, chat)
}
