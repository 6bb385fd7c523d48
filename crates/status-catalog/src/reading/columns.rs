//! Which column of a table is the status, which the reason phrase, which the description.
//!
//! Content decides first: the same header (`Returned Value`, `Code`, `Description`) means different things on
//! different pages.

use std::collections::BTreeSet;

use crate::document::{Cell, Table};

use super::headers::{self, Role, is_measure, is_reason_header};
use super::{class, codes, phrases};

/// The columns that matter, and why they were chosen.
#[derive(Debug)]
pub(super) struct Columns {
    /// How many of the first rows are headers.
    pub(super) headers: usize,
    pub(super) status: Column,
    pub(super) reason: Option<Column>,
    pub(super) description: Option<Column>,
    /// The column that names the class of each row.
    pub(super) class: Option<Column>,
    /// The columns that are not read, as the report names them.
    pub(super) unread: Vec<String>,
}

impl Columns {
    /// Whether one column is both reason phrase and description.
    pub(super) fn share_their_text(&self) -> bool {
        self.reason
            .as_ref()
            .zip(self.description.as_ref())
            .is_some_and(|(reason, text)| reason.index == text.index)
    }
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) index: usize,
    pub(super) header: String,
    pub(super) why: String,
}

impl Column {
    pub(super) fn told(&self) -> String {
        self.named(&self.why)
    }

    pub(super) fn named(&self, what: &str) -> String {
        let Self { index, header, .. } = self;
        match header.is_empty() {
            true => format!("column {} ({what})", index + 1),
            false => format!("column {} “{header}” ({what})", index + 1),
        }
    }
}

/// Wider tables list no statuses; each column is compared with each other one.
const MAX_COLUMNS: usize = 64;

/// Finds the columns, or says why the table lists no statuses. `is_about_status`: what stands around
/// the table speaks of statuses.
pub(super) fn find(table: &Table, is_about_status: bool) -> Result<Columns, String> {
    if table.columns > MAX_COLUMNS {
        return Err(format!("{} columns are more than {MAX_COLUMNS}", table.columns));
    }
    let view = View::new(table);
    let status = view.status(is_about_status)?;
    let reason = view.reason(status.index);
    let taken = reason.as_ref().map(|column| column.index);
    // The only text of a table is its description, even if it is nothing but the phrases.
    let description = view.description(status.index, taken).or_else(|| view.description(status.index, None));
    let is_text =
        |index: usize| [&reason, &description].into_iter().flatten().any(|column| column.index == index);
    let class = view.class().filter(|column| column.index != status.index && !is_text(column.index));
    let is_read = |index: usize| {
        let others = [reason.as_ref(), description.as_ref(), class.as_ref()];
        index == status.index || others.into_iter().flatten().any(|column| column.index == index)
    };
    let unread =
        (0..table.columns).filter(|index| !is_read(*index)).map(|index| view.unread(index)).collect();
    Ok(Columns { headers: view.headers, status, reason, description, class, unread })
}

struct View<'a> {
    table: &'a Table,
    headers: usize,
    /// What each cell is as a status.
    statuses: Vec<Vec<Option<codes::Status>>>,
    /// What each column is by its header and its cells.
    roles: Vec<Role>,
}

impl<'a> View<'a> {
    fn new(table: &'a Table) -> Self {
        let parsed = |row: &Vec<Cell>| row.iter().map(|cell| codes::parse(&cell.text)).collect();
        let statuses: Vec<Vec<Option<codes::Status>>> = table.rows.iter().map(parsed).collect();
        let is_data = |row: &Vec<Option<codes::Status>>| row.iter().any(Option::is_some);
        let headers = match statuses.iter().take(table.headers).position(is_data) {
            Some(data) => data,
            // A format or page that marks no header still begins with one, if that row has no code.
            None if table.headers == 0 => usize::from(!statuses.first().is_some_and(is_data)),
            None => table.headers,
        };
        let mut view = Self { table, headers, statuses, roles: Vec::new() };
        view.roles = (0..table.columns).map(|column| view.told_role(column)).collect();
        view
    }

    fn header(&self, column: usize) -> String {
        let mut header = String::new();
        for cell in
            self.table.rows[..self.headers].iter().map(|row| &row[column]).filter(|cell| !cell.from_above)
        {
            if !header.is_empty() && !cell.text.is_empty() {
                header.push(' ');
            }
            header.push_str(&cell.text.replace('\n', " "));
        }
        header
    }

    fn rows(&self) -> impl Iterator<Item = &'a Vec<Cell>> + use<'a> {
        self.table.rows[self.headers..].iter()
    }

    /// The rows, and what each says as a status in this column.
    fn read(&self, column: usize) -> impl Iterator<Item = (&'a Vec<Cell>, Option<&codes::Status>)> {
        self.rows().zip(self.statuses[self.headers..].iter().map(move |row| row[column].as_ref()))
    }

