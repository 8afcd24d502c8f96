//! Welcome texts: those of the configuration and those that operators wrote.

use super::config::{Onboard, Words};
use super::store;
use crate::directory::Person;
use crate::rules::{Ctx, RuleError};

/// What stands for the text of the program itself, which is used when there is no other.
pub const BUILT_IN: &str = "default";

/// All texts, by id. What the configuration says wins.
pub async fn effective(ctx: &mut Ctx, config: &Onboard) -> Result<Vec<Words>, RuleError> {
    let mut list: Vec<Words> = config.words.clone();
    for words in store::words(ctx.tx()).await? {
        if !list.iter().any(|w| w.id == words.id) {
            list.push(words);
        }
    }
    list.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(list)
}

/// Fills in `{name}`, `{company}` and `{dept}`, once: a name that looks like a placeholder stays.
pub fn fill(template: &str, person: &Person, company: &str) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let dept = person.department_name.as_deref().unwrap_or(company);
        let known = [
            ("{name}", person.name.as_str()),
            ("{company}", company),
            ("{dept}", dept),
        ];
        match known
            .iter()
            .find_map(|(mark, value)| Some((from.strip_prefix(mark)?, value)))
        {
            Some((after, value)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether an id may be typed for a text: 1 to 20 letters, digits, `-`, `_` or Chinese characters.
pub fn is_id(text: &str) -> bool {
    let count = text.chars().count();
    (1..=20).contains(&count) && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}
