//! `[identity]`: which accounts on different platforms are one person.

use hutong_model::{AppId, UserId};

use super::field::{Wrong, quoted};
use super::reader::Reader;
use super::section::Section;
use crate::directory::people::By;

/// How accounts are joined to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// In the order in which they are tried.
    pub by: Vec<By>,
    /// Accounts of one person each, for what no number or address tells.
    pub map: Vec<Vec<(AppId, UserId)>>,
}

impl Section for Identity {
    const NAME: &'static str = "identity";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let apps: Vec<&str> = reader.app_ids().collect();
        let by = reader.list("by").unique().each(by).get();
        let map = reader.tables("map", |one| {
            one.list("accounts")
                .count(2..=10)
                .unique()
                .each(|text| account(&text, &apps))
                .get()
        });
        Some(Self { by: by?, map: map? })
    }
}

fn by(text: String) -> Result<By, Wrong> {
    By::ALL.into_iter().find(|b| b.as_str() == text).ok_or_else(|| {
        Wrong::new(
            format!("{} is nothing accounts can be joined by", quoted(&text)),
            "use \"employee_no\", \"email\", \"mobile\"",
        )
    })
}

fn account(text: &str, apps: &[&str]) -> Result<(AppId, UserId), Wrong> {
    const HINT: &str = "write \"app:user_id\", for example \"fs:ou_123\"";
    let wrong = |why: &str| Wrong::new(format!("{} is not an account: {why}", quoted(text)), HINT);
    let (app, user) = text.split_once(':').ok_or_else(|| wrong("the app is missing"))?;
    if !apps.contains(&app) {
        return Err(wrong("there is no such app"));
    }
    Ok((
        AppId::new(app).map_err(|e| wrong(e.why))?,
        UserId::new(user).map_err(|e| wrong(e.why))?,
    ))
}
