//! DingTalk (钉钉): an internal app with a robot, by HTTP callbacks or by Stream mode.
//!
//! # What the platform lets a bot see
//!
//! In a group only messages that mention the robot by itself; `@所有人` does not reach it. In a
//! private chat everything. No reactions, no recalls of people's messages, no group history. Who has
//! read a robot message (24 h), presses on cards, joins and leaves of internal groups where the event
//! subscription delivers them, and changes of people and departments. An app robot gets no event when
//! an employee puts it into a group: its first mention there is the first sign (a group app, "cool
//! app", does report it).
//!
//! # What it lets a bot do
//!
//! Send to groups and people, answer by a session webhook for about 90 minutes, cards with buttons and
//! forms from a template that an admin builds (see [`render`]), recall, read lists, scene groups
//! (create, rename, owner, members, dissolve), uploads, downloads, DING, calendar, honours, statistics,
//! work notices where the robot does not reach. Mentions only in such an
//! answer or in a card. No reactions, no pins, no plain groups with the robot in them. Sends have no
//! idempotency key; cards and scene groups have the caller's own id.
//!
//! # A robot of one group
//!
//! [`GroupRobot`], an app of its own kind: a webhook, for posting only.
//!
//! # Two ways in
//!
//! [`verify`] ends where [`normalise`] begins. [`stream`], the long connection, brings the same JSON to
//! the same functions and gives events the same dedupe keys: changing the mode doubles nothing.
//!
//! Source of every fact: `protocols/dingtalk.md` of the shared notes and the vectors beside it.

mod api;
mod call;
mod codes;
mod config;
mod day;
mod diagnose;
mod escape;
mod http;
mod ids;
mod insight;
pub mod normalise;
mod notice;
mod quota;
pub mod render;
mod robot;
#[cfg(feature = "sim")]
pub mod sim;
pub mod stream;
mod verify;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;

use hutong_model::{
    Ability, Action, Adapter, Answer, AppId, Attachment, BoxFuture, Build, CallError, Capabilities, Clock,
    DepartmentId, DepartmentRecord, Finding, KeyProblem, LimitRule, LimitScope, Limits, Link, MessageId, Outcome, Page,
    PersonRecord, Platform, PlatformEntry, Prepared, QuotaBook, QuotaUse, RawRequest, Received, Rejection, RenderError,
    SeeClass, StatRow, StatScope, Timestamp, UserId,
};

pub use config::{CardConfig, Config, KEYS, Previous, Receive};
pub use ids::{DingId, NoticeId, SentId};
pub use robot::GroupRobot;
pub use verify::AesKey;

use api::Api;
use call::api as names;
use normalise::Push;
use verify::Proved;

/// This crate's line in the program's list of platforms.
pub const ENTRY: PlatformEntry = PlatformEntry {
    kinds: &["dingtalk", robot::KIND],
    keys: |kind| if kind == robot::KIND { robot::KEYS } else { KEYS },
    build,
};

fn build(build: Build) -> Result<Arc<dyn Adapter>, Vec<KeyProblem>> {
    if build.kind == robot::KIND {
        return Ok(Arc::new(GroupRobot::new(build)?));
    }
    Ok(Arc::new(DingTalk::new(build)?))
}

/// One DingTalk app.
pub struct DingTalk {
    app: AppId,
    capabilities: Capabilities,
    clock: Arc<dyn Clock>,
    api: Api,
    stream: Option<Arc<stream::Stream>>,
}

impl DingTalk {
    /// Checks the settings; talks to nobody.
    pub fn new(build: Build) -> Result<Self, Vec<KeyProblem>> {
        let config = Config::read(&build.app, &build.settings)?;
        let capabilities = capabilities(&config);
        let api = Api::new(config, build.clock.clone()).map_err(|what| {
            vec![KeyProblem {
                key: "base_url",
                what: format!("no HTTP client: {what}"),
                hint: "check that the system has root certificates".into(),
            }]
        })?;
        let stream = api
            .config
            .streams()
            .then(|| Arc::new(stream::Stream::new(api.config.clone(), api.client())));
        Ok(Self {
            app: build.app,
            capabilities,
            clock: build.clock,
            api,
            stream,
        })
    }

    /// How much of the company's monthly quota of API calls is used, as far as we know.
    pub fn usage(&self) -> QuotaUse {
        self.api.quota().usage(self.clock.now())
    }