    /// The rows that have a status in this column.
    fn coded(&self, column: usize) -> impl Iterator<Item = (&'a Vec<Cell>, &codes::Status)> {
        self.read(column).filter_map(|(row, status)| Some((row, status?)))
    }

    fn status(&self, is_about_status: bool) -> Result<Column, String> {
        let mut best: Option<(usize, Column)> = None;
        let mut near_miss = None;
        for index in 0..self.table.columns {
            let own: Vec<Option<&codes::Status>> = self
                .read(index)
                .map(|(row, status)| (&row[index], status))
                .filter(|(cell, _)| !cell.from_above && !cell.from_left && !codes::is_none(&cell.text))
                .map(|(_, status)| status)
                .collect();
            let parsed: Vec<&codes::Status> = own.iter().filter_map(|status| *status).collect();
            if parsed.is_empty() {
                continue;
            }
            let share = parsed.len() * 100 / own.len();
            let header = self.header(index);
            let is_named = headers::is_about_status(&header);
            let told = match own.len() {
                1 => "its one cell is a status code".to_owned(),
                all => format!("{} of {all} cells are status codes", parsed.len()),
            };
            let needed = if is_named { 30 } else { 75 };
            if share < needed {
                near_miss.get_or_insert(format!("column {} has too few status codes: {told}", index + 1));
                continue;
            }
            let phrases = self.coded(index).filter(|(row, status)| has_phrase(row, index, status)).count();
            let registered =
                parsed.iter().flat_map(|status| &status.codes).filter(|code| phrases::is_registered(code.0));
            let is_known = registered.count() * 100 >= parsed.len() * 90;
            let why = if is_named {
                format!("{told}, and the header says so")
            } else if phrases * 4 >= parsed.len() {
                format!("{told}, {phrases} of them with their reason phrase")
            } else if is_about_status && is_known && !is_measure(&header) {
                format!("{told}, and the page is about status codes")
            } else if are_of_http(&parsed) {
                format!("{told}, and so many different ones are only those of HTTP")
            } else {
                near_miss = Some(format!(
                    "column {} holds numbers like status codes, but neither a header nor a reason phrase nor the text around says that they are HTTP statuses",
                    index + 1
                ));
                continue;
            };
            // Beside a column of codes, one of ranges only groups them.
            let single =
                parsed.iter().filter(|status| status.codes.iter().all(|(first, last)| first == last));
            let is_single = single.count() * 2 > parsed.len();
            let score = share
                + if is_named { 100 } else { 0 }
                + if phrases > 0 { 10 } else { 0 }
                + if is_single { 5 } else { 0 };
            if best.as_ref().is_none_or(|(known, _)| score > *known) {
                best = Some((score, Column { index, header, why }));
            }
        }
        best.map(|(_, column)| column)
            .ok_or_else(|| near_miss.unwrap_or_else(|| "no column holds status codes".into()))
    }

    fn reason(&self, status: usize) -> Option<Column> {
        let candidates = (0..self.table.columns).filter(|index| *index != status);
        let (hits, index) = candidates
            .clone()
            .map(|index| (self.phrases_in(status, index), index))
            .max_by_key(|(hits, index)| (*hits, std::cmp::Reverse(*index)))?;
        let coded = self.coded(status).count();
        if hits * 2 >= coded.max(1) {
            let why = format!("{hits} of {coded} cells are the reason phrase of their code");
            return Some(Column { index, header: self.header(index), why });
        }
        // The only description of a table is no phrase, however short it is.
        let has_text_beside = |index: usize| {
            let limit = if self.role(index) == Role::Description { Role::Description } else { Role::Unknown };
            candidates.clone().any(|other| other != index && self.role(other) <= limit)
        };
        let index = candidates.clone().find(|index| {
            is_reason_header(&self.header(*index)) && self.is_terse(*index) && has_text_beside(*index)
        })?;
        Some(Column {
            index,
            header: self.header(index),
            why: "the header says so, and the cells are short".into(),
        })
    }

    fn description(&self, status: usize, reason: Option<usize>) -> Option<Column> {
        let filled = |index: usize| self.rows().filter(|row| !codes::is_none(&row[index].text)).count();
        let rows = self.rows().count();
        // Where the phrases are called descriptions, codes and places beside them describe nothing.
        let is_described = reason.is_some_and(|reason| self.role(reason) == Role::Description);
        let is_text = |index: usize| !is_described || self.role(index) < Role::Code;
        let index = (0..self.table.columns)
            .filter(|index| *index != status && Some(*index) != reason && filled(*index) > 0)
            .filter(|index| is_text(*index))
            .min_by_key(|index| {
                let sparse = filled(*index) * 2 < rows;
                let role = self.role(*index);
                // Of several descriptions the first one that has sentences, elsewhere the longest text.
                let rank = if role == Role::Description { *index } else { usize::MAX - self.length(*index) };
                (sparse, role, self.is_terse(*index), rank)
            })?;
        let why = match self.role(index) {
            Role::Description => "the header says so",
            Role::Cause => "the header names causes",
            Role::Message => "the header names messages",
            Role::Unknown | Role::Code | Role::Place | Role::Remedy => "the text that is left",
        };
        Some(Column { index, header: self.header(index), why: why.into() })
    }

