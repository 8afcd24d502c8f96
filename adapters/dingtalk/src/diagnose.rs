//! `check --online`: one question after the other, each by the cheapest call that answers it.
//!
//! A permission is asked by a call that would do nothing: an id that nobody has. An app without the
//! permission gets the error that names it before the platform looks at the id (1.3); any other refusal
//! means that the permission is there. About a dozen calls of the month's quota.

use hutong_model::{Clock, Finding, FindingState, QuotaBook as _, Timestamp};
use serde_json::{Value, json};

use crate::api::Api;
use crate::codes::{self, Class, permission_missing};
use crate::day;
use crate::http::{Failure, Request};
use crate::stream;
use crate::wire;

/// An id that nobody has.
const NOBODY: &str = "hutong-check";
const CONSOLE: (&str, &str) = (
    "开发者后台 > 应用 > 权限管理",
    "developer console > the app > permissions",
);
/// The events that the bot understands, as the console lists them.
const EVENTS: &str = "user_add_org, user_modify_org, user_leave_org, user_active_org, org_dept_create, \
     org_dept_modify, org_dept_remove, chat_add_member, chat_remove_member, chat_quit, chat_update_owner, \
     chat_update_title, chat_disband, im_cool_app_install, im_cool_app_uninstall";

struct Found {
    list: Vec<Finding>,
    ip_refused: bool,
}

fn ip_refused(code: &str) -> bool {
    code == "60020" || code.ends_with("IpNotInWhiteList")
}

impl Found {
    fn add(&mut self, check: impl Into<String>, state: FindingState, zh: impl Into<String>, en: impl Into<String>) {
        self.list.push(Finding::new(check, state, zh, en));
    }

    /// One permission, from what became of a call that needs it. `lack` is what its absence means.
    /// Returns the failure that is about something else.
    fn permission(
        &mut self,
        name: &str,
        lack: FindingState,
        what: (&str, &str),
        answer: &Result<Value, Failure>,
    ) -> Option<Failure> {
        let check = format!("scope:{name}");
        match answer {
            Err(f) if permission_missing(&f.code) => {
                self.add(
                    check,
                    lack,
                    format!(
                        "缺少权限 {name}（{}）：在 {} 中开通。平台：{}",
                        what.0, CONSOLE.0, f.text
                    ),
                    format!(
                        "permission {name} is missing ({}): grant it in {}. The platform: {}",
                        what.1, CONSOLE.1, f.text
                    ),
                );
                None
            }
            Err(f) if matches!(f.class, Class::Reject) && !ip_refused(&f.code) => {
                self.add(
                    check,
                    FindingState::Good,
                    format!("已有权限 {name}"),
                    format!("{name} is granted"),
                );
                Some(f.clone())
            }
            Ok(_) => {
                self.add(
                    check,
                    FindingState::Good,
                    format!("已有权限 {name}"),
                    format!("{name} is granted"),
                );
                None
            }
            Err(f) => {
                self.ip_refused |= ip_refused(&f.code);
                self.add(
                    check,
                    FindingState::Unknown,
                    format!("无法确认权限 {name}（{}）：{} {}", what.0, f.code, f.text),
                    format!(
                        "cannot tell whether {name} is granted ({}): {} {}",
                        what.1, f.code, f.text
                    ),
                );
                None
            }
        }
    }
}

impl Api {
    pub async fn diagnose(&self, callback: Option<&str>, clock: &dyn Clock) -> Vec<Finding> {
        let mut found = Found {
            list: Vec::new(),
            ip_refused: false,
        };
        if let Err(f) = self.http.fresh_token(&self.config).await {
            found.ip_refused = ip_refused(&f.code);
            let (zh, en) = match f.class {
                Class::Auth => (
                    "核对 client_id 与 client_secret（开发者后台 > 凭证与基础信息）",
                    "compare client_id and client_secret with the credentials page of the developer console",
                ),
                _ => (
                    "检查本机到 api.dingtalk.com:443 的网络与代理",
                    "check the network and proxy from this machine to api.dingtalk.com:443",
                ),
            };
            found.add(
                "token",
                FindingState::Missing,
                format!("拿不到 access token（{} {}）：{zh}", f.code, f.text),
                format!("no access token ({} {}): {en}", f.code, f.text),
            );
            self.trusted_ip(&mut found);
            return found.list;
        }
        found.add(
            "token",
            FindingState::Good,
            "access token 正常",
            "the access token is issued",
        );
        self.robot(&mut found).await;
        self.contacts(&mut found).await;
        self.groups(&mut found).await;
        self.card_template(&mut found, clock).await;
        self.extras(&mut found, clock).await;
        self.trusted_ip(&mut found);
        found.add(
            "events",
            FindingState::Unknown,
            format!("平台无法查询事件订阅：请在 开发者后台 > 事件订阅 勾选 {EVENTS}"),
            format!("the platform cannot be asked about subscriptions: tick {EVENTS} in developer console > events"),
        );
        if self.config.streams() {
            found.add(
                "callback",
                FindingState::Unknown,
                "请确认 事件订阅 与 机器人 > 消息接收 都选了 Stream 模式：两处各自设置",
                "make sure that both event subscription and robot > message receiving are set to Stream mode",
            );
        } else if let Some(url) = callback {
            found.add(
                "callback",
                FindingState::Unknown,
                format!("请确认 事件订阅 与 机器人 > 消息接收 的地址都是 {url}"),
                format!("make sure that both event subscription and robot > message receiving have {url}"),
            );
        }
        self.month(&mut found, clock.now());
        found.list
    }

