//! The private card of a reviewer: what it says now, what changed, what the lexicon found.

use std::time::Duration;

use chrono::Datelike as _;
use hutong_model::{ButtonStyle, Inline, Message, Timestamp};

use super::decide::closes;
use super::gate::by_hand;
use super::store::Review;
use super::{Desk, day_of};
use crate::directory::PersonId;
use crate::issues::{self, Issue};
use crate::lexicon::{Hit, Level};
use crate::rules::{Ctx, RuleError, Who};
use crate::text::Lang;
use crate::text::review::Say;

/// Lines of content, of changes and words: the card stays within a phone.
const CONTENT_LINES: usize = 4;
const CHANGE_LINES: usize = 3;
const WORDS: usize = 5;
/// Characters of a line.
const LINE: usize = 120;
/// How long the buttons of a card stay good.
const VALID: Duration = Duration::from_secs(14 * 86_400);

fn short(text: &str, chars: usize) -> String {
    let one_line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match one_line.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", one_line.get(..end).unwrap_or_default()),
        None => one_line,
    }
}

/// The text with the words found in it set off.
pub(super) fn marked(text: &str, hits: &[Hit<'_>]) -> Vec<Inline> {
    let chars: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let piece = |from: usize, to: usize| chars.get(from..to).unwrap_or_default().iter().collect::<String>();
    let (mut list, mut at, end) = (Vec::new(), 0, chars.len().min(LINE));
    for hit in hits {
        let (from, to) = (hit.start.max(at).min(end), hit.end.min(end));
        if from >= to {
            continue;
        }
        list.push(Inline::Text(piece(at, from)));
        list.push(Inline::Strong(format!("【{}】", piece(from, to))));
        at = to;
    }
    list.push(Inline::Text(piece(at, end)));
    if end < chars.len() {
        list.push(Inline::Text("…".to_owned()));
    }
    list.retain(|i| !matches!(i, Inline::Text(t) if t.is_empty()));
    list
}

/// Lines only the old, and only the new version has.
pub(super) fn difference(old: &[String], new: &[String]) -> (Vec<String>, Vec<String>) {
    let missing = |from: &[String], other: &[String]| {
        let mut rest: Vec<&String> = other.iter().collect();
        from.iter()
            .filter(|line| match rest.iter().position(|r| r == line) {
                Some(at) => {
                    rest.swap_remove(at);
                    false
                }
                None => true,
            })
            .cloned()
            .collect()
    };
    (missing(old, new), missing(new, old))
}

/// What a machine can tell of the checklist: sources, dates, personal data absent.
fn checks(text: &str) -> (bool, bool, bool) {
    let source = ["来源", "出处", "http://", "https://", "source"]
        .iter()
        .any(|w| text.contains(w));
    let chars: Vec<char> = text.chars().collect();
    let dated = chars.windows(2).any(|w| match w {
        [a, b] => a.is_ascii_digit() && matches!(b, '月' | '日' | '年' | '-' | '/' | '季'),
        _ => false,
    });
    // A phone number or an identity card has 11 digits or more in a row.
    let mut run = 0;
    let personal = !chars.iter().any(|c| {
        run = if c.is_ascii_digit() { run + 1 } else { 0 };
        run >= 11
    });
    (source, dated, personal)
}

pub(super) fn level(level: Level, lang: Lang) -> &'static str {
    match (lang, level) {
        (Lang::Zh, Level::Block) => "不能发",
        (Lang::Zh, Level::Review) => "需审",
        (Lang::Zh, Level::Note) => "提示",
        (Lang::Zh, Level::Allow) => "放行",
        (Lang::En, level) => level.as_str(),
    }
}

impl Desk {
    /// `周一 11-30 09:30`
    pub(super) fn time(&self, at: Timestamp, lang: Lang) -> String {
        let local = crate::rules::local(self.calendar.zone, at);
        match lang {
            Lang::Zh => {
                let weekday = crate::config::weekday_zh(local.weekday());
                format!("{weekday} {}", local.format("%m-%d %H:%M"))
            }
            Lang::En => local.format("%a %m-%d %H:%M").to_string(),
        }
    }

