//! Requests equal to the published ones, value by value, up to the order of keys.
//!
//! Every vector of a call that a feature uses is driven with the vector's own ids and texts; then the whole
//! body must be the same. Where our request says something else on purpose, or leaves out what it does not
//! need, the difference is written down here beside the call: nothing else may differ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod bench;

use std::collections::BTreeSet;

use bench::{Bench, Seen, find, published};
use hutong_model::{
    Action, Attachment, AttachmentKind, Button, ButtonStyle, CalendarEntry, ChatId, ChatKind, ChatRef, DepartmentId,
    Inline, Message, MessageId, SettingValue, Settings, Target, Timestamp, UserId,
};
use serde_json::{Value, json};

/// A published body with our differences: `Some` replaces or adds, `None` leaves out.
fn but(body: &Value, differences: &[(&str, Option<Value>)]) -> Value {
    let mut out = body.clone();
    for (pointer, value) in differences {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let map = out.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => {
                map.insert(key.to_owned(), value.clone());
            }
            None => assert!(map.remove(key).is_some(), "{pointer} is not in the vector"),
        }
    }
    out
}

/// Inner JSON is compared as JSON.
fn opened(body: &Value) -> Value {
    let mut out = body.clone();
    if let Some(param) = out.get_mut("msgParam") {
        *param = serde_json::from_str(param.as_str().unwrap()).unwrap();
    }
    out
}

/// The old generation's SDK writes every scalar as text.
fn as_text(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), as_text(v))).collect(),
        Value::Array(list) => list.iter().map(as_text).collect(),
        Value::String(_) | Value::Null => value.clone(),
        other => other.to_string().into(),
    }
}

struct Check {
    new: Value,
    old: Value,
    used: BTreeSet<String>,
}

impl Check {
    fn new() -> Self {
        let (new, old) = published();
        let mut used = BTreeSet::new();
        // Every call is preceded by it; the listener answers it like the rest.
        used.insert("oauth2.accessToken".to_owned());
        Self { new, old, used }
    }

    fn page(&mut self, seen: &Seen, id: &str, differences: &[(&str, Option<Value>)]) {
        let vector = find(&self.new, id);
        assert_eq!(seen.method, vector["method"].as_str().unwrap(), "{id}");
        assert_eq!(seen.path(), vector["path_template"].as_str().unwrap(), "{id}");
        let expected = but(&vector["documented_sample"]["body"], differences);
        assert_eq!(opened(&seen.json()), opened(&expected), "{id}");
        self.used.insert(id.to_owned());
    }

    fn example(&mut self, seen: &Seen, id: &str, differences: &[(&str, Option<Value>)]) {
        let all = self.new["project_examples"].as_array().unwrap();
        let vector = all.iter().find(|c| c["id"] == id).unwrap();
        assert_eq!(seen.method, vector["method"].as_str().unwrap(), "{id}");
        assert_eq!(seen.path(), vector["request_target"].as_str().unwrap(), "{id}");
        let expected = but(&vector["body"], differences);
        assert_eq!(opened(&seen.json()), opened(&expected), "{id}");
    }

