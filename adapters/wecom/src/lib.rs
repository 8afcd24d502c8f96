//! WeCom (企业微信): three doors, none of which sees a group's chat.
//!
//! | kind | hears | says |
//! |---|---|---|
//! | `wecom`, a self-built app | private messages to the app, clicks, people entering and leaving its visible range | to persons, and to groups that it created itself (appchat), which it never hears |
//! | `wecom_aibot`, an AI bot with a callback URL | what mentions it in a group, private messages, clicks | one answer to each of these, within an hour; nothing on its own |
//! | `wecom_aibot` on a long connection | the same | answers, changes of the card that was pressed, and messages to chats in which it was addressed before |
//! | `wecom_webhook`, a group robot | nothing | to its one group |
//!
//! The group ids of the AI bot and of appchat are different name spaces without any conversion, and
//! no call puts an AI bot into an appchat group: a person adds it, and the configuration says which
//! two ids are one group.
//!
//! Reading order: [`config`], [`verify`], [`wire`], [`normalise`] for what comes in; [`text`],
//! [`render`], [`card`], [`prepare`], [`api`], [`codes`], [`directory`] for what goes out. The AI bot's
//! long connection ([`stream`]) carries the same JSON as [`wire::BotCallback`] and enters at
//! [`normalise::bot`].

pub mod api;
mod capability;
pub mod card;
pub mod codes;
pub mod config;
mod diagnose;
mod directory;
pub mod fields;
pub mod groups;
pub mod guard;
pub mod media;
pub mod menu;
pub mod normalise;
mod notice;
pub mod prepare;
pub mod render;
#[cfg(feature = "sim")]
pub mod sim;
pub mod stats;
pub mod stream;
pub mod text;
pub mod verify;
pub mod wire;

use std::sync::Arc;

use hutong_model::{
    Action, Adapter, Answer, AppId, Attachment, BoxFuture, Build, CallError, Capabilities, ChatId, Clock, DepartmentId,
    DepartmentRecord, Finding, KeyProblem, Link, MessageId, Outcome, Page, PersonRecord, Platform, PlatformEntry,
    Prepared, RawRequest, Received, Rejection, RenderError, StatRow, StatScope, Timestamp, UserId,
};

use crate::api::{Client, Credentials, Payload, read_error};
use crate::config::{AibotDoor, AppDoor, BotReceive, Door};
use crate::normalise::BotSelf;
use crate::stream::BotLink;
use crate::verify::{KeyRing, Query};
use crate::wire::{BotCallback, Element, JsonEnvelope};

/// This crate's line in the program's list of platforms.
pub const ENTRY: PlatformEntry = PlatformEntry {
    kinds: &[config::APP, config::AIBOT, config::WEBHOOK],
    keys: config::keys,
    build,
};

fn build(build: Build) -> Result<Arc<dyn Adapter>, Vec<KeyProblem>> {
    Ok(Arc::new(WeCom::new(build)?))
}

/// One door, ready for use.
#[derive(Debug)]
pub struct WeCom {
    app: AppId,
    door: Door,
    capabilities: Capabilities,
    client: Client,
    clock: Arc<dyn Clock>,
    base: url::Url,
    /// An AI bot on a long connection: everything comes and goes through it.
    link: Option<Arc<BotLink>>,
}

impl WeCom {
    /// Checks the settings. Needs no network.
    pub fn new(build: Build) -> Result<Self, Vec<KeyProblem>> {
        let (door, base) = config::check(&build)?;
        let credentials = match &door {
            Door::App(app) => Credentials::App {
                corp_id: app.corp_id.clone(),
                secret: app.secret.clone(),
            },
            Door::Aibot(_) => Credentials::None,
            Door::Webhook(robot) => Credentials::Robot { key: robot.key.clone() },
        };
        let link = link_of(&door, &base);
        let clock = build.clock.clone();
        let client = Client::new(base.clone(), build.clock, credentials).map_err(|what| {
            vec![KeyProblem {
                key: "base_url",
                what,
                hint: "the HTTP client could not be made; check proxy settings".into(),
            }]
        })?;
        Ok(Self {
            app: build.app,
            capabilities: capability::of(&door),
            door,
            client,
            clock,
            base,
            link,
        })
    }

