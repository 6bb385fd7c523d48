//! Where the configuration comes from, and may be read again.

use std::{path::PathBuf, time::SystemTime};

use super::look::{Look, Watch};
use crate::config::{Config, ConfigError, Overrides};

/// The file, if there is one, and the flags that go before it.
#[derive(Debug)]
pub(crate) struct Source {
    file: Option<PathBuf>,
    overrides: Overrides,
    watch: Watch,
}

impl Source {
    /// Reads everything for the first time.
    pub(crate) fn load(file: Option<PathBuf>, overrides: Overrides) -> Result<(Config, Self), ConfigError> {
        let mut source = Self { watch: Watch::new(Look::at(file.as_deref())), file, overrides };
        let (result, _) = source.read();
        Ok((result?, source))
    }

    /// Whether there is any file.
    pub(super) fn has_files(&self) -> bool {
        self.watch.files().next().is_some()
    }

    /// Looks at the files. Whether they differ from what was read, and have rested since the look before.
    pub(super) fn is_due(&mut self) -> bool {
        self.watch.is_due()
    }

    /// Reads everything again. `None` if it changed meanwhile and so may be of no one moment: it is due again as soon
    /// as it rests.
    pub(super) fn load_again(&mut self) -> Option<Result<Config, ConfigError>> {
        let (result, is_torn) = self.read();
        (!is_torn).then_some(result)
    }

    fn read(&mut self) -> (Result<Config, ConfigError>, bool) {
        let start = SystemTime::now();
        let before = Look::at(self.watch.files());
        // If reading fails for a bug, then once for each state of the files.
        self.watch = Watch::new(before.clone());
        let result = Config::load(self.file.as_deref(), &self.overrides);
        let named = match &result {
            Ok(config) => &*config.files,
            Err(error) => error.files(),
        };
        // After a failure what had a part before may be what is missing.
        let had_a_part = if result.is_err() { Some(before.files()) } else { None };
        let files = named.iter().map(PathBuf::as_path).chain(self.file.as_deref());
        let mut look = Look::at(files.chain(had_a_part.into_iter().flatten()));
        let is_torn = look.contradicts(&before);
        look.doubt_since(start);
        self.watch = Watch::new(look);
        if is_torn {
            self.watch.forget();
        }
        (result, is_torn)
    }
}
