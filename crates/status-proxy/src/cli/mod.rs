//! The command line.

mod catalog;
mod check;
mod output;
mod run;

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{config::ConfigError, demo, sources::with_sources};

/// Makes the documentation of status codes true: a sidecar reverse proxy that classifies, describes and counts what
/// backends answer.
#[derive(Debug, Parser)]
#[command(name = "status-proxy", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: a proxy in front of one or several backends
    Run(Box<run::Arguments>),
    /// Read a configuration file and report everything that is wrong with it
    Check(check::Arguments),
    /// Look at catalogs: what documents promise about status codes
    Catalog(catalog::Arguments),
    /// See it work: a backend that does everything wrong, with the proxy in front
    Demo,
}

/// Why the program ends unhappily.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments or the configuration make no sense: nothing was started.
    #[error("{0}")]
    Usage(String),
    /// It makes sense, but does not work.
    #[error("{0}")]
    Runtime(String),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Runtime(_) => ExitCode::FAILURE,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        if let ConfigError::Invalid(report) = &error {
            // The picture of every error first, then how many there are.
            output::error_picture(&report.picture(output::is_coloured(&std::io::stderr())));
        }
        Self::Usage(with_sources(&error))
    }
}

/// Parses the arguments, does what they say, and tells how it ended.
pub(crate) fn main() -> ExitCode {
    // Prints help and version, and exits 2 on what makes no sense.
    let Cli { command } = Cli::parse();
    let result = match command {
        Command::Run(arguments) => run::run(*arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Catalog(arguments) => catalog::catalog(arguments),
        Command::Demo => demo::demo(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            failure.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_contract_is_understood() {
        let lines = [
            "run --upstream http://127.0.0.1:3000",
            "run --upstream http://127.0.0.1:3000 --listen 0.0.0.0:8080 --admin 127.0.0.1:9900 --catalog dns --mode observe --workers 2",
            "run --config proxy.toml",
            "run --config proxy.toml --mode off",
            "check --config proxy.toml",
            "catalog list",
            "catalog show sfs",
            "catalog show sfs --format json",
            "catalog show sfs --format toml",
            "catalog show sfs --format markdown",
            "catalog show sfs --format table",
            "catalog import a.rst",
            "catalog import a.rst docs -o catalogs --name codes --lang zh --explain --format json",
            "catalog diff sfs vpn",
            "catalog check a.rst docs",
            "demo",
        ];
        for line in lines {
            let words = std::iter::once("status-proxy").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let error =
            Cli::try_parse_from(["status-proxy", "run"]).expect_err("nowhere to send requests").to_string();
        assert!(error.contains("<--upstream <URL>|--config <FILE>>"), "{error}");
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        let lines = [
            "run --upstream https://127.0.0.1:3000",
            "run --upstream 127.0.0.1:3000",
            "run --upstream http://127.0.0.1:3000 --workers 0",
            "run --upstream http://127.0.0.1:3000 --mode enforced",
            "run --upstream http://127.0.0.1:3000 --listen localhost:80",
            "run",
            "check",
            "catalog",
            "catalog show",
            "catalog show sfs --format xml",
            "catalog import",
            "catalog import a.rst --format markdown",
            "catalog diff sfs",
            "catalog check",
            "nonsense",
        ];
        for line in lines {
            let words = std::iter::once("status-proxy").chain(line.split(' '));
            let error = Cli::try_parse_from(words).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
