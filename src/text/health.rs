//! What `/health` says about one app in full.

use super::Lang;
use super::service::ability;
use hutong_model::Ability;

#[derive(Debug, Clone)]
pub enum Say<'a> {
    Title {
        app: &'a str,
    },
    Works {
        features: &'a [&'a str],
    },
    Degraded {
        feature: &'a str,
        less: &'a [&'a str],
    },
    Off {
        feature: &'a str,
        lacks: &'a [Ability],
    },
    Missing {
        what: &'a str,
    },
    Warning {
        what: &'a str,
    },
    More {
        n: usize,
    },
    Asked {
        minutes: i64,
        good: usize,
    },
    NotAsked,
    /// A part of an app's line in the overview.
    Checked {
        missing: usize,
        warnings: usize,
        app: &'a str,
    },
    MoreApps {
        apps: &'a str,
    },
    NoSuchApp {
        typed: &'a str,
        known: &'a str,
    },
}

/// Longest finding that a phone shows well.
const LONGEST: usize = 90;

fn short(text: &str) -> String {
    match text.chars().count() > LONGEST {
        true => text.chars().take(LONGEST).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

impl Say<'_> {
    pub fn in_lang(&self, lang: Lang) -> String {
        match lang {
            Lang::Zh => self.zh(),
            Lang::En => self.en(),
        }
    }

    fn zh(&self) -> String {
        match self {
            Say::Title { app } => format!("体检 · {app}"),
            Say::Works { features } => format!("正常:{}", features.join("、")),
            Say::Degraded { feature, less } => format!("打折:{feature}({})", less.join(";")),
            Say::Off { feature, lacks } => format!("没有:{feature}(缺 {})", abilities(lacks, Lang::Zh)),
            Say::Missing { what } => format!("要补:{}", short(what)),
            Say::Warning { what } => format!("提醒:{}", short(what)),
            Say::More { n } => format!("还有 {n} 条,用 hutong check --online 看全部"),
            Say::Asked { minutes, good } => format!("{minutes} 分钟前向平台核对过,{good} 项齐全"),
            Say::NotAsked => "还没有向平台核对过权限;可在服务器上运行 hutong check --online".to_owned(),
            Say::Checked {
                missing: 0,
                warnings: 0,
                ..
            } => "权限齐全".to_owned(),
            Say::Checked { missing, warnings, app } => {
                format!("权限缺 {missing} 项、提醒 {warnings} 项:/体检 应用={app}")
            }
            Say::MoreApps { apps } => format!("还有:{apps}。用 /体检 应用=… 看其中一个"),
            Say::NoSuchApp { typed, known } => format!("没有应用「{typed}」。现有:{known}"),
        }
    }

    fn en(&self) -> String {
        match self {
            Say::Title { app } => format!("Health · {app}"),
            Say::Works { features } => format!("Works: {}", features.join(", ")),
            Say::Degraded { feature, less } => format!("Less: {feature} ({})", less.join("; ")),
            Say::Off { feature, lacks } => format!("Off: {feature} (lacks {})", abilities(lacks, Lang::En)),
            Say::Missing { what } => format!("Missing: {}", short(what)),
            Say::Warning { what } => format!("Note: {}", short(what)),
            Say::More { n } => format!("{n} more: see hutong check --online"),
            Say::Asked { minutes, good } => {
                format!("The platform was asked {minutes} min ago; {good} answers are good")
            }
            Say::NotAsked => {
                "The platform has not been asked for permissions yet; run hutong check --online on the server"
                    .to_owned()
            }
            Say::Checked {
                missing: 0,
                warnings: 0,
                ..
            } => "permissions complete".to_owned(),
            Say::Checked { missing, warnings, app } => {
                format!("permissions: {missing} missing, {warnings} to note: /health app={app}")
            }
            Say::MoreApps { apps } => format!("Also: {apps}. See one with /health app=…"),
            Say::NoSuchApp { typed, known } => format!("There is no app \"{typed}\". There are: {known}"),
        }
    }
}

fn abilities(list: &[Ability], lang: Lang) -> String {
    let names: Vec<&str> = list.iter().map(|a| ability(*a, lang)).collect();
    names.join(if lang == Lang::Zh { "、" } else { ", " })
}
