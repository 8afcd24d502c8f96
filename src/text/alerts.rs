//! What the bot tells its operators when an app does not hear or cannot speak.

use hutong_model::Message;

use super::Lang;

/// What is wrong with an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The platform refuses the long connection; `text` says what to do.
    Refused { code: String, text: String },
    /// Somebody else has taken the long connection over.
    Evicted,
    /// No long connection for so long.
    Deaf { minutes: u64 },
    /// The platform refuses the app's credentials.
    Token { why: String },
    /// Messages that may have arrived wait for a decision.
    Parked { count: i64 },
}

impl Trouble {
    pub const CAUSES: [&'static str; 5] = ["refused", "evicted", "deaf", "token", "parked"];

    pub fn cause(&self) -> &'static str {
        match self {
            Trouble::Refused { .. } => "refused",
            Trouble::Evicted => "evicted",
            Trouble::Deaf { .. } => "deaf",
            Trouble::Token { .. } => "token",
            Trouble::Parked { .. } => "parked",
        }
    }
}

#[derive(Debug, Clone)]
pub enum Say<'a> {
    Broken { app: &'a str, trouble: &'a Trouble },
    Mended { app: &'a str, cause: &'a str },
}

/// Cause, what is needed, what to do next.
type Lines = (String, String, String);

impl Say<'_> {
    pub fn message(&self, lang: Lang) -> Message {
        match (self, lang) {
            (Say::Broken { app, trouble }, Lang::Zh) => {
                let (cause, need, next) = zh(trouble);
                Message::card(format!("告警:应用 {app}"))
                    .line(format!("原因:{cause}"))
                    .line(format!("要求:{need}"))
                    .line(format!("下一步:{next}"))
                    .line("恢复后会再通知一次;同一原因每天最多提醒一次。".to_owned())
            }
            (Say::Broken { app, trouble }, Lang::En) => {
                let (cause, need, next) = en(trouble);
                Message::card(format!("Alert: app {app}"))
                    .line(format!("Cause: {cause}"))
                    .line(format!("Needed: {need}"))
                    .line(format!("Next: {next}"))
                    .line("You will hear when it is well again; at most one alert a day for one cause.".to_owned())
            }
            (Say::Mended { app, cause }, Lang::Zh) => {
                let what = match *cause {
                    "token" => "凭证重新有效",
                    "parked" => "待决定的消息都已处理",
                    _ => "长连接已重新连上",
                };
                Message::text(format!("已恢复:应用 {app},{what}。"))
            }
            (Say::Mended { app, cause }, Lang::En) => {
                let what = match *cause {
                    "token" => "its credentials are accepted again",
                    "parked" => "no message waits for a decision any more",
                    _ => "its long connection is up again",
                };
                Message::text(format!("Mended: app {app}, {what}."))
            }
        }
    }
}

fn zh(trouble: &Trouble) -> Lines {
    match trouble {
        Trouble::Refused { code, text } => (
            format!("平台拒绝了长连接({code})"),
            "凭证、权限和长连接设置都正确".to_owned(),
            format!("{text};改好后五分钟内自动重连"),
        ),
        Trouble::Evicted => (
            "长连接被别处的同一个机器人占用,本机收不到消息".to_owned(),
            "同一个机器人只能有一处连接".to_owned(),
            "找到并停掉另一处程序;五分钟内自动重连".to_owned(),
        ),
        Trouble::Deaf { minutes } => (
            format!("长连接已断开 {minutes} 分钟,收不到消息"),
            "服务器能访问平台的长连接地址".to_owned(),
            "检查服务器的外网出口、代理和平台状态;程序一直在重连".to_owned(),
        ),
        Trouble::Token { why } => (
            format!("平台不认可应用的凭证({why})"),
            "应用已启用,密钥与后台一致".to_owned(),
            "在平台后台核对密钥,更新配置后重启;可用 hutong check --online 检查".to_owned(),
        ),
        Trouble::Parked { count } => (
            format!("{count} 条消息不确定是否送达,已停下等待决定"),
            "由人确认是否已经送达,避免重复发送".to_owned(),
            "运行 hutong outbox parked 查看,再用 outbox resend 或 settle 处理".to_owned(),
        ),
    }
}

fn en(trouble: &Trouble) -> Lines {
    match trouble {
        Trouble::Refused { code, text } => (
            format!("the platform refuses the long connection ({code})"),
            "credentials, rights and the long-connection setting must be right".to_owned(),
            format!("{text}; it is tried again within five minutes"),
        ),
        Trouble::Evicted => (
            "the same bot is connected from somewhere else, so nothing is heard here".to_owned(),
            "only one place may hold the connection".to_owned(),
            "find and stop the other program; we connect again within five minutes".to_owned(),
        ),
        Trouble::Deaf { minutes } => (
            format!("no long connection for {minutes} minutes: nothing is heard"),
            "this server must reach the platform's long-connection address".to_owned(),
            "check the way out, the proxy and the platform's status; we keep trying".to_owned(),
        ),
        Trouble::Token { why } => (
            format!("the platform does not accept the app's credentials ({why})"),
            "the app is enabled and the secret is the one in the console".to_owned(),
            "compare the secret with the console, correct the configuration and restart; hutong check --online helps"
                .to_owned(),
        ),
        Trouble::Parked { count } => (
            format!("{count} messages may or may not have arrived and wait for a decision"),
            "somebody looks whether they arrived, so that nothing is posted twice".to_owned(),
            "hutong outbox parked lists them; settle with outbox resend or outbox settle".to_owned(),
        ),
    }
}
