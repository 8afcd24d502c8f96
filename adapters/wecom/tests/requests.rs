//! Requests against the recorded ones: equal up to the order of keys, after the differences that are
//! named here. Every file of `vectors/rest` is either compared or listed as unused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod common;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, Uri};
use hutong_model::{
    Action, Adapter, Block, Button, ButtonStyle, CalendarEntry, ChatId, ChatKind, ChatRef, DepartmentId, Field,
    FieldKind, Form, Inline, MentionAllPermit, Message, MessageId, Settings, StatScope, Table, Target, Timestamp,
    UserId,
};
use hutong_wecom::WeCom;
use hutong_wecom::menu::MenuEntry;
use serde_json::{Value, json};

const KEY: &str = "k0123456789abcdef0123456789abcde";

#[derive(Debug, Clone)]
struct Seen {
    method: String,
    path: String,
    query: BTreeSet<(String, String)>,
    body: Bytes,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// A server that says yes to everything and remembers it.
async fn serve() -> (Log, String) {
    let log = Log::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = log.clone();
    let router = Router::new().fallback(move |method: Method, uri: Uri, body: Bytes| {
        let seen = seen.clone();
        async move {
            let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect();
            seen.lock().unwrap().push(Seen {
                method: method.to_string(),
                path: uri.path().into(),
                query,
                body,
            });
            let answer = match uri.path() {
                "/cgi-bin/gettoken" => json!({"access_token": "ACCESS-TOKEN-TEST-0001", "expires_in": 7200}),
                "/cgi-bin/externalcontact/get_follow_user_list" => json!({"follow_user": ["zhangsan"]}),
                "/cgi-bin/department/list" | "/cgi-bin/user/list" => json!({"errcode": 48009, "errmsg": "x"}),
                _ => json!({"errcode": 0, "errmsg": "ok", "chatid": "opsChat0001", "msgid": "M"}),
            };
            answer.to_string()
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (log, url)
}

fn vector(name: &str) -> Value {
    let path = format!("{}/tests/vectors/rest/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["exchanges"][0].clone()
}

struct World {
    log: Log,
    app: WeCom,
    bot: WeCom,
    robot: WeCom,
    url: String,
    used: BTreeSet<String>,
}

impl World {
    async fn new() -> Self {
        let (log, url) = serve().await;
        let base = || common::text(&url);
        let app = common::app_settings(
            "Token",
            "DFOmmvA4o137YbkaiMhizhiMGRe3vRL2sVgQKYUIaxw",
            "ww1a2b3c4d5e6f7081",
        );
        let bot = common::bot_settings("Token", "DFOmmvA4o137YbkaiMhizhiMGRe3vRL2sVgQKYUIaxw");
        let robot = Settings::default()
            .with("key", common::secret("WEBHOOK-KEY-TEST-0001"))
            .with("chat", common::text("ops"));
        let door =
            |kind, settings: Settings| WeCom::new(common::build(kind, settings.with("base_url", base()))).unwrap();
        Self {
            app: door("wecom", app),
            bot: door("wecom_aibot", bot),
            robot: door("wecom_webhook", robot),
            log,
            url,
            used: BTreeSet::new(),
        }
    }

    /// Clears the log and gives it.
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    async fn deliver(&self, door: &WeCom, action: &Action) {
        for prepared in door.prepare(action).unwrap() {
            let outcome = door.deliver(&prepared, KEY).await;
            assert!(matches!(outcome, hutong_model::Outcome::Sent(_)), "{outcome:?}");
        }
    }

    /// Compares the request to a path with the recorded one; `expected` is the recorded body after
    /// the named differences.
    fn same(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut vector = vector(name);
        let path = vector["path"].as_str().unwrap().to_owned();
        let seen = self.take();
        let ours = seen
            .iter()
            .find(|s| s.path == path)
            .unwrap_or_else(|| panic!("{name}: {seen:?}"));
        assert_eq!(ours.method, vector["method"].as_str().unwrap(), "{name}");
        let mut body = vector["body"].take();
        // Lists of receivers that stay empty are not written by us.
        if let Some(fields) = body.as_object_mut() {
            for field in ["toparty", "totag"] {
                if fields.get(field) == Some(&json!("")) {
                    fields.remove(field);
                }
            }
        }
        change(&mut body);
        assert_eq!(ours.json(), body, "{name}");
        let expected: BTreeSet<(String, String)> = vector["query"]
            .as_object()
            .unwrap()
            .iter()
            // Asked for with their defaults by the recording client.
            .filter(|(k, _)| !matches!(k.as_str(), "fetch_child" | "status"))
            .map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(ours.query, expected, "{name}");
        self.used.insert(name.to_owned());
    }
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn person(content: Message) -> Action {
    Action::Send {
        to: Target::User(user("zhangsan")),
        content,
    }
}

fn group(id: &str, content: Message) -> Action {
    Action::Send {
        to: Target::Chat(ChatId::new(id).unwrap()),
        content,
    }
}

/// What every message to a person has beyond the recorded ones: one receiver at a time, the check
/// against repeats for as long as the platform remembers, and no names between `$`.
fn checked(body: &mut Value, on: bool) {
    body["touser"] = json!("zhangsan");
    body["safe"] = json!(0);
    body["enable_id_trans"] = json!(0);
    body["enable_duplicate_check"] = json!(i32::from(on));
    if on {
        body["duplicate_check_interval"] = json!(14_400);
    }
    if let Some(fields) = body.as_object_mut() {
        fields.remove("toparty");
    }
}

/// The invisible mark that tells two equal messages apart is taken off, and must have been there.
fn unmarked(log: &Log, kind: &str) {
    for seen in log
        .lock()
        .unwrap()
        .iter_mut()
        .filter(|s| s.path.ends_with("message/send"))
    {
        let mut body = seen.json();
        let content = body[kind]["content"].as_str().unwrap().to_owned();
        let bare = content.trim_end_matches(['\u{200b}', '\u{200c}']);
        assert_eq!(content.len() - bare.len(), hutong_wecom::render::MARK_BYTES);
        body[kind]["content"] = json!(bare);
        seen.body = Bytes::from(body.to_string());
    }
}

fn link(label: &str, url: &str) -> Inline {
    Inline::Link {
        label: label.into(),
        url: url.into(),
    }
}

fn button(label: &str, action: &str, style: ButtonStyle) -> Button {
    Button {
        label: label.into(),
        action: action.into(),
        style,
    }
}

fn select(name: &str, label: &str, options: &[(&str, &str)]) -> Field {
    Field {
        name: name.into(),
        label: label.into(),
        kind: FieldKind::Select(options.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect()),
        required: true,
    }
}

fn image(handle: &str) -> Message {
    Message {
        title: None,
        card: false,
        blocks: vec![Block::Image {
            handle: handle.into(),
            alt: String::new(),
        }],
    }
}

async fn messages_to_people(w: &mut World) {
    w.deliver(&w.app, &person(Message::text("你的快递已到"))).await;
    unmarked(&w.log, "text");
    w.same("message-send-text", |b| checked(b, true));
    let _ = w.take();

    w.deliver(&w.app, &person(Message::text("签到提醒"))).await;
    unmarked(&w.log, "text");
    // The longest memory the platform has, instead of the usual half hour.
    w.same("message-send-duplicate-check", |b| {
        b["duplicate_check_interval"] = json!(14_400)
    });

    // Markup of ours: bold, and a hint in grey instead of a warning.
    let todo = Message {
        title: None,
        card: true,
        blocks: vec![
            Block::Paragraph(vec![Inline::Strong("待办".into())]),
            Block::Note(vec![Inline::Text("今天".into())]),
        ],
    };
    w.deliver(&w.app, &person(todo)).await;
    unmarked(&w.log, "markdown");
    w.same("message-send-markdown", |b| {
        b["markdown"]["content"] = json!("**待办**\n<font color=\"comment\">今天</font>");
        checked(b, true);
    });

    w.deliver(&w.app, &person(image("MEDIA-TEST-0001"))).await;
    let seen = w.take();
    let sent = seen.iter().find(|s| s.json()["msgtype"] == "image").unwrap().clone();
    w.log.lock().unwrap().push(sent);
    // Pictures have no place for a mark, so two equal ones must not be taken for a repeat.
    w.same("message-send-image", |b| checked(b, false));

    let review = Message::card("内容审核 #42").line("今天的分享").buttons(vec![
        button("通过", "review.approve", ButtonStyle::Primary),
        button("拒绝", "review.reject", ButtonStyle::Danger),
    ]);
    w.deliver(&w.app, &person(review.clone())).await;
    w.same("message-send-template_card-button_interaction", |b| {
        checked(b, true);
        let card = b["template_card"].as_object_mut().unwrap();
        // No logo and no selector in the common message; the key is the task.
        card.remove("source");
        card.remove("button_selection");
        card["main_title"].as_object_mut().unwrap().remove("desc");
        card["task_id"] = json!(KEY);
    });

    let vote = Message::card("团建去哪里").line("单选").block(Block::Form(Form {
        fields: vec![select("q1", "团建去哪里", &[("a", "爬山"), ("b", "露营")])],
        submit: button("提交", "submit", ButtonStyle::Primary),
    }));
    w.deliver(&w.app, &person(vote)).await;
    w.same("message-send-template_card-vote_interaction", |b| {
        checked(b, true);
        b["template_card"]["task_id"] = json!(KEY);
    });

    let quiz = Message::card("新人小测").line("共 2 题").block(Block::Form(Form {
        fields: vec![
            select("q1", "年假天数", &[("a", "5"), ("b", "10")]),
            select("q2", "报销入口", &[("c", "邮箱"), ("d", "工作台")]),
        ],
        submit: button("提交", "submit_key", ButtonStyle::Primary),
    }));
    w.deliver(&w.app, &person(quiz)).await;
    w.same("message-send-template_card-multiple_interaction", |b| {
        checked(b, true);
        b["template_card"]["task_id"] = json!(KEY);
        // A neutral first option, since the platform has one chosen from the start.
        for list in b["template_card"]["select_list"].as_array_mut().unwrap() {
            list["selected_id"] = json!("__none");
            list["option_list"]
                .as_array_mut()
                .unwrap()
                .insert(0, json!({"id": "__none", "text": "请选择 / choose"}));
        }
    });

    let weekly = Message::card("周报")
        .line("点击查看")
        .block(Block::Table(Table {
            columns: vec![],
            rows: vec![vec!["环比".into(), "+6%".into()], vec!["负责人".into(), "李四".into()]],
        }))
        .paragraph(vec![link("", "https://example.org/weekly/47")]);
    w.deliver(&w.app, &person(weekly.clone())).await;
    w.same("message-send-template_card-text_notice", |b| {
        checked(b, true);
        let card = b["template_card"].as_object_mut().unwrap();
        // One big figure, a corner menu and the link to a member are not in the common message.
        card.remove("emphasis_content");
        card.remove("action_menu");
        card["main_title"].as_object_mut().unwrap().remove("desc");
        card["horizontal_content_list"][1] = json!({"keyname": "负责人", "value": "李四"});
        card.insert("task_id".into(), json!(KEY));
    });
    w.deliver(&w.robot, &group("ops", weekly)).await;
    w.same("webhook-send-template_card-text_notice", |b| {
        let card = b["template_card"].as_object_mut().unwrap();
        card.remove("emphasis_content");
        card["main_title"].as_object_mut().unwrap().remove("desc");
        card["horizontal_content_list"][1] = json!({"keyname": "负责人", "value": "李四"});
    });

    let column = Message::card("每周专栏")
        .line("第 12 期")
        .block(Block::Image {
            handle: "https://example.org/a.png".into(),
            alt: "封面".into(),
        })
        .paragraph(vec![link("", "https://example.org/column/12")]);
    w.deliver(&w.app, &person(column)).await;
    w.same("message-send-template_card-news_notice", |b| {
        checked(b, true);
        let card = b["template_card"].as_object_mut().unwrap();
        card.remove("vertical_content_list");
        card["card_image"].as_object_mut().unwrap().remove("aspect_ratio");
        card.insert("task_id".into(), json!(KEY));
    });

    let code = json!({"code": "RESPONSE-CODE-TEST-2", "user": "zhangsan", "until": 1}).to_string();
    let update = Action::UpdateCard {
        card: MessageId::new("review-42!").unwrap(),
        context: Some(code),
        content: review,
    };
    w.deliver(&w.app, &update).await;
    w.same("message-update_template_card-card", |b| {
        let card = b["template_card"].as_object_mut().unwrap();
        card.remove("source");
        card.remove("button_selection");
        card.remove("replace_text");
        card["main_title"].as_object_mut().unwrap().remove("desc");
    });

    let recall = Action::Recall {
        message: MessageId::new("MSGID-TEST-0001").unwrap(),
    };
    w.deliver(&w.app, &recall).await;
    w.same("message-recall", |_| {});
}

async fn groups(w: &mut World) {
    let chat = || ChatId::new("opsChat0001").unwrap();
    let create = Action::CreateChat {
        name: "研发部".into(),
        owner: user("zhangsan"),
        members: vec![user("lisi"), user("wangwu")],
        description: None,
    };
    w.deliver(&w.app, &create).await;
    // The key is the id.
    w.same("appchat-create", |b| b["chatid"] = json!(KEY));

    let mut all = json!({});
    for action in [
        Action::RenameChat {
            chat: chat(),
            name: "研发部（2026）".into(),
        },
        Action::SetOwner {
            chat: chat(),
            owner: user("lisi"),
        },
        Action::AddMembers {
            chat: chat(),
            users: vec![user("zhaoliu")],
        },
        Action::RemoveMembers {
            chat: chat(),
            users: vec![user("wangwu")],
        },
    ] {
        let _ = w.take();
        w.deliver(&w.app, &action).await;
        let body = w.take().remove(0).json();
        all.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    }
    assert_eq!(
        all,
        vector("appchat-update")["body"],
        "the four together are the recorded one"
    );
    w.used.insert("appchat-update".into());

    w.deliver(&w.app, &Action::ListMembers { chat: chat() }).await;
    w.same("appchat-get", |_| {});
    w.deliver(&w.app, &group("opsChat0001", Message::text("每周专栏更新了")))
        .await;
    w.same("appchat-send-text", |_| {});
    let column = Message {
        title: None,
        card: true,
        blocks: vec![
            Block::Paragraph(vec![Inline::Strong("每周专栏".into())]),
            Block::Quote(vec![
                Inline::Text("第 12 期 ".into()),
                link("阅读", "https://example.org/c/12"),
            ]),
        ],
    };
    w.deliver(&w.app, &group("opsChat0001", column)).await;
    w.same("appchat-send-markdown", |_| {});
    let ping = Message::text("请查收").paragraph(vec![
        Inline::Mention {
            user: user("zhangsan"),
            name: "张三".into(),
        },
        Inline::MentionAll(MentionAllPermit::granted_by("approval-1")),
    ]);
    w.deliver(&w.app, &group("opsChat0001", ping)).await;
    // Who is meant also stands in the words, for clients that do not show the list.
    w.same("appchat-send-text-mention", |b| {
        b["text"]["content"] = json!("请查收\n@张三@所有人")
    });
}

async fn reads(w: &mut World) {
    let _ = w.app.departments(None).await;
    let seen = w.take();
    let token = seen.iter().find(|s| s.path.ends_with("gettoken"));
    assert!(token.is_none(), "the token is kept: {seen:?}");
    let all: Vec<Seen> = seen;
    w.log.lock().unwrap().extend(all.clone());
    // Always the whole tree.
    let mut departments = vector("department-list");
    departments["query"].as_object_mut().unwrap().remove("id");
    let list = all.iter().find(|s| s.path.ends_with("department/list")).unwrap();
    assert_eq!((list.method.as_str(), list.query.len()), ("GET", 1));
    w.used.insert("department-list".into());
    w.same("department-simplelist", |_| {});
    let two = DepartmentId::new("2").unwrap();
    let _ = w.app.people(&two, None).await;
    let all = w.take();
    w.log.lock().unwrap().extend(all.clone());
    w.same("user-list", |_| {});
    w.log.lock().unwrap().extend(all);
    // As many at once as there may be.
    w.same("user-list_id", |b| b["limit"] = json!(10_000));
    let _ = w.app.person(&user("zhangsan")).await;
    w.same("user-get", |_| {});
    let _ = w.app.person(&user("woTESTOPENUSERIDAAAAAAAAAAAAAAAAA")).await;
    // One person is asked for at a time.
    w.same("batch-openuserid_to_userid", |b| {
        b["open_userid_list"] = json!(["woTESTOPENUSERIDAAAAAAAAAAAAAAAAA"]);
    });
    let _ = w.app.diagnose(None).await;
    w.same("getcallbackip", |_| {});
    let _ = w.app.statistics(&StatScope::People, "2026-11-21", None).await;
    w.same("externalcontact-groupchat-statistic", |_| {});
    let chat = StatScope::Chat(ChatId::new("wrTESTCUSTOMERGROUP0001").unwrap());
    let _ = w.app.statistics(&chat, "2026-11-21", None).await;
    w.same("externalcontact-groupchat-get", |_| {});
}

async fn the_rest(w: &mut World) {
    let upload = Action::Upload {
        name: "report.txt".into(),
        media_type: "text/plain".into(),
        data: "MDEyMzQ1Njc4OQ==".into(),
    };
    for (name, robot) in [("media-upload", false), ("webhook-upload_media", true)] {
        w.deliver(if robot { &w.robot } else { &w.app }, &upload).await;
        let seen = w.take().remove(0);
        let body = String::from_utf8_lossy(&seen.body).into_owned();
        assert!(
            body.contains("Content-Disposition: form-data; name=\"media\"; filename=\"report.txt\""),
            "{body}"
        );
        assert!(body.contains("\r\n\r\n0123456789\r\n"), "{body}");
        let query: BTreeSet<(String, String)> = vector(name)["query"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(
            (seen.path.as_str(), seen.query),
            (vector(name)["path"].as_str().unwrap(), query)
        );
        w.used.insert(name.into());
    }
    let calendar = Action::Calendar {
        entry: CalendarEntry {
            title: "读书会".into(),
            description: "第 3 次".into(),
            from: Timestamp::from_secs(1_795_395_600),
            to: Timestamp::from_secs(1_795_399_200),
            attendees: vec![user("lisi"), user("wangwu")],
        },
    };
    w.deliver(&w.app, &calendar).await;
    w.same("oa-schedule-add", |b| {
        let schedule = b["schedule"].as_object_mut().unwrap();
        // The first who comes owns it; a quarter of an hour before, once, in the owner's own calendar.
        schedule["organizer"] = json!("lisi");
        schedule["reminders"] = json!({"is_remind": 1, "remind_before_event_secs": 900, "timezone": 8});
        schedule.remove("location");
        schedule.remove("cal_id");
    });
    let click = |name: &str, key: &str| MenuEntry::Click {
        name: name.into(),
        key: key.into(),
    };
    w.app
        .set_menu(&[
            click("积分", "menu.points"),
            MenuEntry::Folder {
                name: "更多".into(),
                entries: vec![
                    MenuEntry::View {
                        name: "帮助".into(),
                        url: "https://example.org/help".into(),
                    },
                    click("反馈", "menu.feedback"),
                ],
            },
        ])
        .await
        .unwrap();
    w.same("menu-create", |_| {});

    let ping = Message::text("签到啦").paragraph(vec![
        Inline::Mention {
            user: user("zhangsan"),
            name: "张三".into(),
        },
        Inline::MentionAll(MentionAllPermit::granted_by("approval-1")),
    ]);
    w.deliver(&w.robot, &group("ops", ping)).await;
    w.same("webhook-send-text", |b| {
        // Telephone numbers are never addressed.
        b["text"].as_object_mut().unwrap().remove("mentioned_mobile_list");
        b["text"]["content"] = json!("签到啦\n@张三@所有人");
    });
    let remind = Message {
        title: None,
        card: true,
        blocks: vec![Block::Paragraph(vec![
            Inline::Strong("提醒".into()),
            Inline::Text(" ".into()),
            Inline::Mention {
                user: user("zhangsan"),
                name: "张三".into(),
            },
        ])],
    };
    w.deliver(&w.robot, &group("ops", remind)).await;
    w.same("webhook-send-markdown", |_| {});
    let board = Message {
        title: Some("周榜".into()),
        card: true,
        blocks: vec![
            Block::Table(Table {
                columns: vec!["姓名".into(), "积分".into()],
                rows: vec![vec!["王五".into(), "12".into()]],
            }),
            Block::Divider,
            Block::Note(vec![Inline::Text("由机器人生成".into())]),
        ],
    };
    w.deliver(&w.robot, &group("ops", board)).await;
    // Same parts, our own widths: a smaller heading, plain alignment, no italics.
    w.same("webhook-send-markdown_v2", |b| {
        b["markdown_v2"]["content"] =
            json!("### 周榜\n\n| 姓名 | 积分 |\n| --- | --- |\n| 王五 | 12 |\n\n\n---\n\n由机器人生成");
    });
    w.deliver(&w.robot, &group("ops", image("WEBHOOK-MEDIA-TEST-0001")))
        .await;
    let file = w.take().into_iter().find(|s| s.json()["msgtype"] == "file").unwrap();
    w.log.lock().unwrap().push(file);
    w.same("webhook-send-file", |_| {});

    let reply = Action::Reply {
        message: MessageId::new("m").unwrap(),
        chat: ChatRef {
            id: ChatId::new("wr1").unwrap(),
            kind: ChatKind::Group,
            name: None,
        },
        context: Some(
            json!({
                "url": format!("{}/cgi-bin/aibot/response?response_code=RESPONSE_CODE_1", w.url),
                "until": common::NOW.millis() + 1000,
            })
            .to_string(),
        ),
        content: Message {
            title: None,
            card: true,
            blocks: vec![Block::Paragraph(vec![Inline::Strong("任务完成".into())])],
        },
    };
    w.deliver(&w.bot, &reply).await;
    w.same("aibot-response_url-markdown", |_| {});
}

/// Why a recorded request has no counterpart here. The answers of the first kind are played in
/// `rest.rs` or by the simulator.
const UNUSED: [(&str, &str); 30] = [
    ("appchat-send-86008", "an answer"),
    ("gettoken-40001", "an answer"),
    ("gettoken-40013", "an answer"),
    ("message-send-45009", "an answer"),
    ("message-send-60020", "an answer"),
    ("message-send-81013", "an answer"),
    ("message-send-partial", "an answer"),
    ("message-update_template_card-60140", "an answer"),
    ("token-expired-42001-retry", "an answer"),
    ("token-invalid-40014-retry", "an answer"),
    ("user-list_id-48002", "an answer"),
    ("webhook-send-40058", "an answer"),
    ("webhook-send-45009", "an answer"),
    ("webhook-send-93000", "an answer"),
    (
        "appchat-send-news",
        "articles with a picture by address: posts are markdown with a link",
    ),
    ("message-send-news", "as appchat-send-news"),
    ("webhook-send-news", "as appchat-send-news"),
    ("message-send-textcard", "a text_notice card says the same and more"),
    ("message-send-file", "no rule sends files"),
    (
        "webhook-send-image",
        "the bytes are not in the message, only their handle: a file instead",
    ),
    (
        "message-send-text-all",
        "touser @all: nothing may address a whole company",
    ),
    (
        "message-update_template_card-button",
        "the whole card is replaced, with a grey button",
    ),
    (
        "externalcontact-groupchat-list",
        "owners come from get_follow_user_list, groups from the configuration",
    ),
    ("get_api_domain_ip", "no firewall is set up from here"),
    ("msgaudit-get_permit_user_list", "the archive is out of scope"),
    ("oa-calendar-add", "schedules stand in the owner's own calendar"),
    ("user-simplelist", "user/list tells the same people and more"),
    ("wedoc-create_form", "surveys are cards"),
    ("wedoc-get_form_info", "surveys are cards"),
    ("wedoc-get_form_statistic", "surveys are cards"),
];

#[tokio::test]
async fn requests_are_the_recorded_ones() {
    let mut w = World::new().await;
    let _ = w.app.probe().await;
    w.same("gettoken", |b| *b = Value::Null);
    messages_to_people(&mut w).await;
    groups(&mut w).await;
    reads(&mut w).await;
    the_rest(&mut w).await;
    let folder = format!("{}/tests/vectors/rest", env!("CARGO_MANIFEST_DIR"));
    let all: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let unused: BTreeSet<String> = UNUSED.iter().map(|(name, _)| (*name).to_owned()).collect();
    let missing: Vec<&String> = all
        .iter()
        .filter(|n| !w.used.contains(*n) && !unused.contains(*n))
        .collect();
    assert!(missing.is_empty(), "neither compared nor explained: {missing:?}");
    assert!(unused.is_subset(&all), "{:?}", unused.difference(&all));
    assert!(w.used.is_disjoint(&unused));
    assert_eq!((w.used.len(), unused.len(), all.len()), (37, 30, 67));
}
