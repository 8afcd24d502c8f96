//! `[[segment]]`: names for conditions about people; `[interests]`: what people can choose.

use crate::config::{Reader, Section, Wrong};
use crate::segment::{Expr, parse};
use crate::text::Lang;

/// A named condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub id: String,
    /// What people call it.
    pub title: String,
    pub condition: Expr,
}

impl Section for Segment {
    const NAME: &'static str = "segment";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let id = reader.id("id").get();
        let title = reader.text("title").length(1..=30).maybe();
        let condition = reader
            .text("where")
            .parse(|text| {
                parse(&text).map_err(|error| Wrong::new(format!("is wrong {error}"), error.mistake.hint(Lang::En)))
            })
            .get();
        let id = id?;
        Some(Self {
            title: title.unwrap_or_else(|| id.clone()),
            id,
            condition: condition?,
        })
    }
}

/// What people can choose with `/加入`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interests {
    pub names: Vec<String>,
}

impl Section for Interests {
    const NAME: &'static str = "interests";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let names = reader.list("names").count(1..=50).unique().each(name).get();
        Some(Self { names: names? })
    }
}

fn name(text: String) -> Result<String, Wrong> {
    let name = text.trim();
    let fits = (1..=20).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    match fits {
        true => Ok(name.to_owned()),
        false => Err(Wrong::new(
            format!("{text:?} is not a name of an interest"),
            "1 to 20 characters, for example \"摄影\"",
        )),
    }
}
