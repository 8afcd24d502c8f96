//! Feishu and Lark, over HTTP callbacks or the long connection.
//!
//! What the platform can do for a bot: send, reply, update cards, recall, react, pin and buzz; make
//! groups and manage their members; native tables, charts and forms in cards; read departments and
//! people; tell who has read a message; calendar entries. Messages and new groups take an
//! idempotency key, so that a call with an unknown end can be repeated for an hour (groups: ten).
//!
//! What it cannot do: tell an app about messages that do not mention it unless the tenant's admin
//! grants the sensitive scope `im:message.group_msg` (setting `sees_all_messages`); tell of edits;
//! say in a reaction event which chat it was in; give one person's message to everybody in a group
//! privately. At most five messages a second to one chat, shared with every other bot in it.
//!
//! Way in: [`verify`] checks and opens a callback, [`stream`] brings the same plaintext over the long
//! connection without signature and encryption; both meet at [`door`], then [`wire`] reads,
//! [`normalise`] and [`content`] translate. Way out: [`calls`] with [`render`], [`card`] and [`escape`], then [`api`],
//! whose answers [`codes`] explains.

mod answer;
mod api;
mod badges;
mod calls;
mod card;
mod codes;
mod config;
mod content;
mod diagnose;
mod directory;
mod door;
mod escape;
mod normalise;
mod reads;
mod render;
#[cfg(feature = "sim")]
pub mod sim;
mod stream;
mod verify;
mod wire;

use std::sync::Arc;

use hutong_model::{
    Ability, Action, Adapter, AppId, Attachment, BoxFuture, Build, CallError, Capabilities, ChatId, ChatRecord,
    DepartmentId, DepartmentRecord, Finding, KeyProblem, Limits, Link, MessageId, Outcome, OwnMessage, Page,
    PersonRecord, Platform, PlatformEntry, Prepared, RawRequest, Received, RenderError, SeeClass, StatRow, StatScope,
    Timestamp, UserId,
};

use api::Api;
use config::{Config, Receive, Urgent};
use door::{Door, Trust};
use normalise::View;
use stream::Stream;

/// This crate's line in the program's list of platforms.
pub const ENTRY: PlatformEntry = PlatformEntry {
    kinds: &["feishu", "lark"],
    keys: config::keys,
    build,
};

fn build(build: Build) -> Result<Arc<dyn Adapter>, Vec<KeyProblem>> {
    Ok(Arc::new(Feishu::new(&build)?))
}

/// One Feishu or Lark app.
pub struct Feishu {
    app: AppId,
    config: Config,
    /// Shared with the long connection.
    door: Arc<Door>,
    capabilities: Capabilities,
    api: Api,
    /// When the app is set to it.
    link: Option<Arc<Stream>>,
}

impl Feishu {
    /// Checks the settings; nothing is sent.
    pub fn new(build: &Build) -> Result<Self, Vec<KeyProblem>> {
        let config = Config::read(build)?;
        let api = Api::new(&config, build.clock.clone()).map_err(|e| {
            vec![KeyProblem {
                key: "base_url",
                what: format!("no HTTP client can be made: {e}"),
                hint: "install the system's CA certificates".to_owned(),
            }]
        })?;
        let door = Arc::new(Door::new(&config));
        let link = (config.receive == Receive::LongConnection)
            .then(|| Arc::new(Stream::new(&config, door.clone(), api.client(), build.clock.clone())));
        Ok(Self {
            app: build.app.clone(),
            capabilities: capabilities(&config),
            config,
            door,
            api,
            link,
        })
    }

    fn view(&self) -> View<'_> {
        self.door.view()
    }
}

impl Adapter for Feishu {
    fn app(&self) -> &AppId {
        &self.app
    }

    fn platform(&self) -> Platform {
        Platform::Feishu
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&self, request: &RawRequest<'_>, now: Timestamp) -> Received {
        self.door
            .verifier
            .open(request, now)
            .and_then(|opened| {
                let trust = if opened.signed {
                    Trust::Signed
                } else {
                    Trust::Unsigned {
                        encrypted: opened.encrypted,
                    }
                };
                self.door.accept(&opened.plain, trust, now)
            })
            .unwrap_or_else(Received::Rejected)
    }

    fn prepare(&self, action: &Action) -> Result<Vec<Prepared>, RenderError> {
        calls::prepare(action, self.config.user_id_type, self.config.urgent)
    }