    fn trusted_ip(&self, found: &mut Found) {
        if found.ip_refused {
            found.add(
                "trusted_ip",
                FindingState::Missing,
                "本机出口 IP 不在白名单：开发者后台 > 安全设置 > 服务器出口 IP 中加入本机公网地址",
                "this machine's address is refused: add its public address in developer console > security > server exit IP",
            );
        } else {
            found.add(
                "trusted_ip",
                FindingState::Good,
                "平台接受本机的 IP",
                "the platform accepts this machine's address",
            );
        }
    }

    async fn robot(&self, found: &mut Found) {
        let robot = &self.config.robot_code;
        let query = vec![("processQueryKey", NOBODY.to_owned()), ("robotCode", robot.clone())];
        let answer = self
            .call(&Request::get("v1.0/robot/oToMessages/readStatus", query))
            .await;
        let what = (
            "发消息、撤回、已读名单、下载附件",
            "sending, recalling, readers, attachments",
        );
        let other = found.permission("qyapi_robot_sendmsg", FindingState::Missing, what, &answer);
        match other {
            Some(f) if f.code.starts_with("invalidParameter.robotCode") || f.code == "robot.notExsit" => found.add(
                "bot",
                FindingState::Missing,
                format!("robot_code {robot} 不是本应用的机器人（{}）：复制 开发者后台 > 机器人 的 RobotCode", f.code),
                format!(
                    "robot_code {robot} is no robot of this app ({}): copy the RobotCode from developer console > robot",
                    f.code
                ),
            ),
            Some(_) => found.add("bot", FindingState::Good, "机器人可用", "the robot answers"),
            None if answer.is_ok() => found.add("bot", FindingState::Good, "机器人可用", "the robot answers"),
            None => found.add(
                "bot",
                FindingState::Unknown,
                "权限具备后才能检查 robot_code",
                "robot_code can be checked once the permission is there",
            ),
        }
    }

    async fn contacts(&self, found: &mut Found) {
        let root = self.config.root_departments.first().copied().unwrap_or(1);
        let list = self
            .call(&Request::old(
                "topapi/v2/department/listsubid",
                json!({ "dept_id": root }),
            ))
            .await;
        let what = ("读取部门", "reading departments");
        let mut outside = Vec::new();
        let other = found.permission("qyapi_get_department_list", FindingState::Missing, what, &list);
        let scope_error = |f: &Failure| matches!(f.code.as_str(), "50004" | "60003");
        let mut readable = list.is_ok();
        if other.as_ref().is_some_and(scope_error) {
            outside.push(root);
        }
        for dept in self.config.root_departments.iter().skip(1) {
            let body = json!({ "dept_id": dept });
            match self.call(&Request::old("topapi/v2/department/listsubid", body)).await {
                Ok(_) => readable = true,
                Err(f) if scope_error(&f) => outside.push(*dept),
                Err(_) => {}
            }
        }
        let people = self
            .call(&Request::old("topapi/user/listid", json!({ "dept_id": root })))
            .await;
        let what = ("读取部门成员", "reading the members of departments");
        found.permission("qyapi_get_department_member", FindingState::Missing, what, &people);
        let body = json!({ "userid": NOBODY, "language": "zh_CN" });
        let one = self.call(&Request::old("topapi/v2/user/get", body)).await;
        let what = ("读取成员信息", "reading one person");
        found.permission("qyapi_get_member", FindingState::Missing, what, &one);
        if !outside.is_empty() {
            let ids: Vec<String> = outside.iter().map(i64::to_string).collect();
            let ids = ids.join(", ");
            found.add(
                "contact_scope",
                FindingState::Missing,
                format!(
                    "部门 {ids} 不在应用的通讯录范围：把 权限管理 > 通讯录权限范围 设为全部员工，或在 root_departments 写可见的部门"
                ),
                format!(
                    "department {ids} is outside the app's contact scope: set the scope to everyone in {}, or list visible departments in root_departments",
                    CONSOLE.1
                ),
            );
        } else if readable {
            found.add(
                "contact_scope",
                FindingState::Good,
                "起始部门都在通讯录范围内",
                "the root departments are inside the contact scope",
            );
        } else {
            found.add(
                "contact_scope",
                FindingState::Unknown,
                "读取部门的权限具备后才能检查通讯录范围",
                "the contact scope can be checked once departments can be read",
            );
        }
    }

