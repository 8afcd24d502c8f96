//! What the loader asks of the world outside: variables, secret files, the clock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hutong_model::{Clock, Secret};

/// Secret files and holiday files are small; anything larger is the wrong file.
const MAX_FILE: u64 = 16 << 20;

/// Handed in, so that tests need neither variables nor files.
pub trait Environment {
    /// The value of an environment variable. `None`: not set, or not Unicode.
    fn variable(&self, name: &str) -> Option<String>;
    /// The text of a file; relative paths begin at the folder of the config file.
    /// The error says why in a few words, without the content.
    fn file(&self, path: &str) -> Result<String, String>;
    /// The clock that adapters are built with.
    fn clock(&self) -> Arc<dyn Clock>;
}

/// The environment of this process.
#[derive(Debug, Clone)]
pub struct ProcessEnvironment {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

impl ProcessEnvironment {
    /// `config_file` is the file that will be loaded.
    pub fn beside(config_file: &Path, clock: Arc<dyn Clock>) -> Self {
        let folder = config_file.parent().unwrap_or(Path::new("")).to_owned();
        Self { folder, clock }
    }
}

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Result<String, String> {
        let path = self.folder.join(path);
        let meta = std::fs::metadata(&path).map_err(|e| e.kind().to_string())?;
        if !meta.is_file() {
            return Err("not a file".to_owned());
        }
        if meta.len() > MAX_FILE {
            return Err("larger than 16 MiB".to_owned());
        }
        std::fs::read_to_string(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::InvalidData => "not UTF-8 text".to_owned(),
            kind => kind.to_string(),
        })
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }
}

/// Names of variables are upper case here, so that a secret pasted in place of a name is refused
/// and not printed.
pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.len() <= 64
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// A file of a secret store ends with a line break that is not part of the secret.
pub(super) fn secret_of_file(text: String) -> Secret {
    Secret::new(
        text.strip_suffix('\n')
            .map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t)),
    )
}

/// An environment made of two lists: for tests, for the demo, for rehearsals.
#[derive(Debug, Clone, Default)]
pub struct FixedEnvironment {
    variables: Vec<(String, Secret)>,
    files: Vec<(String, Secret)>,
    clock: hutong_model::ManualClock,
}

impl FixedEnvironment {
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), Secret::new(value)));
        self
    }
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), Secret::new(text)));
        self
    }
    pub fn clock(mut self, clock: hutong_model::ManualClock) -> Self {
        self.clock = clock;
        self
    }
}

impl Environment for FixedEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        let found = self.variables.iter().find(|(n, _)| n == name)?;
        Some(found.1.expose().to_owned())
    }
    fn file(&self, path: &str) -> Result<String, String> {
        let found = self.files.iter().find(|(p, _)| p == path);
        found
            .map(|(_, text)| text.expose().to_owned())
            .ok_or_else(|| "entity not found".to_owned())
    }
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_upper_case_names_are_variables() {
        for good in ["A", "FEISHU_APP_SECRET", "X2"] {
            assert!(is_variable(good));
        }
        for bad in [
            "",
            "a",
            "2X",
            "dG9rZW4",
            "A-B",
            "A B",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr",
        ] {
            assert!(!is_variable(bad));
        }
    }

    #[test]
    fn one_line_break_at_the_end_of_a_secret_file_is_dropped() {
        for (text, secret) in [
            ("abc", "abc"),
            ("abc\n", "abc"),
            ("abc\r\n", "abc"),
            ("abc\n\n", "abc\n"),
            (" a ", " a "),
        ] {
            assert_eq!(secret_of_file(text.to_owned()).expose(), secret);
        }
    }

    #[test]
    fn files_are_read_beside_the_config_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s.txt"), "abc\n").unwrap();
        std::fs::write(folder.path().join("bad.txt"), [0xff, 0xfe]).unwrap();
        let env = ProcessEnvironment::beside(
            &folder.path().join("hutong.toml"),
            Arc::new(hutong_model::ManualClock::default()),
        );
        assert_eq!(env.file("s.txt").unwrap(), "abc\n");
        assert_eq!(env.file("bad.txt").unwrap_err(), "not UTF-8 text");
        assert_eq!(env.file(".").unwrap_err(), "not a file");
        assert!(env.file("none.txt").unwrap_err().contains("not found"));
    }
}
