//! `[review]`: who looks at a column before it is sent, and the words that are looked for.

use std::time::Duration;

use crate::config::{Environment, Reader, Section, Wrong};
use crate::lexicon::{Handle, Lexicon, Problem, Source};

/// What must happen before an issue is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// Somebody else than its authors must have said yes to exactly this content.
    TwoPerson,
    /// Nobody looks at columns.
    Off,
}

/// Issues sent by hand, now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgent {
    /// They go, and somebody must look at them within two hours.
    PostReview,
    /// They do not go.
    Off,
}

/// `[review]`
#[derive(Debug, Clone)]
pub struct Review {
    pub columns: Columns,
    /// Ids of the columns that are reviewed; empty: all.
    pub only: Vec<String>,
    pub urgent: Urgent,
    /// Employee numbers of those who are asked when no reviewer decides.
    pub deputies: Vec<String>,
    /// How long reviewers have before the deputies are asked.
    pub deputy_after: Duration,
    /// Authors of messages in groups are told about words of the lexicon.
    pub members: bool,
    /// Paths as written.
    pub files: Vec<String>,
    pub words: Handle,
}

impl Review {
    /// Reads the files of words again. True when the words in force are other ones now. Errors: why the
    /// files cannot be used; the words in force stay.
    pub fn reread(&self, env: &dyn Environment) -> Result<bool, Problem> {
        let mut sources = Vec::with_capacity(self.files.len());
        for name in &self.files {
            let text = env.file(name).map_err(|reason| Problem {
                file: name.clone(),
                line: 0,
                reason,
            })?;
            let name = name.clone();
            sources.push(Source { name, text });
        }
        self.words.replace(sources).map_err(|problems| {
            problems.into_iter().next().unwrap_or(Problem {
                file: String::new(),
                line: 0,
                reason: "refused".to_owned(),
            })
        })
    }
}

impl PartialEq for Review {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns
            && self.only == other.only
            && self.urgent == other.urgent
            && self.deputies == other.deputies
            && self.deputy_after == other.deputy_after
            && self.members == other.members
            && self.files == other.files
    }
}

impl Section for Review {
    const NAME: &'static str = "review";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        const HOUR: Duration = Duration::from_secs(3_600);
        let columns = reader
            .text("columns")
            .one_of(&[("two_person", Columns::TwoPerson), ("off", Columns::Off)])
            .get();
        let ids = reader.ids_of("column");
        let only = reader.list("only").count(0..=100).unique();
        let only = only.each(|id| ids.check(&id).map(|()| id)).get();
        let urgent = reader
            .text("urgent")
            .one_of(&[("post_review_2h", Urgent::PostReview), ("off", Urgent::Off)])
            .get();
        let deputies = reader.list("deputies").count(0..=20).unique().texts().get();
        let deputy_after = reader.duration("deputy_after").range(HOUR / 6..=48 * HOUR).get();
        let members = reader.boolean("members").get();
        let env = reader.shared.env;
        let files = reader.list("lexicon").count(0..=10).unique().each(|path| {
            let text = env.file(&path).map_err(|why| {
                let what = format!("the file {path:?} cannot be read: {why}");
                Wrong::new(what, "relative paths begin at the folder of this file; [] for no words")
            })?;
            let problems = Lexicon::build([(path.as_str(), text.as_str())])
                .err()
                .unwrap_or_default();
            match problems.first() {
                None => Ok(Source { name: path, text }),
                Some(first) => {
                    let more = problems.len() - 1;
                    let hint = format!(
                        "one word a line, five fields with tabs: see docs/review.md; {more} more lines are wrong"
                    );
                    Err(Wrong::new(first.to_string(), hint))
                }
            }
        });
        let sources = files.get()?;
        let words = match Handle::open(sources.clone()) {
            Ok(words) => words,
            // Each file was fine alone; together they are too many.
            Err(problems) => {
                let what = problems.first().map(ToString::to_string).unwrap_or_default();
                reader.wrong("lexicon", Wrong::new(what, "fewer lines"));
                return None;
            }
        };
        Some(Self {
            columns: columns?,
            only: only?,
            urgent: urgent?,
            deputies: deputies?,
            deputy_after: deputy_after?,
            members: members?,
            files: sources.into_iter().map(|s| s.name).collect(),
            words,
        })
    }
}