    async fn groups(&self, found: &mut Found) {
        if self.config.group_template_id.is_none() {
            found.add(
                "group_template",
                FindingState::Warning,
                "未设置 group_template_id：不能建群和管理成员。在 开发者后台 > 场景群 建含机器人的模板",
                "no group_template_id: no groups can be created. Make a scene group template that holds the robot",
            );
            return;
        }
        let mut body = json!({ "openConversationId": NOBODY });
        if let Some(code) = &self.config.cool_app_code {
            body["coolAppCode"] = code.as_str().into();
        }
        let answer = self.call(&Request::post("v1.0/im/sceneGroups/query", body)).await;
        let what = ("建群与管理成员", "creating groups and managing members");
        found.permission("qyapi_chat_manage", FindingState::Missing, what, &answer);
        found.add(
            "group_template",
            FindingState::Unknown,
            "场景群模板只有建群时才会被检查：请先用 group_template_id 建一个测试群",
            "a scene group template is checked only when a group is made: make a test group first",
        );
    }

    /// Makes an instance that is delivered to nobody: the only call that looks at the template.
    async fn card_template(&self, found: &mut Found, clock: &dyn Clock) {
        let Some(card) = &self.config.card else {
            found.add(
                "card_template",
                FindingState::Warning,
                "未设置 card_template_id：没有按钮、表单和卡片里的 @。在 卡片平台 按文档建模板并发布",
                "no card_template_id: no buttons, forms or mentions in cards. Build and publish the template",
            );
            return;
        };
        if let Err(f) = self.register_card_route().await
            && !permission_missing(&f.code)
        {
            found.add(
                "card_callback",
                FindingState::Missing,
                format!("卡片回调地址登记失败（{} {}）：核对 callback_url", f.code, f.text),
                format!(
                    "the card callback cannot be registered ({} {}): check callback_url",
                    f.code, f.text
                ),
            );
        }
        let mut body = json!({
            "cardTemplateId": card.template_id,
            "outTrackId": format!("{NOBODY}-{}", clock.now().millis()),
            "callbackType": "HTTP",
            "callbackRouteKey": card.route_key,
            "cardData": { "cardParamMap": { "title": NOBODY } },
            "userIdType": 1,
        });
        if self.config.streams() {
            stream::card_callback(&mut body);
        }
        let answer = self.call(&Request::post("v1.0/card/instances", body)).await;
        let what = ("互动卡片", "interactive cards");
        let other = found.permission("Card.Instance.Write", FindingState::Missing, what, &answer);
        match other {
            // The same question twice in one moment: the first instance was made.
            Some(f) if f.code == "param.cardAlreadyExist" => found.add(
                "card_template",
                FindingState::Good,
                "卡片模板可用",
                "the card template works",
            ),
            Some(f) => {
                let hint = codes::hint(&f.code)
                    .unwrap_or("核对 card_template_id 与 card_route_key / check card_template_id and card_route_key");
                let (zh, en) = hint.split_once(" / ").unwrap_or((hint, hint));
                found.add(
                    "card_template",
                    FindingState::Missing,
                    format!("卡片模板 {} 不可用（{} {}）：{zh}", card.template_id, f.code, f.text),
                    format!(
                        "card template {} does not work ({} {}): {en}",
                        card.template_id, f.code, f.text
                    ),
                );
            }
            None if answer.is_ok() => found.add(
                "card_template",
                FindingState::Good,
                "卡片模板可用",
                "the card template works",
            ),
            None => {}
        }
    }

