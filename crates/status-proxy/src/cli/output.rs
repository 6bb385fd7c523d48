//! What the commands write.

use std::io::{self, IsTerminal, Write};

use super::Failure;

/// Writes a command's result to standard output. A reader that has seen enough is no failure.
pub(super) fn result(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Runtime(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes the pictures of errors to standard error.
pub(super) fn error_picture(picture: &str) {
    let _ = writeln!(io::stderr(), "{picture}\n");
}

/// Writes what is worth knowing beside a result to standard error.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether it is a terminal that does what control sequences say.
pub(super) fn is_terminal(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether colours are wanted: on a terminal, unless the user says no.
pub(super) fn is_coloured(stream: &impl IsTerminal) -> bool {
    is_terminal(stream) && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
