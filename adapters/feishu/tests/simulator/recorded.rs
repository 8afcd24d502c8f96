//! The requests that the platform's own client makes, byte for byte but for the ids, are accepted.

use std::collections::HashMap;
use std::time::Duration;

use hutong_model::{Action, Adapter as _, CalendarEntry, Message};
use hutong_simkit::Simulator as _;
use serde_json::Value;

use crate::stage::*;

/// Calls that this simulator does not have, or whose bodies are not one text.
const LEFT_OUT: [&str; 7] = [
    "resource_get",
    "ws_connection_count",
    "event_outbound_ip",
    "announcement_get",
    "card_delayed_update",
    "image_upload",
    "file_upload",
];

#[tokio::test]
async fn the_official_client_is_understood() {
    let stage = stage().await;
    let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(3)).unwrap();
    let base = stage.sim.base_url();
    let vectors: Value = serde_json::from_str(include_str!("../vectors/rest_requests.json")).unwrap();
    let token: Value = serde_json::from_str(include_str!("../vectors/token.json")).unwrap();

    // The token call carries no content type.
    let settings = stage.sim.apps().remove(0).settings;
    let request = &token["tenant_access_token_internal"];
    let body = request["body_exact"]
        .as_str()
        .unwrap()
        .replace("cli_a1b2c3d4e5f60718", settings.text("app_id").unwrap())
        .replace("fake-app-secret-0001", settings.secret("app_secret").unwrap().expose());
    let url = format!("{base}{}", request["path"].as_str().unwrap());
    let answer: Value = client.post(url).body(body).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["code"], 0);
    let token = answer["tenant_access_token"].as_str().unwrap().to_owned();

    // Made by the bot, which may therefore manage and dissolve it.
    let create = Action::CreateChat {
        name: "研发一部".into(),
        owner: user("u000"),
        members: vec![user("u001"), user("u002")],
        description: None,
    };
    let chat = stage.sent(create).await.chat.unwrap();
    let asked = stage.say("u001", &chat, "你好").await.message.unwrap();
    let text = stage.send(&chat, Message::text("在")).await;
    let card = stage.send(&chat, Message::card("公告").line("x")).await;
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let upload = |name: &str, kind: &str| Action::Upload {
        name: name.into(),
        media_type: kind.into(),
        data: png.into(),
    };
    let image = stage.sent(upload("a.png", "image/png")).await.handle.unwrap();
    let file = stage.sent(upload("a.pdf", "application/pdf")).await.handle.unwrap();
    let entry = CalendarEntry {
        title: "x".into(),
        description: String::new(),
        from: START,
        to: START,
        attendees: vec![user("u001")],
    };
    let event = stage.sent(Action::Calendar { entry }).await.handle.unwrap();
    let open = |id: &'static str| {
        let adapter = stage.bot().adapter.clone();
        async move {
            let person = adapter.person(&user(id)).await.unwrap().unwrap();
            person
                .aliases
                .iter()
                .find(|a| a.as_str().starts_with("ou_"))
                .unwrap()
                .as_str()
                .to_owned()
        }
    };
    let departments = stage.bot().adapter.departments(None).await.unwrap().items;
    let mut ids: HashMap<&str, String> = HashMap::from([
        ("t-g1044ghJRUIJJ5ELPFZLZ4PYOKDCW6QEXAMPLE0", token),
        ("ou_9f9d51bc70ef21ca5c14f307980a29d8", open("u001").await),
        ("ou_6384e2b2184bcbf58eccf10ca7a6563c", open("u002").await),
        ("oc_39927562fa25da07df6771450e18c70e", chat.as_str().to_owned()),
        ("om_x10083f1535f99ab0bf4e9d02dfd85d3e", asked),
        ("img_v3_02ab_11112222-3333-4444-5555-66667777888g", image),
        ("file_v3_00ab_aaaabbbb-cccc-dddd-eeee-ffff0000111g", file),
        (
            "od-4e6ac4d14bcd5071a37a39de902c7141",
            departments[1].id.as_str().to_owned(),
        ),
        ("feishu.cn_EXAMPLE", format!("feishu.cn_{}", stage.bot().id)),
        ("00592a0e-7edf-4678-bc9d-1b77383ef08e_0", event),
    ]);
    let (text, card) = (text.as_str().to_owned(), card.as_str().to_owned());
    let mut cases: Vec<&Value> = vectors["cases"].as_array().unwrap().iter().collect();
    // What ends a thing comes last.
    cases.sort_by_key(|c| match c["name"].as_str().unwrap() {
        "message_recall" => 1,
        "chat_disband" => 2,
        _ => 0,
    });
    let mut made = 0;
    for case in cases {
        let name = case["name"].as_str().unwrap();
        if LEFT_OUT.contains(&name) {
            continue;
        }
        // Every request is another message, whatever its key says.
        let key = fresh_key();
        ids.insert("a0d69e20-1dd1-458b-k525-dfeca4015204", key);
        let bots = if name.starts_with("card_") { &card } else { &text };
        ids.insert("om_x100a0b1c2d3e4f5060718293a4b5c6d7", bots.clone());
        let real = |text: &str| {
            ids.iter()
                .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
        };
        let method = case["method"].as_str().unwrap().parse().unwrap();
        let mut request = client.request(method, format!("{base}{}", real(case["path"].as_str().unwrap())));
        for (header, value) in case["headers"].as_object().unwrap() {
            request = request.header(header, real(value.as_str().unwrap()));
        }
        if let Some(body) = case["body_exact"].as_str() {
            request = request.body(real(body));
        }
        stage.clock.advance(Duration::from_secs(1));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["code"], 0, "{name}: {answer}");
        // The answer has the members that the record has.
        for (part, members) in [("", &case["response"]), ("data", &case["response"]["data"])] {
            let ours = if part.is_empty() { &answer } else { &answer[part] };
            for member in members.as_object().into_iter().flatten().map(|(k, _)| k) {
                let optional = [
                    "page_token",
                    "user_manager_id_list",
                    "bot_manager_id_list",
                    "i18n_names",
                ];
                let settings = name.starts_with("chat_") && ours.get(member).is_none();
                assert!(
                    ours.get(member).is_some() || optional.contains(&member.as_str()) || settings,
                    "{name}: no {member} in {ours}"
                );
            }
        }
        if name == "reaction_add" {
            let id = answer["data"]["reaction_id"].as_str().unwrap().to_owned();
            ids.insert("ZCaCIjUBVVWSrm5L-3ZTwEXAMPLE", id);
        }
        made += 1;
    }
    assert!(made >= 36, "{made}");
    stage.no_complaints();
}