    /// The column in which every cell is the name of a class: `Normal`, `异常`.
    fn class(&self) -> Option<Column> {
        let names_classes = |index: &usize| {
            let mut filled =
                self.rows().map(|row| &*row[*index].text).filter(|text| !codes::is_none(text)).peekable();
            filled.peek().is_some()
                && filled.all(|text| class::is_name(text) && class::announced_by(text).is_some())
        };
        let index = (0..self.table.columns).find(names_classes)?;
        Some(Column { index, header: self.header(index), why: "its cells name a class".to_owned() })
    }

    /// What a column that is not read holds.
    fn unread(&self, index: usize) -> String {
        let why = match self.role(index) {
            Role::Description | Role::Unknown => "further text",
            Role::Cause => "causes",
            Role::Message => "messages",
            Role::Code => "codes of the service",
            Role::Place => "where it happens",
            Role::Remedy => "what to do about it",
        };
        Column { index, header: self.header(index), why: why.to_owned() }.told()
    }

    fn role(&self, column: usize) -> Role {
        self.roles[column]
    }

    fn told_role(&self, column: usize) -> Role {
        let named = Role::named(&self.header(column));
        // Service codes are no sentences, whatever their header says; sentences below "Error Code" are.
        if named != Role::Description && self.is_codes(column) { Role::Code.max(named) } else { named }
    }

    /// Whether most cells are words without a space, with a digit: `ELB.8902`, `10000001`; or statuses: `2XX Success`.
    fn is_codes(&self, column: usize) -> bool {
        let is_code = |text: &str, status: Option<&codes::Status>| {
            let is_word = !text.contains(' ') && text.is_ascii();
            status.is_some() || is_word && text.bytes().any(|digit| digit.is_ascii_digit())
        };
        let (mut codes, mut all) = (0, 0);
        for (row, status) in self.read(column) {
            let text = row[column].text.trim();
            if !codes::is_none(text) {
                all += 1;
                codes += usize::from(is_code(text, status));
            }
        }
        codes * 2 > all
    }

    fn is_terse(&self, column: usize) -> bool {
        let texts: Vec<&str> =
            self.rows().map(|row| row[column].text.trim()).filter(|text| !codes::is_none(text)).collect();
        let is_terse = |text: &&&str| {
            text.chars().count() <= 40
                && !text.ends_with(['.', '。'])
                && text.chars().any(char::is_alphabetic)
        };
        !texts.is_empty()
            && texts.iter().filter(is_terse).count() * 10 >= texts.len() * 8
            && !self.is_codes(column)
    }

    /// How many cells of a column are the phrase of their row's status.
    fn phrases_in(&self, status: usize, column: usize) -> usize {
        let is_phrase = |(row, status): &(&Vec<Cell>, &codes::Status)| {
            status.codes.iter().any(|(code, _)| phrases::is_phrase_of(&row[column].text, *code))
        };
        self.coded(status).filter(is_phrase).count()
    }

    fn length(&self, column: usize) -> usize {
        self.rows().filter(|row| !row[column].from_above).map(|row| row[column].text.len()).sum()
    }
}

/// Whether the codes are so many and so unlike that they can be nothing but HTTP statuses, whatever stands around them.
/// Round numbers prove nothing.
fn are_of_http(parsed: &[&codes::Status]) -> bool {
    let codes = || parsed.iter().flat_map(|status| &status.codes).map(|(first, _)| *first);
    let distinct: BTreeSet<u16> = codes().filter(|code| code % 100 != 0).collect();
    let hundreds: BTreeSet<u16> = codes().map(|code| code / 100).collect();
    distinct.len() >= 5
        && [2, 4, 5].iter().all(|hundred| hundreds.contains(hundred))
        && codes().all(phrases::is_registered)
}

fn has_phrase(row: &[Cell], column: usize, status: &codes::Status) -> bool {
    let is_phrase = |text: &str| {
        let is_of = |code| phrases::is_phrase_of(text, code) || phrases::begins_with_phrase_of(text, code);
        status.codes.iter().any(|(code, _)| is_of(*code))
    };
    status.phrase.as_deref().is_some_and(is_phrase)
        || row.iter().enumerate().any(|(index, cell)| index != column && is_phrase(&cell.text))
}