    fn oapi(&mut self, seen: &Seen, id: &str, differences: &[(&str, Option<Value>)]) {
        let vector = find(&self.old, id);
        let target = vector["request_target"].as_str().unwrap();
        assert_eq!(seen.method, vector["method"].as_str().unwrap(), "{id}");
        assert_eq!(Some(seen.path()), target.split('?').next(), "{id}");
        assert!(seen.target.contains("?access_token="), "{id}");
        assert_eq!(as_text(&seen.json()), but(&vector["body"], differences), "{id}");
        self.used.insert(id.to_owned());
    }
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn chat(id: &str) -> ChatId {
    ChatId::new(id).unwrap()
}

fn message(id: &str) -> MessageId {
    MessageId::new(id).unwrap()
}

fn send(to: Target, content: Message) -> Action {
    Action::Send { to, content }
}

fn text(t: &str) -> SettingValue {
    SettingValue::Text(t.into())
}

fn plain(settings: Settings) -> Settings {
    settings
        .with("cool_app_code", text(""))
        .with("callback_url", text(""))
        .with("card_route_key", text("sim-route"))
}

async fn robot(code: &str) -> Bench {
    let code = code.to_owned();
    Bench::with(|s| plain(s).with("robot_code", text(&code)), |_| {}).await
}

fn card() -> Message {
    Message::card("公告").buttons(vec![Button {
        label: "收到".into(),
        action: "t".into(),
        style: ButtonStyle::Normal,
    }])
}

async fn robot_calls(check: &mut Check) {
    let example_robot = "dingue4kfzdxbynxxxxxx";
    let group = "cid6KeBBLoveMJOGXoYKF5x7EeiodoA==";
    // With the group app of the page's sample.
    let bench = Bench::with(
        |s| {
            plain(s)
                .with("robot_code", text(example_robot))
                .with("cool_app_code", text("COOLAPP-1-10182EEDD1AC0BA600D9000J"))
        },
        |_| {},
    )
    .await;
    let (_, seen) = bench
        .sent(&send(Target::Chat(chat(group)), Message::text("钉钉，让进步发生")))
        .await;
    check.page(&seen[0], "robot.groupMessages.send", &[]);

    let bench = robot(example_robot).await;
    let (_, seen) = bench
        .sent(&send(Target::Chat(chat(group)), Message::text("你好")))
        .await;
    check.example(&seen[0], "robot.groupMessages.send", &[]);
    // Our own words: the title stands in the text as well, so that every client shows it.
    let words = json!({ "title": "公告", "text": "#### 公告\n\n正文" });
    let (_, seen) = bench
        .sent(&send(
            Target::User(user("manager1234")),
            Message::card("公告").line("正文"),
        ))
        .await;
    let ours = ("/msgParam", Some(words.to_string().into()));
    // One person a call, so that every receipt names one message.
    check.example(
        &seen[0],
        "robot.oToMessages.batchSend",
        &[ours.clone(), ("/userIds", Some(json!(["manager1234"])))],
    );
    check.page(
        &seen[0],
        "robot.oToMessages.batchSend",
        &[ours, ("/robotCode", Some(example_robot.into()))],
    );

    // Pages of readers: the second one carries the cursor of the first.
    let bench = Bench::with(
        |s| plain(s).with("robot_code", text("dingue****yn0pjqd")),
        |answers| {
            let page = answers.get_mut("/v1.0/robot/groupMessages/query").unwrap();
            page["hasMore"] = true.into();
            page["nextToken"] = "50".into();
        },
    )
    .await;
    let readers = Action::Readers {
        message: message("g:cid6KeBBL****5x7EeiodoA==:Kna29Ra5p*****DzgfxZLapw55G7x0Q="),
    };
    let (_, seen) = bench.sent(&readers).await;
    assert!(seen.len() > 1, "it goes on, and it ends");
    // As many at once as the page allows.
    check.page(
        &seen[1],
        "robot.groupMessages.query",
        &[("/maxResults", Some(200.into()))],
    );

    let bench = robot("dingxxxx").await;
    let (_, seen) = bench
        .sent(&Action::Recall {
            message: message("g:cidfCSxxxx:b5fe11095fxxxx"),
        })
        .await;
    check.page(&seen[0], "robot.groupMessages.recall", &[]);
    let bench = robot("dingXXXXXX").await;
    let (_, seen) = bench
        .sent(&Action::Recall {
            message: message("u:user4567:b5fe1xxx"),
        })
        .await;
    check.page(&seen[0], "robot.otoMessages.batchRecall", &[]);
    let bench = robot("dingzxcifuvdfbvegdf").await;
    let (_, seen) = bench
        .sent(&Action::Readers {
            message: message("u:user4567:xxxxxxxxxxxxx"),
        })
        .await;
    let vector = find(&check.new, "robot.oToMessages.readStatus");
    assert_eq!(
        seen[0].target,
        vector["documented_sample"]["request_target"].as_str().unwrap()
    );
    assert!(seen[0].body.is_empty());
    check.used.insert("robot.oToMessages.readStatus".into());

    let bench = robot("dinggtkolxz1u****eqd").await;
    let (receipt, seen) = bench
        .sent(&Action::Urgent {
            message: message("g:cid1:k"),
            users: vec![user("manager7675")],
        })
        .await;
    let ours = seen[0].json()["content"].clone();
    // No voice: nobody is called.
    check.page(
        &seen[0],
        "robot.ding.send",
        &[("/content", Some(ours)), ("/callVoice", None)],
    );
    assert_eq!(receipt.message, Some(message("ding:54165xxx")));
    let bench = robot("dingxxxxxxxxx").await;
    let (_, seen) = bench
        .sent(&Action::Recall {
            message: message("ding:54165xxx"),
        })
        .await;
    check.page(&seen[0], "robot.ding.recall", &[]);

    // The address that the page's sample answers with is none of ours to follow.
    let sample = &find(&check.new, "robot.messageFiles.download")["documented_sample"]["body"];
    let bench = robot(sample["robotCode"].as_str().unwrap()).await;
    let attachment = Attachment {
        kind: AttachmentKind::Image,
        name: None,
        bytes: None,
        handle: sample["downloadCode"].as_str().unwrap().to_owned(),
    };
    let got = bench.adapter.download(&message("m"), &attachment, 10).await;
    assert!(got.is_err());
    check.page(&bench.taken()[0], "robot.messageFiles.download", &[]);
}

async fn group_calls(check: &mut Check) {
    let bench = Bench::with(plain, |_| {}).await;
    let (_, seen) = bench
        .sent(&Action::CreateChat {
            name: "研发部".into(),
            owner: user("manager1234"),
            members: vec![user("user4567")],
            description: None,
        })
        .await;
    // The key of the outbox row; no sub-administrators.
    check.example(
        &seen[0],
        "im.sceneGroup.create",
        &[
            ("/uuid", Some("0123456789abcdef0123456789abcdef".into())),
            ("/subadmin_ids", None),
        ],
    );
    check.used.insert("im.sceneGroup.create".into());
    let gone = [
        ("/icon", None),
        ("/management_options", None),
        ("/owner_union_id", None),
    ];
    let (_, seen) = bench
        .sent(&Action::RenameChat {
            chat: chat("cidxxxxxx=="),
            name: "客户群".into(),
        })
        .await;
    let mut differences = gone.to_vec();
    differences.push(("/owner_user_id", None));
    check.page(&seen[0], "im.sceneGroup.update", &differences);
    let (_, seen) = bench
        .sent(&Action::SetOwner {
            chat: chat("cidxxxxxx=="),
            owner: user("user4567"),
        })
        .await;
    let mut differences = gone.to_vec();
    differences.extend([("/title", None), ("/owner_user_id", Some("user4567".into()))]);
    check.page(&seen[0], "im.sceneGroup.update", &differences);
    // The sample's id is masked; people of other companies are not added.
    let people = [("/user_ids", Some(json!(["user4567"]))), ("/union_ids", None)];
    for add in [true, false] {
        let (chat, users) = (chat("cidxxxxxx=="), vec![user("user4567")]);
        let (action, id) = match add {
            true => (Action::AddMembers { chat, users }, "im.sceneGroup.member.add"),
            false => (Action::RemoveMembers { chat, users }, "im.sceneGroup.member.delete"),
        };
        let (_, seen) = bench.sent(&action).await;
        check.page(&seen[0], id, &people);
    }
    let (_, seen) = bench.sent(&Action::Disband { chat: chat("cidxxxx") }).await;
    check.page(&seen[0], "im.chat.scenegroup.disband", &[]);
    let bench = Bench::with(
        |s| plain(s).with("cool_app_code", text("COOLAPP_XXXXX")),
        |answers| {
            let page = answers.get_mut("/v1.0/im/sceneGroups/members/batchQuery").unwrap();
            page["hasMore"] = true.into();
            page["nextToken"] = "10".into();
        },
    )
    .await;
    let (_, seen) = bench
        .sent(&Action::ListMembers {
            chat: chat("cidxxxc354"),
        })
        .await;
    // Up to 1000 come at once whatever is asked for.
    check.page(
        &seen[1],
        "im.sceneGroups.members.batchQuery",
        &[("/maxResults", Some(1000.into()))],
    );
}

async fn card_calls(check: &mut Check) {
    let key = ("/outTrackId", Some(json!("0123456789abcdef0123456789abcdef")));
    let bench = robot("dingue4kfzdxbynxxxxxx").await;
    let group = Target::Chat(chat("cid6KeBBLoveMJOGXoYKF5x7EeiodoA=="));
    let mention = Inline::Mention {
        user: user("user4567"),
        name: "小钉".into(),
    };
    for (to, content, id, space) in [
        (
            group,
            card().paragraph(vec![mention]),
            "card.createAndDeliver.group",
            "/imGroupOpenSpaceModel",
        ),
        (
            Target::User(user("user4567")),
            card(),
            "card.createAndDeliver.robot",
            "/imRobotOpenSpaceModel",
        ),
    ] {
        let (_, seen) = bench.sent(&send(to, content)).await;
        let body = seen[0].json();
        let ours = |pointer: &str| Some(body.pointer(pointer).unwrap().clone());
        // Our template's variables, our preview line, everybody sees the same.
        let mut differences = vec![
            key.clone(),
            ("/cardData", ours("/cardData")),
            (space, ours(space)),
            ("/privateData", None),
        ];
        if id.ends_with("group") {
            // Callbacks by HTTP here; those mentioned in the text are listed.
            differences.extend([
                ("/callbackType", Some("HTTP".into())),
                ("/callbackRouteKey", Some("sim-route".into())),
                ("/cardAtUserIds", Some(json!(["user4567"]))),
            ]);
        }
        check.example(&seen[0], id, &differences);
        assert_eq!(body["cardData"]["cardParamMap"]["title"], "公告");
        assert_eq!(body[&space[1..]]["lastMessageI18n"]["ZH_CN"], "公告");
    }
    check.used.insert("card.createAndDeliver".into());
    let (_, seen) = bench
        .sent(&Action::UpdateCard {
            card: message("card:sim-track-0001"),
            context: None,
            content: card(),
        })
        .await;
    let ours = seen[0].json()["cardData"].clone();
    check.example(
        &seen[0],
        "card.update",
        &[("/cardData", Some(ours)), ("/privateData", None)],
    );
    check.used.insert("card.instances.update".into());

    let bench = Bench::with(
        |s| {
            plain(s)
                .with("callback_url", text("https://example/callback"))
                .with("card_route_key", text("example-route-key"))
                .with(
                    "card_secret",
                    SettingValue::Secret(hutong_model::Secret::new("example-secret")),
                )
        },
        |_| {},
    )
    .await;
    let (_, seen) = bench.sent(&send(Target::User(user("user4567")), card())).await;
    // A changed secret must take the place of the old one.
    check.page(
        &seen[0],
        "card.callbacks.register",
        &[("/forceUpdate", Some(true.into()))],
    );
}

async fn questions(check: &mut Check) {
    let bench = Bench::with(|s| plain(s).with("cool_app_code", text("XXXXXXX")), |_| {}).await;
    bench.adapter.diagnose(None).await;
    let seen = bench.taken();
    let asked = |path: &str| seen.iter().find(|s| s.path() == path).unwrap();
    // Of a group that nobody has.
    check.page(
        asked("/v1.0/im/sceneGroups/query"),
        "im.sceneGroups.query",
        &[("/openConversationId", Some("hutong-check".into()))],
    );
    let made = asked("/v1.0/card/instances").json();
    let sample = find(&check.new, "card.instances.create")["documented_sample"]["body"].clone();
    for key in made.as_object().unwrap().keys() {
        assert!(sample.get(key).is_some(), "{key} is not on the page");
    }
    // The check's own name, and no space: nobody gets it.
    assert_eq!(made["cardTemplateId"], "tmpl-0001.schema");
    assert!(made["outTrackId"].as_str().unwrap().starts_with("hutong-check-"));
    assert!(made.get("openSpaceId").is_none());
    check.used.insert("card.instances.create".into());
    check.oapi(
        asked("/topapi/user/listid"),
        "user.listid",
        &[("/dept_id", Some("1".into()))],
    );
    check.oapi(asked("/topapi/v2/department/listsubid"), "department.listsubid", &[]);
}

async fn old_generation(check: &mut Check) {
    let bench = Bench::with(|s| plain(s).with("agent_id", text("123")), |_| {}).await;
    bench.adapter.person(&user("user4567")).await.unwrap();
    check.oapi(&bench.taken()[0], "user.get", &[]);
    let department = DepartmentId::new("100").unwrap();
    bench.adapter.people(&department, None).await.unwrap();
    // In a fixed order, so that nobody is missed when a record changes between two pages.
    check.oapi(
        &bench.taken()[0],
        "user.list",
        &[("/order_field", Some("entry_asc".into()))],
    );
    let rooted = Bench::with(|s| plain(s).with("root_departments", text("100")), |_| {}).await;
    rooted.adapter.departments(None).await.unwrap();
    check.oapi(&rooted.taken()[0], "department.get", &[]);
    let (_, seen) = bench
        .sent(&Action::Upload {
            name: "a.png".into(),
            media_type: "image/png".into(),
            data: "iVBORw0KGgo=".into(),
        })
        .await;
    assert_eq!(seen[0].path(), "/media/upload");
    check.used.insert("media.upload".into());

    // A person whom the robot does not reach: the answer names them.
    let bench = Bench::with(
        |s| plain(s).with("agent_id", text("123")),
        |answers| {
            answers.insert(
                "/v1.0/robot/oToMessages/batchSend".into(),
                json!({"processQueryKey": "k", "invalidStaffIdList": ["user123"], "flowControlledStaffIdList": []}),
            );
            answers
                .get_mut("/topapi/message/corpconversation/asyncsend_v2")
                .unwrap()["task_id"] = 456.into();
        },
    )
    .await;
    let (receipt, seen) = bench
        .sent(&send(Target::User(user("user123")), Message::card("公告").line("正文")))
        .await;
    assert_eq!(receipt.message, Some(message("n:user123:456")));
    assert_eq!(receipt.failed[0].code, "143106", "from the published result");
    let paths: Vec<&str> = seen.iter().map(Seen::path).collect();
    assert_eq!(
        paths[1..],
        [
            "/topapi/message/corpconversation/asyncsend_v2",
            "/topapi/message/corpconversation/getsendprogress",
            "/topapi/message/corpconversation/getsendresult",
        ]
    );
    check.oapi(
        &seen[1],
        "message.asyncsend_v2.markdown",
        &[
            ("/userid_list", Some("user123".into())),
            ("/msg/markdown/text", Some("#### 公告\n\n正文".into())),
        ],
    );
    check.oapi(&seen[2], "message.getsendprogress", &[]);
    check.oapi(&seen[3], "message.getsendresult", &[]);
    let (_, seen) = bench
        .sent(&Action::Recall {
            message: message("n:user123:456"),
        })
        .await;
    check.oapi(&seen[0], "message.recall", &[]);
}

async fn calendar(check: &mut Check) {
    let bench = Bench::with(plain, |_| {}).await;
    let entry = CalendarEntry {
        title: "培训".into(),
        description: "新人培训".into(),
        from: Timestamp(1_767_682_800_000),
        to: Timestamp(1_767_686_400_000),
        attendees: vec![user("user4567")],
    };
    let (_, seen) = bench.sent(&Action::Calendar { entry }).await;
    // Both people have the same union id in the published answers.
    check.example(
        seen.last().unwrap(),
        "calendar.events.create",
        &[
            (
                "/attendees",
                Some(json!([{"id": "unionExample00001", "isOptional": false}])),
            ),
            ("/cardInstances", None),
            ("/categories", None),
            ("/uiConfigs", None),
            ("/extra", None),
            ("/location", None),
        ],
    );
}

async fn webhook() {
    let all: Value = serde_json::from_str(include_str!("vectors/session_webhook.json")).unwrap();
    let find = |id: &str| {
        let list = all["requests"].as_array().unwrap();
        list.iter().find(|r| r["id"] == id).unwrap().clone()
    };
    let bench = Bench::with(plain, |_| {}).await;
    for (kind, of) in [
        (ChatKind::Group, "bot_text_group"),
        (ChatKind::Direct, "bot_text_single"),
    ] {
        let reply = |content: Message| Action::Reply {
            message: message("msg1"),
            chat: ChatRef {
                id: chat("cidSimGroup0000000000001=="),
                kind,
                name: None,
            },
            context: Some(
                json!({"w": format!("{}/robot/sendBySession?session=exampleSession", bench.base),
                    "e": 1_751_605_501_200_i64, "u": "user123"})
                .to_string(),
            ),
            content,
        };
        let mention = Inline::Mention {
            user: user("user123"),
            name: "小钉".into(),
        };
        let at = ("/at", Some(json!({"atUserIds": ["user123"], "isAtAll": false})));
        let (_, seen) = bench
            .sent(&reply(Message::text("收到").paragraph(vec![mention.clone()])))
            .await;
        let vector = find(&format!("{of}: reply_text"));
        assert_eq!(seen[0].target, vector["request_target"].as_str().unwrap());
        // The id stands in the text, without which the list has no effect; "not everyone" is said out loud.
        let expected = but(
            &vector["body"],
            &[at.clone(), ("/text/content", Some("收到\n @user123 ".into()))],
        );
        assert_eq!(seen[0].json(), expected);
        let content = Message::card("标题").line("收到").paragraph(vec![mention]);
        let (_, seen) = bench.sent(&reply(content)).await;
        let vector = find(&format!("{of}: reply_markdown"));
        let expected = but(
            &vector["body"],
            &[at, ("/markdown/text", Some("#### 标题\n\n收到\n\n @user123 ".into()))],
        );
        assert_eq!(seen[0].json(), expected);
    }
    let sample = find("get_image_download_url");
    let bench = robot("dingexampleappkey00").await;
    let attachment = Attachment {
        kind: AttachmentKind::Image,
        name: None,
        bytes: None,
        handle: "mIofN000000JE0E".into(),
    };
    let _ = bench.adapter.download(&message("m"), &attachment, 10).await;
    assert_eq!(bench.taken()[0].json(), sample["body"]);
}

/// Why a vector is not used; the same list stands in `docs/platforms-dingtalk-calls.md`.
const UNUSED: [&str; 28] = [
    "oauth2.token",
    "gettoken",
    "robot.groups.robots.query",
    "im.group.create",
    "im.group.update",
    "im.chat.convertToOpenConversationId",
    "im.sceneGroups.subAdmins",
    "card.instances.deliver",
    "card.streaming",
    "convFile.spaces.query",
    "convFile.files.send",
    "storage.dentries.list",
    "storage.uploadInfos.query",
    "storage.files.commit",
    "department.listsub",
    "user.listsimple",
    "user.getbyunionid",
    "user.getbymobile",
    "message.asyncsend_v2.action_card",
    "chat.get",
    "scenegroup.create",
    "scenegroup.member.add",
    "scenegroup.member.delete",
    "scenegroup.get",
    "robot.send.text",
    "robot.send.markdown",
    "robot.send.actionCard",
    "robot.send.link",
];

#[tokio::test]
async fn every_vector_of_a_used_call_is_what_we_send() {
    let mut check = Check::new();
    robot_calls(&mut check).await;
    group_calls(&mut check).await;
    card_calls(&mut check).await;
    questions(&mut check).await;
    old_generation(&mut check).await;
    calendar(&mut check).await;
    webhook().await;
    let ids = |all: &Value| -> Vec<String> {
        let calls = all["calls"].as_array().unwrap();
        calls.iter().map(|c| c["id"].as_str().unwrap().to_owned()).collect()
    };
    let mut open: Vec<String> = ids(&check.new).into_iter().chain(ids(&check.old)).collect();
    assert_eq!(open.len(), 59);
    open.retain(|id| !check.used.contains(id) && !UNUSED.contains(&id.as_str()));
    assert!(open.is_empty(), "neither used nor said to be unused: {open:?}");
    for id in UNUSED {
        assert!(!check.used.contains(id), "{id} is used");
    }
}

#[tokio::test]
async fn the_token_call_is_the_published_one() {
    let bench = Bench::new().await;
    bench.adapter.probe().await.unwrap();
    let seen = std::mem::take(&mut *bench.seen.lock().unwrap());
    let (new, _) = published();
    let all = new["project_examples"].as_array().unwrap();
    let vector = all.iter().find(|c| c["id"] == "oauth2.accessToken").unwrap();
    assert_eq!(seen[0].json(), vector["body"]);
    assert_eq!(seen[0].target, vector["request_target"].as_str().unwrap());
}
