//! `/群 规则 查看`: how a rule and its groups stand, and what a platform did not take.

use hutong_model::Message;

use super::config::GroupRule;
use super::plan::Claim;
use super::{some_names, store};
use crate::commands::{AnswerPlace, Asker};
use crate::rules::{Ctx, RuleError};
use crate::text::groups::Say;

/// Lines of groups in the answer.
const GROUPS_SHOWN: usize = 6;

/// Answers it.
pub(super) async fn show(ctx: &mut Ctx, rule: &GroupRule, asker: &Asker) -> Result<(), RuleError> {
    let lang = asker.lang;
    let chats = store::chats(ctx.tx(), &rule.id).await?;
    let claims = store::claims(ctx.tx(), &rule.id).await?;
    let state = if store::paused(ctx.tx(), &rule.id).await? {
        Say::RulePaused
    } else {
        Say::RuleRunning { auto: rule.auto }
    };
    let mut lines = vec![state.in_lang(lang)];
    if chats.is_empty() {
        lines.push(Say::RuleNoGroups.in_lang(lang));
    }
    for chat in chats.iter().take(GROUPS_SHOWN) {
        let members = match &chat.chat {
            Some(id) => ctx.directory().members(&chat.app, id).await?.len(),
            None => 0,
        };
        let adding = claims
            .iter()
            .filter(|c| c.department == chat.department && c.claim == Claim::Adding)
            .count();
        let say = Say::RuleGroup {
            name: chat.name.clone(),
            state: chat.state.clone(),
            members,
            adding,
        };
        let mut line = say.in_lang(lang);
        if !chat.detail.is_empty() {
            line.push_str(&format!(" ({})", Say::Detail(chat.detail.clone()).in_lang(lang)));
        }
        lines.push(line);
    }
    if chats.len() > GROUPS_SHOWN {
        lines.push(Say::RuleMore(chats.len() - GROUPS_SHOWN).in_lang(lang));
    }
    let failed: Vec<String> = claims
        .iter()
        .filter(|c| c.claim == Claim::Failed || (c.claim == Claim::In && !c.detail.is_empty()))
        .map(|c| format!("{}({})", c.name, Say::Detail(c.detail.clone()).in_lang(lang)))
        .collect();
    if !failed.is_empty() {
        let say = Say::RuleFailed {
            count: failed.len(),
            people: some_names(failed.iter().map(String::as_str)),
        };
        lines.push(say.in_lang(lang));
    }
    let grace: Vec<String> = claims
        .iter()
        .filter(|c| c.claim == Claim::Grace)
        .map(|c| match c.until {
            Some(day) => format!("{}({})", c.name, day.format("%m-%d")),
            None => c.name.clone(),
        })
        .collect();
    if !grace.is_empty() {
        let say = Say::RuleGrace {
            count: grace.len(),
            people: some_names(grace.iter().map(String::as_str)),
        };
        lines.push(say.in_lang(lang));
    }
    if let Some(at) = store::last_change(ctx.tx(), &rule.id).await? {
        let minutes = i64::try_from(ctx.now().since(at).as_secs() / 60).unwrap_or(i64::MAX);
        lines.push(Say::RuleLastChange { minutes }.in_lang(lang));
    }
    let mut message = Message::card(Say::RuleTitle(rule.id.clone()).in_lang(lang));
    for line in lines {
        message = message.line(line);
    }
    ctx.answer(asker, AnswerPlace::Private, message)
}
