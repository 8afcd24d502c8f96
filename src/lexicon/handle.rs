//! The lexicon in force, and how it is changed while the program runs.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Lexicon, Problem};

/// A file of words as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As the configuration names it.
    pub name: String,
    pub text: String,
}

/// The lexicon in force; all clones share it.
#[derive(Debug, Clone, Default)]
pub struct Handle {
    current: Arc<ArcSwap<State>>,
}

#[derive(Debug, Default)]
struct State {
    lexicon: Arc<Lexicon>,
    sources: Vec<Source>,
    refused: Vec<Problem>,
}

impl Handle {
    /// Errors: as [`Lexicon::build`].
    pub fn open(sources: Vec<Source>) -> Result<Self, Vec<Problem>> {
        let handle = Self::default();
        handle.replace(sources)?;
        Ok(handle)
    }

    pub fn lexicon(&self) -> Arc<Lexicon> {
        self.current.load().lexicon.clone()
    }

    /// Why the newest files are not in force; empty when they are.
    pub fn refused(&self) -> Vec<Problem> {
        self.current.load().refused.clone()
    }

    /// Puts these files in force. With any broken line nothing changes but [`Handle::refused`].
    /// Returns false when they were looked at before.
    pub fn replace(&self, sources: Vec<Source>) -> Result<bool, Vec<Problem>> {
        let before = self.current.load_full();
        if before.sources == sources && !before.lexicon.files.is_empty() {
            return Ok(false);
        }
        let built = Lexicon::build(sources.iter().map(|s| (s.name.as_str(), s.text.as_str())));
        let (lexicon, refused) = match built {
            Ok(lexicon) => (Arc::new(lexicon), Vec::new()),
            Err(problems) => (before.lexicon.clone(), problems),
        };
        let result = match refused.is_empty() {
            true => Ok(true),
            false => Err(refused.clone()),
        };
        self.current.store(Arc::new(State {
            lexicon,
            sources,
            refused,
        }));
        result
    }
}