    fn read(&self, request: &RawRequest<'_>, now: Timestamp) -> Result<Received, Rejection> {
        let config = &self.api.config;
        Ok(match verify::verify(config, request, now)? {
            Proved::Event { plain, answer } => match normalise::event(config, &plain, now)? {
                Push::CheckUrl => Received::Challenge(answer),
                Push::Events(events) => Received::Events { events, answer },
            },
            Proved::Robot => Received::Events {
                events: vec![normalise::robot(config, request.body, now)?],
                // "No answer in the response": we answer later, by the session webhook.
                answer: Answer::json(r#"{"msgtype":"empty"}"#),
            },
            Proved::Card { timestamp } => Received::Events {
                events: vec![normalise::card(config, request.body, &timestamp, now)?],
                // Nothing changes for the one who pressed; the update for everybody comes by API.
                answer: Answer::json(
                    r#"{"cardUpdateOptions":{"updateCardDataByKey":true,"updatePrivateDataByKey":true}}"#,
                ),
            },
        })
    }
}

impl Adapter for DingTalk {
    fn app(&self) -> &AppId {
        &self.app
    }

    fn platform(&self) -> Platform {
        Platform::DingTalk
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&self, request: &RawRequest<'_>, now: Timestamp) -> Received {
        self.read(request, now).unwrap_or_else(Received::Rejected)
    }

    fn prepare(&self, action: &Action) -> Result<Vec<Prepared>, RenderError> {
        call::prepare(&self.api.config, action)
    }

    fn deliver<'a>(&'a self, prepared: &'a Prepared, key: &'a str) -> BoxFuture<'a, Outcome> {
        Box::pin(self.api.deliver(prepared, key, self.clock.as_ref()))
    }

    fn departments<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page<DepartmentRecord>, CallError>> {
        Box::pin(self.api.departments(cursor))
    }

    fn people<'a>(
        &'a self,
        department: &'a DepartmentId,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<PersonRecord>, CallError>> {
        Box::pin(self.api.people(department, cursor))
    }

    fn person<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Option<PersonRecord>, CallError>> {
        Box::pin(self.api.person(user))
    }

    fn probe<'a>(&'a self) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(self.api.probe())
    }

    fn quota(&self) -> Option<&dyn QuotaBook> {
        Some(self.api.quota())
    }

    fn link(&self) -> Option<Arc<dyn Link>> {
        self.stream.clone().map(|stream| stream as Arc<dyn Link>)
    }

    fn diagnose<'a>(&'a self, callback: Option<&'a str>) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move {
            let mut found = self.api.diagnose(callback, self.clock.as_ref()).await;
            if let Some(stream) = &self.stream {
                found.push(stream.diagnose().await);
            }
            found
        })
    }

    fn statistics<'a>(
        &'a self,
        scope: &'a StatScope,
        day: &'a str,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<StatRow>, CallError>> {
        Box::pin(self.api.statistics(scope, day, cursor))
    }

    fn download<'a>(
        &'a self,
        _message: &'a MessageId,
        attachment: &'a Attachment,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<u8>, CallError>> {
        Box::pin(self.api.download(attachment, limit))
    }
}

