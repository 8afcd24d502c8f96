//! Plans that somebody asks for on the command line. They come in through the inbox and are carried
//! out for that person, with that person's rights, like `/建群 执行` typed in a chat.

use std::time::Duration;

use hutong_model::{AppId, Body, CompanyId, Timestamp};

use super::store::{self, Order};
use super::{Groups, require, rule_company};
use crate::access::store::audit;
use crate::commands::Asker;
use crate::directory::{Directory, PersonId};
use crate::ids::short_hash;
use crate::rules::{Ctx, RuleError};
use crate::store::{StoreError, Tx};
use crate::text::Lang;
use crate::text::groups::Say;

/// The tick that carries an order: the prefix of its schedule, before the order's id.
pub const TICK: &str = "groups:order:";
/// Nobody waits for an older order any more.
const VALID: Duration = Duration::from_secs(15 * 60);

/// Leaves an order in the inbox. Returns its id, by which [`answer`] finds what became of it.
pub async fn place(
    tx: &mut Tx,
    rule: &str,
    code: &str,
    person: &PersonId,
    now: Timestamp,
) -> Result<String, StoreError> {
    let id = short_hash(&["order", rule, code, person.as_str(), &now.millis().to_string()], 20);
    let order = Order {
        id: id.clone(),
        rule: rule.to_owned(),
        code: code.to_owned(),
        person: person.clone(),
        at: now,
        state: "waiting".to_owned(),
        answer: String::new(),
    };
    if !store::put_order(tx, &order).await? {
        return Ok(id);
    }
    let own = AppId::new("hutong").map_err(|e| StoreError::Broken(e.to_string()))?;
    let body = Body::Tick {
        schedule: format!("{TICK}{id}"),
        slot: now,
        local: String::new(),
    };
    crate::inbox::accept::insert_own(tx, &own, format!("order:{id}"), format!("order:{rule}"), &body, now).await?;
    Ok(id)
}

/// State and answer of an order.
pub async fn answer(tx: &mut Tx, id: &str) -> Result<Option<(String, String)>, StoreError> {
    Ok(store::order(tx, id).await?.map(|o| (o.state, o.answer)))
}

/// The person with this employee number.
pub async fn person(tx: &mut Tx, company: &CompanyId, employee_no: &str) -> Result<Option<PersonId>, StoreError> {
    Directory::new(tx).person_numbered(company, employee_no).await
}

/// The service's side: an order has come in.
pub(super) async fn carry_out(groups: &Groups, ctx: &mut Ctx, id: &str) -> Result<(), RuleError> {
    let Some(order) = store::order(ctx.tx(), id).await?.filter(|o| o.state == "waiting") else {
        return Ok(());
    };
    let mark = ctx.effects_mark();
    let (state, answer) = match apply(groups, ctx, &order).await {
        Ok(()) => {
            let said = ctx.effects_since(mark).iter().rev().find(|e| e.interactive);
            ("done", said.map(|e| e.summary.clone()).unwrap_or_default())
        }
        // What was refused has left nothing but perhaps a request for approval, which expires.
        Err(RuleError::Refuse(message)) => {
            ctx.effects_truncate(mark);
            ("refused", message.plain())
        }
        Err(error) => return Err(error),
    };
    Ok(store::answer_order(ctx.tx(), id, state, &answer).await?)
}

async fn apply(groups: &Groups, ctx: &mut Ctx, order: &Order) -> Result<(), RuleError> {
    let lang = ctx.env().lang;
    if ctx.now().since(order.at) > VALID {
        return Err(super::refuse(&Say::OrderOld, lang));
    }
    let rule = groups.named(&order.rule, lang)?;
    let company = rule_company(ctx, rule)?;
    let person = ctx.directory().person(&order.person).await?;
    let Some(person) = person.filter(|p| p.active && p.company == company) else {
        return Err(super::refuse(&Say::NotYours, lang));
    };
    require(ctx, rule, &person.id, lang).await?;
    let platform = ctx.platform(&rule.app);
    let user = match platform {
        Some(platform) => ctx.directory().identity_on(&person.id, platform).await?,
        None => None,
    };
    let Some(user) = user else {
        return Err(super::refuse(&Say::OrderNoAccount(person.name), lang));
    };
    let now = ctx.now();
    let detail = serde_json::json!({ "by": "command line", "plan": order.code });
    audit(ctx.tx(), now, person.id.as_str(), "groups.order", &rule.id, &detail).await?;
    let asker = Asker {
        lang: person.language.as_deref().and_then(Lang::parse).unwrap_or(lang),
        person,
        app: rule.app.clone(),
        user,
        chat: None,
        message: None,
        reply_context: None,
    };
    groups.apply(ctx, rule, &asker, &order.code).await
}