    fn take(&self, request: &RawRequest<'_>, now: Timestamp) -> Result<Received, Rejection> {
        let keys = match &self.door {
            Door::App(app) => Some(&app.keys),
            Door::Aibot(bot) => bot.keys(),
            Door::Webhook(_) => None,
        }
        .ok_or(Rejection::WrongApp)?;
        if request.body.len() > verify::MAX_BODY || request.query.len() > 8192 {
            return Err(Rejection::TooLarge);
        }
        let query = Query::read(request.query)?;
        if !request.post {
            let echo = query.echostr.as_deref().ok_or(Rejection::MissingHeader)?;
            // The answer is the plain text and nothing else (document 90238).
            return Ok(Received::Challenge(Answer::text(keys.open(&query, echo, now)?.0)));
        }
        let body = std::str::from_utf8(request.body).map_err(|_| Rejection::Malformed)?;
        match &self.door {
            Door::App(app) => take_app(app, &query, body, now),
            Door::Aibot(bot) => take_bot(bot, keys, &query, body, now),
            Door::Webhook(_) => Err(Rejection::WrongApp),
        }
    }
}

/// The long connection of a door that is set to it. Loopback is allowed only to an app that is
/// configured for a simulator altogether.
fn link_of(door: &Door, base: &url::Url) -> Option<Arc<BotLink>> {
    let Door::Aibot(bot) = door else { return None };
    let BotReceive::LongConnection { bot_id, secret, url } = &bot.receive else {
        return None;
    };
    let who = stream::Bot {
        name: bot.name.clone(),
        bot_id: bot_id.clone(),
        secret: secret.clone(),
        welcome: bot.welcome.clone(),
    };
    let loopback = config::is_loopback(base) || config::is_loopback(url);
    Some(Arc::new(BotLink::new(who, url.clone(), loopback)))
}

fn take_app(app: &AppDoor, query: &Query, body: &str, now: Timestamp) -> Result<Received, Rejection> {
    // Of the envelope only `Encrypt` is signed; the other two must at least not contradict us.
    let envelope = Element::parse(body)?;
    let encrypt = envelope.only("Encrypt")?;
    let (plain, _) = app.keys.open(query, encrypt, now)?;
    addressed_to(app, &envelope)?;
    let xml = Element::parse(&plain)?;
    addressed_to(app, &xml)?;
    let mut event = normalise::app(&xml)?;
    app.fields.read_xml(&xml, &mut event.body);
    Ok(Received::Events {
        events: vec![event],
        // Documented way to say "nothing to reply": 200 with an empty body.
        answer: Answer::text(""),
    })
}

/// The corp must be ours; the agent, which contact callbacks do not name, too.
fn addressed_to(app: &AppDoor, xml: &Element) -> Result<(), Rejection> {
    if xml.only("ToUserName")? != app.corp_id {
        return Err(Rejection::WrongApp);
    }
    let mut agents = xml.children_named("AgentID");
    match (agents.next(), agents.next()) {
        (None, _) => Ok(()),
        (Some(agent), None) if agent.text.trim().is_empty() || agent.text.trim() == app.agent_id.to_string() => Ok(()),
        _ => Err(Rejection::WrongApp),
    }
}

fn take_bot(bot: &AibotDoor, keys: &KeyRing, query: &Query, body: &str, now: Timestamp) -> Result<Received, Rejection> {
    let envelope: JsonEnvelope = serde_json::from_str(body).map_err(|_| Rejection::Malformed)?;
    let (plain, keys) = keys.open(query, &envelope.encrypt, now)?;
    let callback: BotCallback = serde_json::from_str(&plain).map_err(|_| Rejection::Malformed)?;
    let identity = BotSelf {
        name: &bot.name,
        id: bot.bot_id.as_deref(),
    };
    let event = normalise::bot(&callback, identity, query.time()?)?;
    // Only this event can be answered nowhere but here (document 101031).
    let entered = callback.event.as_ref().and_then(|e| e.get("eventtype")) == Some(&"enter_chat".into());
    let answer = match &bot.welcome {
        Some(welcome) if entered => {
            let reply = serde_json::json!({"msgtype": "text", "text": {"content": text::cut(welcome, 2048)}});
            Answer {
                content_type: "text/plain; charset=utf-8",
                body: keys.seal_json(&reply.to_string(), now.secs(), &query.nonce),
            }
        }
        _ => Answer::text(""),
    };
    Ok(Received::Events {
        events: vec![event],
        answer,
    })
}