/// What this app can see and do, as far as its settings allow. Limits: 6.1 and 6.2 of the protocol
/// notes; those of the month (5000 calls, 3000 pushes in the standard edition) are a remark and not a
/// rule, because they depend on what the company has bought.
pub fn capabilities(config: &Config) -> Capabilities {
    let mut can: BTreeSet<Ability> = [
        Ability::SendToChat,
        Ability::SendToUser,
        Ability::FirstWord,
        Ability::Reply,
        Ability::Recall,
        Ability::Upload,
        Ability::Urgent,
        Ability::Readers,
        Ability::ListDepartments,
        Ability::ListPeople,
        Ability::Images,
        Ability::Download,
        Ability::SeesMembers,
        Ability::SeesDirectory,
    ]
    .into();
    let mut sees: BTreeSet<SeeClass> = [SeeClass::V2, SeeClass::V4, SeeClass::V6].into();
    if config.card.is_some() {
        sees.insert(SeeClass::V5);
        can.extend([
            Ability::UpdateCard,
            Ability::ButtonsInChat,
            Ability::ButtonsToUser,
            Ability::Forms,
            Ability::MentionUser,
            Ability::MentionAll,
        ]);
    }
    if config.group_template_id.is_some() {
        can.extend([
            Ability::CreateChat,
            Ability::RenameChat,
            Ability::SetOwner,
            Ability::AddMembers,
            Ability::RemoveMembers,
            Ability::Disband,
            Ability::ListMembers,
        ]);
    }
    // A group app may read the members of the groups it is in.
    if config.cool_app_code.is_some() {
        can.insert(Ability::ListMembers);
    }
    if config.calendar_user.is_some() {
        can.insert(Ability::Calendar);
    }
    if config.honour_user.is_some() {
        can.insert(Ability::Badge);
    }
    if config.statistics {
        sees.insert(SeeClass::V3);
        can.insert(Ability::Statistics);
    }
    let per_second = |api| LimitRule::calls(api, LimitScope::App, 20, 1_000);
    let mut rates: Vec<LimitRule> = [
        names::GROUP_SEND,
        names::USER_SEND,
        names::CARD_CREATE,
        names::CARD_UPDATE,
        names::RECALL,
        names::READERS,
        names::GROUP_CREATE,
        names::GROUP_UPDATE,
        names::MEMBERS,
        names::MEMBER_LIST,
        names::UPLOAD,
        names::DING,
        names::DING_RECALL,
        names::CALENDAR,
        names::NOTICE,
        names::HONOUR,
    ]
    .map(per_second)
    .to_vec();
    // A robot that says more than 20 things a minute in one group is blocked for ten minutes.
    rates.push(LimitRule::calls(names::GROUP_SEND, LimitScope::Destination, 20, 60_000));
    // One change of a card a second; more only costs calls.
    rates.push(LimitRule::calls(names::CARD_UPDATE, LimitScope::Destination, 1, 1_000));
    // One granter's honours one after the other (page of the call).
    rates.push(LimitRule::calls(names::HONOUR, LimitScope::Destination, 1, 1_000));
    rates.push(LimitRule::calls(
        names::CALENDAR,
        LimitScope::Destination,
        100,
        86_400_000,
    ));
    let mut remarks = vec![
        (
            "群里只能看到 @ 机器人的消息；@所有人 不会送达机器人。",
            "In groups the bot sees only messages that mention it; a mention of everyone does not reach it.",
        ),
        (
            "标准版每月 5000 次调用、3000 次推送；用完后当月停止。机器人自己数本进程的调用（check --online 可见）。",
            "The standard edition has 5000 calls and 3000 pushes a month; then it stops until the next. The bot \
             counts the calls of its own process (see check --online).",
        ),
        (
            "员工把机器人拉进群时没有通知：第一次 @ 它之后才知道这个群。",
            "Nothing tells the bot that somebody put it into a group: its first mention there does.",
        ),
        (
            "发送没有幂等键：结果不明的公告不会自动重发，由管理员决定。",
            "Sends have no idempotency key: an announcement of unknown outcome waits for an operator.",
        ),
        (
            "平台没有列出机器人所在群的接口：群从消息、群应用事件和自己建的群中得知。",
            "No call lists the groups that the bot is in: they are learnt from messages, events and its own creations.",
        ),
        (
            "加人退群事件以平台实际推送为准，只保证内部群。",
            "Joins and leaves are known where the platform pushes them, for internal groups only.",
        ),
    ];
    if config.card.is_none() {
        remarks.push((
            "未设置 card_template_id：没有按钮和表单，除回复外不能 @ 人。",
            "No card_template_id: no buttons or forms, and no mentions outside of replies.",
        ));
    }
    if config.group_template_id.is_none() {
        remarks.push((
            "未设置 group_template_id：不能建群和管理群成员。",
            "No group_template_id: the bot cannot create groups or manage members.",
        ));
    }
    if config.agent_id.is_some() {
        remarks.push((
            "机器人够不到的人改收工作通知：只有文字，不能回复，同样内容每天只到一次。",
            "People out of the robot's reach get a work notice: text only, no answer, the same words once a day.",
        ));
    }
    if config.statistics {
        remarks.push((
            "群统计按群 id 查询，是否等于会话 id 未经证实；没有个人统计。",
            "Statistics are asked by group id, which may not be the conversation id; there are none of single people.",
        ));
    }
    Capabilities {
        kind: "dingtalk",
        sees,
        can,
        limits: Limits {
            text_bytes: render::TEXT_BYTES,
            card_bytes: render::VALUE_BYTES * render::TEXTS,
            buttons: render::BUTTONS,
            members_per_call: call::MEMBERS_PER_CALL,
            chat_members: 1000,
        },
        rates,
        remarks,
    }
}