    /// What only some companies use: absent, the bot works without it.
    async fn extras(&self, found: &mut Found, clock: &dyn Clock) {
        let robot = &self.config.robot_code;
        let body = json!({ "robotCode": robot, "openDingId": NOBODY });
        let answer = self.call(&Request::post("v1.0/robot/ding/recall", body)).await;
        let what = (
            "DING，需专业版；没有时改发单聊",
            "DING, professional edition; private messages are sent instead",
        );
        found.permission("Premium.Ding.Write", FindingState::Warning, what, &answer);
        if let Some(user) = &self.config.calendar_user {
            let body = json!({ "userid": user, "language": "zh_CN" });
            let person = self.call(&Request::old("topapi/v2/user/get", body)).await;
            let union = person
                .as_ref()
                .ok()
                .and_then(|p| p.pointer("/result/unionid"))
                .and_then(wire::scalar);
            match union {
                Some(union) => {
                    // Without a title and times nothing is made.
                    let mut request = Request::post("v1.0/calendar/users", json!({}));
                    request
                        .path
                        .extend([union.as_str(), "calendars", "primary", "events"].map(str::to_owned));
                    let answer = self.call(&request).await;
                    let what = ("日程", "calendar entries");
                    found.permission("Calendar.Event.Write", FindingState::Missing, what, &answer);
                }
                None if person.as_ref().is_err_and(|f| permission_missing(&f.code)) => found.add(
                    "calendar_user",
                    FindingState::Unknown,
                    "读取成员的权限具备后才能检查 calendar_user",
                    "calendar_user can be checked once people can be read",
                ),
                None => found.add(
                    "calendar_user",
                    FindingState::Missing,
                    format!("calendar_user {user} 读不到：改为通讯录中的 userId"),
                    format!("calendar_user {user} cannot be read: use a userId of the directory"),
                ),
            }
        }
        if let Some(user) = &self.config.honour_user {
            let mut request = Request::post("v1.0/orgCulture/honors", json!({ "userId": user.as_str() }));
            request.path.extend([NOBODY, "recall"].map(str::to_owned));
            let answer = self.call(&request).await;
            let what = ("荣誉勋章", "honours");
            found.permission("OrgCulture.Honor.Write", FindingState::Missing, what, &answer);
        }
        if self.config.statistics {
            let today = day::rfc3339(clock.now());
            let date = today.get(..10).and_then(day::compact).unwrap_or_default();
            let query = vec![
                ("statDate", date),
                ("pageNumber", "1".to_owned()),
                ("pageSize", "1".to_owned()),
            ];
            let answer = self
                .call(&Request::get("v1.0/exclusive/data/activeGroups", query))
                .await;
            let what = ("群活跃统计，需专属版", "activity of groups, exclusive edition");
            found.permission("Custom.Common.Read", FindingState::Missing, what, &answer);
        }
        if let Some(agent) = &self.config.agent_id {
            match self.notice_result("1").await {
                Err(f) if permission_missing(&f.code) => found.add(
                    "work_notice",
                    FindingState::Warning,
                    format!("不能发工作通知：在 {} 中开通。平台：{}", CONSOLE.0, f.text),
                    format!(
                        "no work notices: grant the permission in {}. The platform: {}",
                        CONSOLE.1, f.text
                    ),
                ),
                _ => found.add(
                    "work_notice",
                    FindingState::Unknown,
                    format!("agent_id {agent} 只有真正发出通知时才会被检查"),
                    format!("agent_id {agent} is checked only when a notice is really sent"),
                ),
            }
        }
    }

    fn month(&self, found: &mut Found, now: Timestamp) {
        let usage = self.quota().usage(now);
        let limit = usage.limit.map_or_else(|| "∞".to_owned(), |limit| limit.to_string());
        let state = if usage.low() {
            FindingState::Warning
        } else {
            FindingState::Good
        };
        let (zh, en) = if usage.used_up {
            (
                "平台称本月调用量已用完：购买调用包，或等到下月",
                "the platform says that the month is used up: buy a package or wait for the next month",
            )
        } else if usage.low() {
            (
                "本月额度将尽：减少催办与卡片更新，或购买调用包",
                "the month is nearly used up: send fewer reminders and card updates, or buy a package",
            )
        } else {
            (
                "只含胡同的调用，公司其他程序也占用额度",
                "calls of Hutong only; other programs of the company use the quota too",
            )
        };
        found.add(
            "quota",
            state,
            format!("{} 已调用 {} / {limit} 次：{zh}", usage.month, usage.calls),
            format!("{}: {} of {limit} calls: {en}", usage.month, usage.calls),
        );
    }
}
