//! A listener that knows nothing of the platform: it keeps what it gets and answers with the published
//! body of the call. The adapter in front of it has every setting.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hutong_model::{
    Action, Adapter, AppId, Build, CompanyId, ManualClock, Outcome, Receipt, Secret, SettingValue, Settings, Timestamp,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub type Answers = HashMap<String, Value>;

async fn connection(mut stream: TcpStream, answers: Arc<Answers>, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(n) => buffer.extend_from_slice(&chunk[..n]),
            }
        };
        let text = String::from_utf8(buffer[..head].to_vec()).unwrap();
        let mut lines = text.split("\r\n");
        let mut first = lines.next().unwrap().split(' ');
        let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
        let headers: HashMap<String, String> = lines
            .filter_map(|l| l.split_once(": "))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
            .collect();
        let length: usize = headers.get("content-length").map_or(0, |v| v.parse().unwrap());
        while buffer.len() < head + 4 + length {
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(n) => buffer.extend_from_slice(&chunk[..n]),
            }
        }
        let body = buffer[head + 4..head + 4 + length].to_vec();
        buffer.drain(..head + 4 + length);
        let got = Seen {
            method,
            target,
            headers,
            body,
        };
        let answer = answers
            .get(got.path())
            .cloned()
            .unwrap_or_else(|| json!({"errcode": 404}));
        seen.lock().unwrap().push(got);
        let answer = answer.to_string();
        let out = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        if stream.write_all(out.as_bytes()).await.is_err() {
            return;
        }
    }
}

pub struct Bench {
    pub adapter: Arc<dyn Adapter>,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    pub base: String,
}

pub fn published() -> (Value, Value) {
    let new = serde_json::from_str(include_str!("../vectors/rest_requests.json")).unwrap();
    let old = serde_json::from_str(include_str!("../vectors/rest_oapi.json")).unwrap();
    (new, old)
}

pub fn find<'v>(all: &'v Value, id: &str) -> &'v Value {
    let calls = all["calls"].as_array().unwrap();
    calls
        .iter()
        .find(|c| c["id"] == id)
        .unwrap_or_else(|| panic!("no vector {id}"))
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(|settings| settings, |_| {}).await
    }

    /// With other settings, and other answers by path.
    pub async fn with(change: impl FnOnce(Settings) -> Settings, answer: impl FnOnce(&mut Answers)) -> Self {
        let (new, old) = published();
        let mut answers = Answers::new();
        for call in new["calls"].as_array().unwrap() {
            let answer = call["documented_sample"]["response_body"].clone();
            answers.insert(call["path_template"].as_str().unwrap().to_owned(), answer);
        }
        let more = answers.get_mut("/v1.0/robot/groupMessages/query").unwrap();
        // The page's sample says that there is more, for ever.
        more["hasMore"] = false.into();
        for call in old["calls"].as_array().unwrap() {
            let path = call["request_target"].as_str().unwrap().split('?').next().unwrap();
            answers.insert(path.to_owned(), call["response_body"].clone());
        }
        answers.insert(
            "/v1.0/calendar/users/unionExample00001/calendars/primary/events".into(),
            new["calendar_create_documented_response"].clone(),
        );
        answers.insert("/robot/sendBySession".into(), json!({"errcode": 0, "errmsg": "ok"}));
        answer(&mut answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (answers, kept) = (Arc::new(answers), seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, answers.clone(), kept.clone()));
            }
        });
        let text = |t: &str| SettingValue::Text(t.into());
        let secret = |t: &str| SettingValue::Secret(Secret::new(t));
        let settings = Settings::default()
            .with("base_url", text(&base))
            .with("oapi_url", text(&base))
            .with("client_id", text("dingexampleappkey00"))
            .with("client_secret", secret("exampleAppSecret"))
            .with("corp_id", text("ding9f50b15b000016741"))
            .with("event_token", secret("sim0Token32"))
            .with("event_aes_key", secret("RGYqfvJbsU2O623xNI2SBVvDfka0fHcqWar44Bb6EbQ"))
            .with("card_template_id", text("tmpl-0001.schema"))
            .with("card_secret", secret("mySecret"))
            .with("callback_url", text("https://bot.example.com/hook/dt"))
            .with("group_template_id", text("tmpl-0001"))
            .with("cool_app_code", text("COOLAPP-1-X"))
            .with("calendar_user", text("manager1234"));
        let adapter = (hutong_dingtalk::ENTRY.build)(Build {
            app: AppId::new("dt").unwrap(),
            company: CompanyId::new("c").unwrap(),
            kind: "dingtalk".into(),
            settings: change(settings),
            clock: Arc::new(ManualClock::at(Timestamp(1_751_600_000_000))),
        })
        .unwrap_or_else(|p| panic!("{p:?}"));
        Self { adapter, seen, base }
    }

    pub async fn sent(&self, action: &Action) -> (Receipt, Vec<Seen>) {
        self.seen.lock().unwrap().clear();
        let mut receipt = Receipt::default();
        for prepared in self.adapter.prepare(action).unwrap() {
            match self
                .adapter
                .deliver(&prepared, "0123456789abcdef0123456789abcdef")
                .await
            {
                Outcome::Sent(got) => receipt = got,
                other => panic!("{other:?}"),
            }
        }
        (receipt, self.taken())
    }

    /// Everything that was sent since the last look, without the token.
    pub fn taken(&self) -> Vec<Seen> {
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap());
        seen.retain(|s| s.path() != "/v1.0/oauth2/accessToken");
        seen
    }
}
