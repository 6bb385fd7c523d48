//! Errors in one line.

use std::error::Error;

/// An error and what lies behind it.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it failed")]
    struct Failed(#[source] std::num::ParseIntError);

    #[test]
    fn an_error_names_what_lies_behind_it() {
        let error = Failed("x".parse::<u8>().unwrap_err());
        assert_eq!(with_sources(&error), "it failed: invalid digit found in string");
    }
}
