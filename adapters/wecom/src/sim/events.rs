//! Callbacks: the address check, and encrypted events to apps (XML) and AI bots (JSON).

use hutong_model::Timestamp;
use hutong_simkit::ladder::{Attempt, CallbackRequest, Outgoing};
use hutong_simkit::{Done, SimError};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Core;
use super::reply::Context;
use super::seal::{Seal, cdata, percent};
use super::state::{App, Kind};

impl Core {
    pub(super) fn seal(&self, app: &App) -> Option<Seal> {
        let receive_id = if app.kind == Kind::Aibot { "" } else { &self.corp_id };
        Seal::new(&app.token, &app.aes_key, receive_id)
    }

    /// Saving the callback address: the platform asks it to decrypt a number, and expects the number
    /// and nothing else.
    pub(super) async fn save_hook(&self, app: &str, url: &str) -> Result<(), SimError> {
        let found = self.state().app(app).cloned();
        let app = found.ok_or_else(|| SimError::NotFound(format!("app {app}")))?;
        if app.kind == Kind::Aibot && url.is_empty() {
            return self.use_links(&app.id);
        }
        if app.kind == Kind::Webhook {
            return Err(SimError::Refused("a group robot has no callbacks".into()));
        }
        let seal = self
            .seal(&app)
            .ok_or_else(|| SimError::Refused("no callback key".into()))?;
        let number = format!("{}", u64::from_be_bytes(first(&self.draw("echo"))) >> 1);
        let at = self.clock.now();
        let (nonce, random) = fresh(&app.id, at, 0, &number);
        let echo = seal.encrypt(&number, random);
        let timestamp = at.secs().to_string();
        let signature = seal.signature(&timestamp, &nonce, &echo);
        let check = Outgoing {
            post: false,
            url: format!(
                "{url}?msg_signature={signature}&timestamp={timestamp}&nonce={nonce}&echostr={}",
                percent(&echo)
            ),
            headers: vec![],
            body: vec![],
        };
        let answer = self.callbacks.send(&check).await.map_err(SimError::Callback)?;
        if answer.status != 200 || answer.body != number.as_bytes() {
            return Err(SimError::Callback(format!(
                "the address check was answered with status {} and another text",
                answer.status
            )));
        }
        let mut state = self.state();
        if let Some(held) = state.apps.iter_mut().find(|a| a.id == app.id) {
            held.hook = Some(url.to_owned());
        }
        drop(state);
        // One mode at a time: the other one is off from now on.
        self.links.end(&app.id);
        Ok(())
    }

    fn request(&self, app: &App, label: &str, message: String) -> Option<CallbackRequest> {
        let url = app.hook.clone()?;
        let seal = self.seal(app)?;
        let app = app.clone();
        let corp = self.corp_id.clone();
        let named = label.to_owned();
        Some(CallbackRequest::new(label, move |attempt: Attempt| {
            let (nonce, random) = fresh(&named, attempt.at, attempt.number, &message);
            let encrypt = seal.encrypt(&message, random);
            let timestamp = attempt.at.secs().to_string();
            let signature = seal.signature(&timestamp, &nonce, &encrypt);
            let url = format!("{url}?msg_signature={signature}&timestamp={timestamp}&nonce={nonce}");
            if app.kind == Kind::Aibot {
                let body = serde_json::json!({"encrypt": encrypt}).to_string();
                return Outgoing::post_json(url, body);
            }
            // The order of the elements is not fixed.
            let mut parts = [
                format!("<ToUserName>{}</ToUserName>", cdata(&corp)),
                format!("<AgentID>{}</AgentID>", cdata(&app.agent_id.to_string())),
                format!("<Encrypt>{}</Encrypt>", cdata(&encrypt)),
            ];
            parts.rotate_left(usize::from(random[0]) % 3);
            Outgoing {
                post: true,
                url,
                headers: vec![("content-type".into(), "text/xml".into())],
                body: format!("<xml>{}</xml>", parts.concat()).into_bytes(),
            }
        }))
    }

    async fn send(&self, app: &App, request: Option<CallbackRequest>, context: Context, done: &mut Done) {
        // An app without a saved address gets nothing.
        let Some(request) = request else { return };
        let delivered = self.callbacks.deliver(request).await;
        delivered.add_to(done);
        if let Ok(answer) = delivered.result
            && !answer.body.is_empty()
            && answer.body != b"success"
        {
            self.passive(app, context, &answer.body).await;
        }
    }

    /// An event of an app; `fields` are the elements between the common head and the agent.
    pub(super) async fn app_event(
        &self,
        app: &App,
        from: &str,
        label: &str,
        fields: &str,
        context: Context,
        done: &mut Done,
    ) {
        let message = format!(
            "<xml><ToUserName>{}</ToUserName><FromUserName>{}</FromUserName><CreateTime>{}</CreateTime>{fields}<AgentID>{}</AgentID></xml>",
            cdata(&self.corp_id),
            cdata(from),
            self.clock.now().secs(),
            app.agent_id,
        );
        let request = self.request(app, label, message);
        self.send(app, request, context, done).await;
    }

    /// A callback of an AI bot. Card clicks are sent once.
    pub(super) async fn bot_event(
        &self,
        app: &App,
        label: &str,
        body: &Value,
        once: bool,
        context: Context,
        done: &mut Done,
    ) {
        if let Some(request) = self.over_link(app, label, body, &context) {
            self.callbacks.deliver(request).await.add_to(done);
            return;
        }
        let request = self
            .request(app, label, body.to_string())
            .map(|r| if once { r.once() } else { r });
        self.send(app, request, context, done).await;
    }

    /// Asks an AI bot for the next state of its stream; its answer, when there is one.
    pub(super) async fn refresh(&self, app: &App, body: &Value) -> Option<Vec<u8>> {
        let request = self.request(app, "stream refresh", body.to_string())?;
        let answer = self.callbacks.deliver(request).await.result.ok()?;
        Some(answer.body).filter(|b| !b.is_empty())
    }
}

/// Nonce and random bytes of one attempt: different for every attempt, the same in every run.
fn fresh(label: &str, at: Timestamp, number: u32, message: &str) -> (String, [u8; 16]) {
    let digest = Sha256::digest(format!("{label}|{at}|{number}|{message}").as_bytes());
    let mut random = [0; 16];
    random.copy_from_slice(&digest[..16]);
    let nonce = u32::from_be_bytes([digest[16], digest[17], digest[18], digest[19]]);
    (nonce.to_string(), random)
}

fn first(bytes: &[u8; 32]) -> [u8; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[..8]);
    out
}