impl Adapter for WeCom {
    fn app(&self) -> &AppId {
        &self.app
    }

    fn platform(&self) -> Platform {
        Platform::WeCom
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&self, request: &RawRequest<'_>, now: Timestamp) -> Received {
        self.take(request, now).unwrap_or_else(Received::Rejected)
    }

    fn prepare(&self, action: &Action) -> Result<Vec<Prepared>, RenderError> {
        let mut all = prepare::prepare(&self.door, action)?;
        for one in all.iter_mut().filter(|one| one.api == "appchat/send") {
            // A post counts once for every member (document 90248). Only the weight depends on what is
            // known; the request never does.
            if let Some(chat) = one.to.as_deref().and_then(|id| ChatId::new(id).ok()) {
                one.weight = self.client.groups().weight(&chat);
            }
        }
        Ok(all)
    }

    fn deliver<'a>(&'a self, prepared: &'a Prepared, key: &'a str) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match &self.link {
                Some(link) => stream::calls::deliver(link.outbound(), prepared, key).await,
                None => self.client.deliver(prepared, key).await,
            }
        })
    }

    fn link(&self) -> Option<Arc<dyn Link>> {
        self.link.clone().map(|link| link as Arc<dyn Link>)
    }

    fn can_deliver(&self) -> bool {
        self.link.as_ref().is_none_or(|link| link.outbound().live())
    }

    fn departments<'a>(&'a self, _cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page<DepartmentRecord>, CallError>> {
        Box::pin(async move {
            match self.door {
                Door::App(_) => directory::departments(&self.client).await,
                _ => Err(CallError::NotPossible("reading departments")),
            }
        })
    }

    fn people<'a>(
        &'a self,
        department: &'a DepartmentId,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<PersonRecord>, CallError>> {
        Box::pin(async move {
            match &self.door {
                Door::App(app) => directory::people(&self.client, &app.fields, department, cursor).await,
                _ => Err(CallError::NotPossible("reading people")),
            }
        })
    }

    fn person<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Option<PersonRecord>, CallError>> {
        Box::pin(async move {
            match &self.door {
                Door::App(app) => directory::one(&self.client, &app.fields, user).await,
                _ => Err(CallError::NotPossible("reading a person")),
            }
        })
    }

    fn probe<'a>(&'a self) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(async move {
            match &self.door {
                // A token is given to any address; only a business call shows an untrusted one (60020).
                Door::App(app) => {
                    let agent = app.agent_id.to_string();
                    self.client
                        .call("agent/get", &[("agentid", &agent)], Payload::Get)
                        .await
                        .map(|_| ())
                        .map_err(read_error)
                }
                // Neither has a call that does nothing.
                Door::Aibot(_) | Door::Webhook(_) => Err(CallError::NotPossible("a check without sending")),
            }
        })
    }

    fn diagnose<'a>(&'a self, callback: Option<&'a str>) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(diagnose::diagnose(&self.client, &self.door, callback))
    }

    fn statistics<'a>(
        &'a self,
        scope: &'a StatScope,
        day: &'a str,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<StatRow>, CallError>> {
        Box::pin(async move {
            match self.door {
                Door::App(_) => stats::statistics(&self.client, scope, day, cursor, self.clock.now()).await,
                _ => Err(CallError::NotPossible("statistics")),
            }
        })
    }

    fn download<'a>(
        &'a self,
        _message: &'a MessageId,
        attachment: &'a Attachment,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<u8>, CallError>> {
        Box::pin(media::download(&self.client, &self.door, &self.base, attachment, limit))
    }
}
