//! Tests of the whole loader, with a small platform of their own.

use std::sync::Arc;

use hutong_model::{
    Ability, Action, Adapter, Answer, AppId, BoxFuture, Build, CallError, Capabilities, DepartmentId, DepartmentRecord,
    KeyKind, KeyProblem, KeySpec, Limits, ManualClock, Outcome, Page, PersonRecord, Platform, PlatformEntry, Prepared,
    RawRequest, Received, RenderError, SeeClass, Timestamp, UserId,
};

use super::{Checked, FixedEnvironment, Problems, load};

mod mutated;
mod problems;
mod sample;
mod secrets;
mod section;

/// An adapter that only knows what it can do.
pub(crate) struct Fake {
    app: AppId,
    capabilities: Capabilities,
}

impl Adapter for Fake {
    fn app(&self) -> &AppId {
        &self.app
    }
    fn platform(&self) -> Platform {
        Platform::Feishu
    }
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
    fn receive(&self, _: &RawRequest<'_>, _: Timestamp) -> Received {
        Received::Challenge(Answer::text(""))
    }
    fn prepare(&self, _: &Action) -> Result<Vec<Prepared>, RenderError> {
        Ok(Vec::new())
    }
    fn deliver<'a>(&'a self, _: &'a Prepared, _: &'a str) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::pending())
    }
    fn departments<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, Result<Page<DepartmentRecord>, CallError>> {
        Box::pin(std::future::pending())
    }
    fn people<'a>(
        &'a self,
        _: &'a DepartmentId,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<PersonRecord>, CallError>> {
        Box::pin(std::future::pending())
    }
    fn person<'a>(&'a self, _: &'a UserId) -> BoxFuture<'a, Result<Option<PersonRecord>, CallError>> {
        Box::pin(std::future::pending())
    }
    fn probe<'a>(&'a self) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(std::future::pending())
    }
}

const fn key(name: &'static str, kind: KeyKind, required: bool) -> KeySpec {
    KeySpec {
        name,
        kind,
        required,
        doc: "Shown on the page of the app.",
    }
}

static KEYS: [KeySpec; 6] = [
    key("base_url", KeyKind::Url, false),
    key("app_id", KeyKind::Text, true),
    key("app_secret", KeyKind::Secret, true),
    key("encrypt_key", KeyKind::Secret, false),
    key("agent", KeyKind::Integer, false),
    key("sees_all", KeyKind::Bool, false),
];

fn build(build: Build) -> Result<Arc<dyn Adapter>, Vec<KeyProblem>> {
    let mut problems = Vec::new();
    let mut problem = |key, what: &str, hint: &str| {
        problems.push(KeyProblem {
            key,
            what: what.to_owned(),
            hint: hint.to_owned(),
        });
    };
    if build.settings.text("app_id").is_none_or(|id| !id.starts_with("cli_")) {
        problem("app_id", "it must begin with cli_", "copy it from the console");
    }
    match build.settings.secret("app_secret") {
        None => problem("app_secret", "is missing", "copy it from the console"),
        // An adapter must not do this; the loader covers it all the same.
        Some(secret) if secret.expose().contains("canary-in-adapter") => {
            problem(
                "app_secret",
                &format!("{} is not a secret", secret.expose()),
                secret.expose(),
            );
        }
        Some(_) => {}
    }
    if build.kind == "fake" && build.settings.secret("encrypt_key").is_none() {
        problem(
            "encrypt_key",
            "there is no verification secret",
            "without it anybody could send events",
        );
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut sees = vec![SeeClass::V2];
    let mut can = vec![Ability::SendToUser];
    if build.kind == "fake" {
        can.extend([
            Ability::SendToChat,
            Ability::CreateChat,
            Ability::AddMembers,
            Ability::ListPeople,
        ]);
        can.extend([Ability::ListDepartments, Ability::ButtonsInChat]);
    }
    if build.settings.bool("sees_all") == Some(true) {
        sees.push(SeeClass::V1);
        sees.push(SeeClass::V6);
    }
    Ok(Arc::new(Fake {
        app: build.app,
        capabilities: Capabilities {
            kind: if build.kind == "fake" { "fake" } else { "fake_private" },
            sees: sees.into_iter().collect(),
            can: can.into_iter().collect(),
            limits: Limits {
                text_bytes: 4_000,
                card_bytes: 4_000,
                buttons: 5,
                members_per_call: 50,
                chat_members: 500,
            },
            rates: Vec::new(),
            remarks: vec![(
                "群里只能收到 @ 机器人的消息。",
                "In groups it gets only messages that mention it.",
            )],
        },
    }))
}

/// `fake` can do much, `fake_private` can only write to people.
pub(crate) const PLATFORMS: [PlatformEntry; 1] = [PlatformEntry {
    kinds: &["fake", "fake_private"],
    keys: |_| &KEYS,
    build,
}];

pub(crate) fn environment() -> FixedEnvironment {
    FixedEnvironment::default()
        .variable("APP_SECRET", "canary-of-variable")
        .variable("EMPTY", "")
        .variable("DATABASE_URL", "postgres://hutong:canary-of-database@db/hutong")
        .file("/run/secret", "canary-of-file\n")
        .file("/run/empty", "\n")
        .file(
            "holidays.toml",
            "schema = 1\nregion = \"CN\"\ntimezone = \"Asia/Shanghai\"\n",
        )
        .file(
            "broken.toml",
            "schema = 2\nregion = \"CN\"\ntimezone = \"Asia/Shanghai\"\n",
        )
        // 2026-11-24 12:00 in Shanghai.
        .clock(ManualClock::at(Timestamp::from_secs(1_795_492_800)))
}

pub(crate) fn read(text: &str) -> Result<Checked, Problems> {
    load(text, "hutong.toml", &environment(), &PLATFORMS)
}

/// One app that is in order; tests add to it.
pub(crate) const APP: &str = r#"
[[app]]
id = "fs"
platform = "fake"
app_id = "cli_1"
app_secret = { env = "APP_SECRET" }
encrypt_key = { file = "/run/secret" }
"#;

/// The sample with every block switched on, with the apps of the fake platform in place of those
/// of the real ones.
pub(super) fn full_sample() -> String {
    let mut out = APP.replace("\"fs\"", "\"feishu\"");
    let mut skip = false;
    for line in super::builtin::sample().lines() {
        if line.starts_with('[') {
            skip = line == "[[app]]";
        }
        if !skip {
            out.push_str(line);
            out.push('\n');
        }
    }
    // The one app of these tests stands in for those that the example links.
    out.replace("wecom-aibot:", "feishu:").replace("\"wecom:", "\"feishu:")
}