    fn deliver<'a>(&'a self, prepared: &'a Prepared, key: &'a str) -> BoxFuture<'a, Outcome> {
        Box::pin(self.api.deliver(prepared, key))
    }

    fn departments<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page<DepartmentRecord>, CallError>> {
        Box::pin(directory::departments(&self.api, self.view(), cursor))
    }

    fn people<'a>(
        &'a self,
        department: &'a DepartmentId,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<PersonRecord>, CallError>> {
        Box::pin(directory::people(&self.api, self.view(), department, cursor))
    }

    fn person<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Option<PersonRecord>, CallError>> {
        Box::pin(directory::person(&self.api, self.view(), user))
    }

    /// Proves the credentials and learns who the bot is.
    fn probe<'a>(&'a self) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(async {
            let answer = self
                .api
                .get("/open-apis/bot/v3/info".to_owned(), Vec::new())
                .await
                .map_err(api::Failure::error)?;
            // At the top level, not below `data` (feishu.md 5.10).
            let bot = &answer["bot"];
            if let Some(open_id) = bot["open_id"].as_str().filter(|id| !id.is_empty()) {
                let _ = self.door.learned.set(open_id.to_owned());
            }
            match bot["activate_status"].as_i64() {
                Some(2) | None => Ok(()),
                Some(status) => Err(CallError::Rejected {
                    code: format!("activate_status_{status}"),
                    text: "应用未启用：在管理后台启用，并发布版本 / the app is not enabled: enable it in the admin console and publish a version".to_owned(),
                }),
            }
        })
    }

    fn link(&self) -> Option<Arc<dyn Link>> {
        let link = self.link.clone()?;
        Some(link)
    }

    fn diagnose<'a>(&'a self, callback: Option<&'a str>) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(diagnose::diagnose(&self.api, &self.config, callback))
    }

    fn chats<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page<ChatRecord>, CallError>> {
        Box::pin(reads::chats(&self.api, self.view(), cursor))
    }

    fn own_messages<'a>(
        &'a self,
        chat: &'a ChatId,
        from: Timestamp,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<OwnMessage>, CallError>> {
        Box::pin(reads::own_messages(&self.api, &self.config.app_id, chat, from, until))
    }

    fn statistics<'a>(
        &'a self,
        scope: &'a StatScope,
        day: &'a str,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<StatRow>, CallError>> {
        Box::pin(reads::statistics(&self.api, self.view(), scope, day, cursor))
    }

    fn download<'a>(
        &'a self,
        message: &'a MessageId,
        attachment: &'a Attachment,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<u8>, CallError>> {
        Box::pin(reads::download(&self.api, message, attachment, limit))
    }
}

fn capabilities(config: &Config) -> Capabilities {
    use Ability as A;
    let messages = if config.sees_all { SeeClass::V1 } else { SeeClass::V2 };
    let mut remarks = Vec::new();
    if !config.sees_all {
        remarks.push((
            "没有 im:message.group_msg 权限：群里只看得到 @机器人 的消息，活跃统计不完整",
            "without the scope im:message.group_msg only mentions are seen in groups: activity figures are partial",
        ));
    }
    if config.urgent != Urgent::App {
        remarks.push((
            "加急用短信或电话，消耗企业的付费额度",
            "urgent messages go out as text messages or calls and use up the company's paid quota",
        ));
    }
    remarks.push((
        "平台的部门和个人统计按天出，次日 9:30 左右才有；不分群",
        "the platform's figures per department and person are of whole days, out at about 9:30 the next morning; not per group",
    ));
    remarks.push((
        "每个群每秒最多 5 条消息，由群里所有机器人共用",
        "at most five messages a second per group, shared by all bots in it",
    ));
    Capabilities {
        kind: config.kind,
        sees: [messages, SeeClass::V3, SeeClass::V4, SeeClass::V5, SeeClass::V6].into(),
        can: [
            A::SendToChat,
            A::SendToUser,
            A::FirstWord,
            A::Reply,
            A::UpdateCard,
            A::Recall,
            A::React,
            A::CreateChat,
            A::RenameChat,
            A::SetOwner,
            A::AddMembers,
            A::RemoveMembers,
            A::Disband,
            A::Upload,
            A::Pin,
            A::Unpin,
            A::Badge,
            A::Urgent,
            A::Calendar,
            A::Readers,
            A::ListMembers,
            A::ListDepartments,
            A::ListPeople,
            A::ListChats,
            A::Statistics,
            A::Download,
            A::ButtonsInChat,
            A::ButtonsToUser,
            A::Forms,
            A::Tables,
            A::Charts,
            A::Images,
            A::MentionUser,
            A::MentionAll,
            A::SeesReactions,
            A::SeesRecalls,
            A::SeesMembers,
            A::SeesDirectory,
        ]
        .into(),
        limits: Limits {
            text_bytes: render::TEXT_BYTES,
            card_bytes: card::CARD_BYTES,
            buttons: 30,
            members_per_call: calls::MEMBERS_PER_CALL,
            chat_members: 5000,
        },
        rates: calls::rates(),
        remarks,
    }
}
