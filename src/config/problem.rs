//! What is wrong with a config file, for people and for tools.

use std::fmt;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, renderer::DecorStyle};

use super::source::Place;

/// One thing that is wrong, and where. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Problem {
    pub(super) place: Place,
    /// The key it is about, from the top of the file: `column[2].every.time`. Elements count from 1.
    pub key: String,
    /// What is wrong, one sentence, with the offending text.
    pub what: String,
    /// What is allowed or what to do, one sentence.
    pub hint: String,
}

impl Problem {
    pub fn line(&self) -> usize {
        self.place.line
    }
    pub fn column(&self) -> usize {
        self.place.column
    }
    /// The column after the offending text.
    pub fn end_column(&self) -> usize {
        self.place.end_column
    }
    /// The line as it may be shown: secrets are hidden.
    pub fn line_text(&self) -> &str {
        &self.place.shown
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{} {}: {} ({})",
            self.line(),
            self.column(),
            self.key,
            self.what,
            self.hint
        )
    }
}

/// Everything that is wrong with one file, in the order of the file. Never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Problems {
    pub(super) file: String,
    pub(super) list: Vec<Problem>,
}

impl Problems {
    pub fn file(&self) -> &str {
        &self.file
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// For a person: every problem with its line, the offending text underlined, and a hint.
    pub fn render(&self, colour: bool) -> String {
        let renderer = match colour {
            true => Renderer::styled(),
            false => Renderer::plain(),
        }
        .decor_style(DecorStyle::Ascii);
        let mut out = String::new();
        for problem in &self.list {
            let snippet = Snippet::source(problem.place.shown.as_str())
                .line_start(problem.line())
                .path(self.file.as_str())
                .annotation(AnnotationKind::Primary.span(problem.place.mark.clone()));
            let title = match problem.key.as_str() {
                "" => problem.what.clone(),
                key => format!("{key}: {}", problem.what),
            };
            let group = Level::ERROR.primary_title(title).element(snippet);
            let group = match problem.hint.as_str() {
                "" => group,
                hint => group.element(Level::HELP.message(hint)),
            };
            out.push_str(&renderer.render(&[group]));
            out.push_str("\n\n");
        }
        let count = self.list.len();
        out.push_str(&format!(
            "{}: {count} {}\n",
            self.file,
            if count == 1 { "problem" } else { "problems" }
        ));
        out
    }

    /// For tools: one JSON object per line with `file`, `line`, `column`, `end_column`, `key`,
    /// `what`, `hint`.
    pub fn json_lines(&self) -> String {
        self.list.iter().fold(String::new(), |mut out, problem| {
            out.push_str(&self.json(problem).to_string());
            out.push('\n');
            out
        })
    }

    pub(crate) fn json(&self, problem: &Problem) -> serde_json::Value {
        serde_json::json!({
            "file": self.file,
            "line": problem.line(),
            "column": problem.column(),
            "end_column": problem.end_column(),
            "key": problem.key,
            "what": problem.what,
            "hint": problem.hint,
        })
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.file)?;
        f.debug_list().entries(&self.list).finish()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
