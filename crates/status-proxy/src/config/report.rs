//! Every error of a configuration, collected, then shown in one go.

use std::{fmt, ops::Range, path::PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::sources::with_sources;

/// Lines longer than this are cut around the place.
const EXCERPT_WIDTH: usize = 120;

/// More errors than that have one reason, such as a file of another program.
const SHOWN: usize = 100;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The text is not UTF-8.
    #[error("{}:{line}:{column}: not UTF-8 text, which TOML demands", file.display())]
    Encoding { file: PathBuf, line: usize, column: usize },
    /// What the file or the flags say makes no sense.
    #[error("{}", .0.summary())]
    Invalid(Report),
    /// The file cannot be read.
    #[error("cannot read {}", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    /// The file is larger than any configuration.
    #[error("{} is larger than {limit} bytes: not a configuration", file.display())]
    TooLarge { file: PathBuf, limit: u64 },
}

impl ConfigError {
    /// The files, beside the configuration itself, that have a part in it.
    pub(crate) fn files(&self) -> &[PathBuf] {
        match self {
            Self::Invalid(report) => &report.files,
            Self::Encoding { .. } | Self::Read { .. } | Self::TooLarge { .. } => &[],
        }
    }

    /// All that there is to say, in lines.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Invalid(report) => format!("{}\n{}", report.summary(), report.picture(false)),
            Self::Encoding { .. } | Self::Read { .. } | Self::TooLarge { .. } => with_sources(self),
        }
    }
}

/// The errors found so far, with the text that they are in.
#[derive(Debug)]
pub(crate) struct Report {
    file: String,
    text: String,
    /// The files that the configuration names and that were read, or would have been if they were there.
    pub(super) files: Vec<PathBuf>,
    problems: Vec<Problem>,
    /// How many of the problems are the parser's, which come first.
    of_syntax: usize,
}

#[derive(Debug, Eq, PartialEq)]
struct Problem {
    /// Bytes of the text; `None` where no place in the file is to blame.
    span: Option<Range<usize>>,
    message: String,
    help: Option<String>,
}

impl Report {
    /// Nothing found yet. `file` is how the user named it.
    pub(super) fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into(), files: Vec::new(), problems: Vec::new(), of_syntax: 0 }
    }

    /// An error at a place.
    pub(super) fn error(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.add(Problem { span: Some(span), message: message.into(), help: None });
    }

    /// An error at a place, and what to do about it.
    pub(super) fn error_with_help(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Problem { span: Some(span), message: message.into(), help: Some(help.into()) });
    }

    /// An error that no place in the file is to blame for.
    pub(super) fn general(&mut self, message: impl Into<String>, help: impl Into<String>) {
        self.add(Problem { span: None, message: message.into(), help: Some(help.into()) });
    }

    /// An error of the parser. What it made of the place is not looked at any further.
    pub(super) fn syntax_error(&mut self, span: Range<usize>, message: &str) {
        self.error(span, message);
        self.of_syntax = self.problems.len();
    }

    /// What several routes inherit is wrong once, and so is what cannot even be parsed.
    fn add(&mut self, problem: Problem) {
        let start = |problem: &Problem| problem.span.as_ref().map(|span| span.start);
        let known = self.problems[..self.of_syntax].iter().any(|known| start(known) == start(&problem));
        if !known && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// How many errors, and where.
    fn summary(&self) -> String {
        let count = self.problems.len();
        let errors = if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
        if self.file.is_empty() { errors } else { format!("{errors} in {}", self.file) }
    }

    /// All errors in the order of the file, each with its line and a mark below the place.
    pub(crate) fn picture(&self, coloured: bool) -> String {
        let mut ordered: Vec<&Problem> = self.problems.iter().collect();
        ordered.sort_by_key(|problem| problem.span.as_ref().map_or(usize::MAX, |span| span.start));
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let mut picture = String::new();
        for problem in ordered.iter().take(SHOWN) {
            if !picture.is_empty() {
                picture.push_str("\n\n");
            }
            picture.push_str(&renderer.render(&[self.group(problem)]).to_string());
        }
        if let Some(more) = ordered.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            picture.push_str(&format!("\n\n... and {more} more"));
        }
        picture
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let title = Level::ERROR.primary_title(&*problem.message);
        let mut group = match &problem.span {
            Some(span) => {
                let (excerpt, line, mark) = self.excerpt(span);
                let mark = AnnotationKind::Primary.span(mark);
                title.element(Snippet::source(excerpt).path(&*self.file).line_start(line).annotation(mark))
            }
            None => Group::with_title(title),
        };
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(&**help));
        }
        group
    }

    /// The line of a place, its number, and the place in it.
    fn excerpt(&self, span: &Range<usize>) -> (&str, usize, Range<usize>) {
        let text = &*self.text;
        let mut start = span.start.min(text.len());
        // An error at the end of the file is about its last line.
        if start == text.len() && start > 0 {
            start = text.trim_end().len();
        }
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let number = text[..line_start].matches('\n').count() + 1;
        let line = text[line_start..line_end].trim_end_matches('\r');
        let cut = line.char_indices().map(|(at, _)| at).find(|at| *at >= start - line_start + EXCERPT_WIDTH);
        let line = &line[..cut.unwrap_or(line.len())];

        let mark_start = (start - line_start).min(line.len());
        let mut mark_end = span.end.saturating_sub(line_start).clamp(mark_start, line.len());
        while !line.is_char_boundary(mark_end) {
            mark_end += 1;
        }
        (line, number, mark_start..mark_end)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.picture(false))
    }
}

/// The word that was probably meant: the nearest one, if it is near enough.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.len().min(word.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