    pub(super) async fn card(
        &self,
        ctx: &mut Ctx,
        issue: &Issue,
        review: &Review,
        lang: Lang,
        only: &PersonId,
    ) -> Result<Message, RuleError> {
        let title = issue.content.title.as_str();
        let day = day_of(issue);
        let author = match &issue.author {
            Some(author) => ctx.directory().person(author).await?.map(|p| p.name),
            None => None,
        };
        let author = author.unwrap_or_else(|| Say::Pool.in_lang(lang));
        let head = Say::CardHead {
            author: &author,
            version: issue.version,
            number: issue.id,
        };
        let mut card = Message::card(Say::CardTitle { title, day }.in_lang(lang)).line(head.in_lang(lang));
        let post = review.state == "post";
        if post {
            let until = self.time(review.until_at, lang);
            card = card.line(Say::PostHead { until: &until }.in_lang(lang));
        }
        let (mut words, mut shown) = (Vec::new(), 0);
        let now = ctx.now();
        let chats = self.chats(ctx.tx(), issue).await?;
        self.words_in(&chats, &issue.content, now, |line, hits| {
            for hit in hits {
                words.push(format!("{}「{}」", level(hit.level(), lang), hit.entry.word));
            }
            // Lines with a find are what a reviewer must see; the others as far as there is room.
            if !hits.is_empty() || shown < CONTENT_LINES {
                shown += 1;
                if shown <= CONTENT_LINES + 2 {
                    let message = std::mem::take(&mut card);
                    card = message.paragraph(marked(line, hits));
                }
            }
        });
        let versions = issues::versions(ctx.tx(), issue.id).await?;
        let before = versions.iter().rev().find(|v| v.version < issue.version);
        match before {
            None => card = card.note(Say::First.in_lang(lang)),
            Some(before) => {
                let (gone, new) = difference(&before.content.lines(), &issue.content.lines());
                for text in gone.iter().take(CHANGE_LINES) {
                    let text = short(text, LINE);
                    card = card.line(Say::Removed { text: &text }.in_lang(lang));
                }
                for text in new.iter().take(CHANGE_LINES) {
                    let text = short(text, LINE);
                    card = card.line(Say::Added { text: &text }.in_lang(lang));
                }
            }
        }
        words.truncate(WORDS);
        let list = words.join("、");
        card = card.line(match words.is_empty() {
            true => Say::NoWords.in_lang(lang),
            false => Say::Words { list: &list }.in_lang(lang),
        });
        let (source, dated, personal) = checks(&issue.content.lines().join("\n"));
        card = card.line(
            Say::Checks {
                source,
                dated,
                personal,
            }
            .in_lang(lang),
        );
        let sha = issue.sha256.get(..8).unwrap_or(&issue.sha256).to_owned();
        if !post && !by_hand(issue) {
            let closes = self.time(closes(issue.due_at), lang);
            card = card.note(
                Say::Print {
                    sha: &sha,
                    closes: &closes,
                }
                .in_lang(lang),
            );
        }
        // The whole fingerprint does not fit into a button; a version has one content for ever.
        let args = vec![issue.id.to_string(), issue.version.to_string(), sha];
        let due = self.time(issue.due_at, lang);
        let yes = match post {
            true => Say::YesAfter,
            false => Say::Yes { due: &due },
        };
        let who = Who::Only(only);
        let mut buttons = vec![ctx.button(yes.in_lang(lang), "yes", args.clone(), ButtonStyle::Primary, who, VALID)?];
        if !post {
            let no = Say::No.in_lang(lang);
            buttons.push(ctx.button(no, "no", args.clone(), ButtonStyle::Danger, who, VALID)?);
            let time = Say::OtherTime.in_lang(lang);
            buttons.push(ctx.button(time, "time", args, ButtonStyle::Normal, who, VALID)?);
        }
        Ok(card.buttons(buttons))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(list: &[&str]) -> Vec<String> {
        list.iter().map(|l| (*l).to_owned()).collect()
    }

    #[test]
    fn what_changed() {
        let (gone, new) = difference(&lines(&["甲", "12%", "甲"]), &lines(&["甲", "11.6%", "乙"]));
        assert_eq!((gone, new), (lines(&["12%", "甲"]), lines(&["11.6%", "乙"])));
    }

    #[test]
    fn the_checklist_sees_what_a_machine_can() {
        assert_eq!(checks("见 https://a.example ,11月发布"), (true, true, true));
        assert_eq!(checks("电话 13800000000"), (false, false, false));
    }
}
