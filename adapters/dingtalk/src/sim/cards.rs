//! Interactive cards: made, delivered, changed, and where their callbacks go (6.4).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::api_new::{Answer, Body, Ctx, Refusal, no};
use super::state::{Card, Content, Route};

const MAKE: [&str; 9] = [
    "cardTemplateId",
    "outTrackId",
    "callbackType",
    "callbackRouteKey",
    "cardData",
    "privateData",
    "cardAtUserIds",
    "imGroupOpenSpaceModel",
    "imRobotOpenSpaceModel",
];
const DELIVER: [&str; 4] = [
    "openSpaceId",
    "imGroupOpenDeliverModel",
    "imRobotOpenDeliverModel",
    "userIdType",
];

/// One delivery as the platform reports it.
fn delivered(space: &str, id: &str, carrier: Result<&str, &str>) -> Value {
    json!({
        "spaceType": space, "spaceId": id, "success": carrier.is_ok(),
        "carrierId": carrier.unwrap_or_default(), "errorMsg": carrier.err().unwrap_or_default(),
    })
}

impl Ctx<'_> {
    pub(super) fn create_card(&mut self, body: &Value) -> Answer {
        let allowed: Vec<&str> = MAKE.iter().chain(&DELIVER).copied().collect();
        let body = Body::of(body, &allowed, "param.invalid")?;
        let (track, card) = self.new_card(&body)?;
        let result = self.place(&body, &track, Some(card))?;
        Ok(json!({ "success": true, "result": { "outTrackId": track, "deliverResults": [result] } }))
    }

    /// Makes a card that nobody sees yet.
    pub(super) fn card(&mut self, body: &Value) -> Answer {
        let allowed: Vec<&str> = MAKE.iter().copied().chain(["userIdType"]).collect();
        let body = Body::of(body, &allowed, "param.invalid")?;
        let (track, card) = self.new_card(&body)?;
        self.state.cards.insert(track.clone(), card);
        Ok(json!({ "success": true, "result": track }))
    }

    /// Here `result` is the list itself.
    pub(super) fn deliver_card(&mut self, body: &Value) -> Answer {
        let allowed: Vec<&str> = DELIVER.iter().copied().chain(["outTrackId"]).collect();
        let body = Body::of(body, &allowed, "param.empty")?;
        let track = body.text("outTrackId", "param.outTrackIdEmpty")?.to_owned();
        if self.state.cards.get(&track).is_none_or(|c| c.app != self.app) {
            return Err(no("param.cardNotExist", track));
        }
        let result = self.place(&body, &track, None)?;
        Ok(json!({ "success": true, "result": [result] }))
    }

    fn new_card(&self, body: &Body<'_>) -> Result<(String, Card), Refusal> {
        let track = body.text("outTrackId", "param.outTrackIdEmpty")?.to_owned();
        let template = body.text("cardTemplateId", "param.cardTemplateIdEmpty")?;
        let known = self
            .state
            .app(&self.app)
            .and_then(|a| a.spec.card_template_id.as_deref());
        if known != Some(template) {
            return Err(no("param.templateNotExist", template));
        }
        if self.state.cards.contains_key(&track) {
            // What a careful client asks after an answer that was lost: no complaint.
            return Err(Refusal {
                quiet: true,
                ..no("param.cardAlreadyExist", track)
            });
        }
        let stream = body.optional("callbackType") == Some("STREAM");
        let route = match body.optional("callbackRouteKey") {
            None if stream => String::new(),
            _ => body.text("callbackRouteKey", "param.invalid")?.to_owned(),
        };
        let registered = self.state.routes.contains_key(&(self.app.clone(), route.clone()));
        if !stream && (body.optional("callbackType") != Some("HTTP") || !registered) {
            return Err(no("param.invalid", format!("callbackRouteKey {route} 未注册")));
        }
        let card = Card {
            app: self.app.clone(),
            chat: String::new(),
            route,
            stream,
            params: params(body.0.get("cardData"), "param.cardPublicDataEmpty")?,
            private: BTreeMap::new(),
            at: Vec::new(),
        };
        Ok((track, card))
    }

    /// Shows a card in one space; `fresh` is set when it was made by the same call.
    fn place(&mut self, body: &Body<'_>, track: &str, fresh: Option<Card>) -> Result<Value, Refusal> {
        let space = body.text("openSpaceId", "param.openSpaceIdEmpty")?;
        // Upper case in the SDK, lower case on the page.
        let (kind, id) = space
            .strip_prefix("dtv1.card//")
            .and_then(|s| s.split_once('.'))
            .ok_or_else(|| no("param.openSpaceIdInvalid", space))?;
        let group = kind.eq_ignore_ascii_case("im_group");
        let (space_model, deliver) = match group {
            true => ("imGroupOpenSpaceModel", "imGroupOpenDeliverModel"),
            false if kind.eq_ignore_ascii_case("im_robot") => ("imRobotOpenSpaceModel", "imRobotOpenDeliverModel"),
            false => return Err(no("param.openSpaceIdInvalid", space)),
        };
        if fresh.is_some() && !body.0.get(space_model).is_some_and(Value::is_object) {
            return Err(no("param.openSpaceModelInvalid", space_model));
        }
        let deliver: &Map<String, Value> = body
            .0
            .get(deliver)
            .and_then(Value::as_object)
            .ok_or_else(|| no("param.openDeliverModelEmpty", deliver))?;
        let robot = self.state.app(&self.app).map(|a| a.spec.robot_code.as_str());
        let named = deliver.get("robotCode").and_then(Value::as_str);
        // The platform's own client leaves it out in a private chat; then the app's robot is meant.
        if named != robot && (group || named.is_some()) {
            return Err(no("param.openDeliverModelError", "robotCode"));
        }
        let chat = if group {
            if let Err(refusal) = self.group(id) {
                self.core.complain(format!("card: {} {}", refusal.code, refusal.text));
                return Ok(delivered(kind, id, Err(&refusal.code)));
            }
            id.to_owned()
        } else {
            if deliver.get("spaceType").and_then(Value::as_str) != Some("IM_ROBOT") {
                return Err(no("param.openDeliverModelError", "spaceType"));
            }
            if !self.state.active(id) {
                self.core.complain(format!("card: {id} is nobody"));
                return Ok(delivered(kind, id, Err("param.userIdNotExist")));
            }
            self.state.direct(id, &self.app)
        };
        let at = deliver
            .get("atUserIds")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(id, name)| Some((id.clone(), name.as_str()?.to_owned())))
            .collect();
        if let Some(card) = fresh {
            self.state.cards.insert(track.to_owned(), card);
        }
        if let Some(card) = self.state.cards.get_mut(track) {
            card.chat = chat.clone();
            card.at = at;
        }
        let id_shown = self
            .state
            .post(&chat, self.now, &self.app, true, Content::Card(track.to_owned()));
        let carrier = self.state.with_query(&[id_shown]);
        Ok(delivered(kind, id, Ok(&carrier)))
    }

    pub(super) fn update_card(&mut self, body: &Value) -> Answer {
        let allowed = [
            "outTrackId",
            "cardData",
            "privateData",
            "cardUpdateOptions",
            "userIdType",
        ];
        let body = Body::of(body, &allowed, "param.invalid")?;
        let track = body.text("outTrackId", "param.outTrackIdEmpty")?;
        let by_key = |key: &str| {
            let options = body.0.get("cardUpdateOptions");
            options.and_then(|o| o.get(key)).and_then(Value::as_bool) == Some(true)
        };
        let public = body
            .0
            .get("cardData")
            .map(|d| params(Some(d), "param.cardDataAndPrivateDataBothEmpty"))
            .transpose()?;
        let mut private = BTreeMap::new();
        for (user, data) in body
            .0
            .get("privateData")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            private.insert(user.clone(), params(Some(data), "param.invalid")?);
        }
        if public.is_none() && private.is_empty() {
            return Err(no("param.cardDataAndPrivateDataBothEmpty", track));
        }
        if let Some(user) = private.keys().find(|u| !self.state.active(u)) {
            return Err(no("param.userIdNotExist", user.clone()));
        }
        let app = self.app.clone();
        let card = self.state.cards.get_mut(track).filter(|c| c.app == app);
        let card = card.ok_or_else(|| no("param.cardNotExist", track))?;
        if let Some(public) = public {
            // Without the option everything that is not named vanishes.
            if !by_key("updateCardDataByKey") {
                card.params.clear();
            }
            card.params.extend(public);
        }
        for (user, data) in private {
            let view = card.private.entry(user).or_default();
            if !by_key("updatePrivateDataByKey") {
                view.clear();
            }
            view.extend(data);
        }
        let chat = card.chat.clone();
        let content = Content::Card(track.to_owned());
        let shown = self
            .state
            .chat_mut(&chat)
            .and_then(|c| c.messages.iter_mut().rev().find(|m| m.content == content));
        if let Some(message) = shown {
            message.edited = true;
        }
        Ok(json!({ "success": true, "result": true }))
    }

    pub(super) fn register(&mut self, body: &Value) -> Answer {
        let allowed = ["callbackRouteKey", "callbackUrl", "apiSecret", "forceUpdate"];
        let body = Body::of(body, &allowed, "param.empty")?;
        let key = body.text("callbackRouteKey", "param.callbackRouteKeyEmpty")?;
        let url = body.text("callbackUrl", "param.callbackUrlEmpty")?;
        let secret = body.optional("apiSecret").map(str::to_owned);
        let place = (self.app.clone(), key.to_owned());
        if self.state.routes.contains_key(&place) && body.0.get("forceUpdate") != Some(&Value::Bool(true)) {
            return Err(Refusal {
                status: 500,
                ..no("param.callbackRouteKeyExist", key)
            });
        }
        let answer = json!({ "success": true, "result": { "callbackUrl": url, "apiSecret": secret } });
        self.state.routes.insert(
            place,
            Route {
                url: url.to_owned(),
                secret,
            },
        );
        Ok(answer)
    }
}

/// `{cardParamMap}` with texts only: keys up to 100 bytes, values up to 1 KB, or 4 KB for an object
/// (the platform's own example of a form has more than 1 KB).
fn params(data: Option<&Value>, code: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let map = data.and_then(|d| d.get("cardParamMap")).and_then(Value::as_object);
    let map = map.ok_or_else(|| no(code, "cardParamMap"))?;
    let mut out = BTreeMap::new();
    for (key, value) in map {
        let Some(text) = value.as_str() else {
            return Err(no("param.invalid", format!("{key} 必须是字符串")));
        };
        let object = text.starts_with('{') && serde_json::from_str::<Map<String, Value>>(text).is_ok();
        if key.len() > 100 || text.len() > if object { 4096 } else { 1024 } {
            return Err(no("param.invalid", format!("{key} 太长：{} 字节", text.len())));
        }
        out.insert(key.clone(), text.to_owned());
    }
    Ok(out)
}
