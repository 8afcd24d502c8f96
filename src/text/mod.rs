//! The message catalogue: everything the bot says, in Chinese and English, and nothing else.
//!
//! One file per speaker (rule module or service). Each file has one enum whose variants carry typed
//! arguments and one exhaustive `match` per language, so that a missing translation does not
//! compile. Names of commands, in both languages, are in [`commands`].

pub mod alerts;
pub mod calendar;
pub mod columns;
pub mod commands;
pub mod condition;
pub mod directory;
pub mod groups;
pub mod health;
pub mod newcomers;
pub mod noise;
pub mod points;
pub mod rehearse;
pub mod reports;
pub mod review;
pub mod segments;
pub mod service;

/// The language a person is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lang {
    #[default]
    Zh,
    En,
}

impl Lang {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "zh" => Some(Lang::Zh),
            "en" => Some(Lang::En),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Lang::Zh => "zh",
            Lang::En => "en",
        }
    }
}
