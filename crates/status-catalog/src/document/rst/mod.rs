//! reStructuredText: the body elements that a page of tables is made of.
//!
//! Follows docutils (`docutils/docs/ref/rst/restructuredtext.rst`), except that unknown directives and roles
//! are read for their content instead of being errors: pages use extensions of their generators.

mod csv;
mod directive;
mod grid;
mod inline;
mod lines;
mod simple;

use super::{Block, Document, Note};
use crate::error::Malformed;
use lines::{Line, dedent, indented_block, indented_from};

/// Reads a page.
pub(super) fn read(text: &str) -> Result<Document, Malformed> {
    let text = lines::without_tabs(text);
    let lines = lines::split(&text, 1);
    let mut reader = Reader::default();
    reader.read(&lines)?;
    Ok(Document { blocks: reader.blocks })
}

/// How deep blocks nest before their text is taken as it is. No page comes near it; crafted text must not
/// exhaust the stack.
const MAX_DEPTH: usize = 20;

#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    /// Title styles in the order of their first use: the character, and whether there is an overline.
    styles: Vec<(char, bool)>,
    depth: usize,
    /// The next paragraph is the text of a list item that begins at this line.
    item: Option<usize>,
    /// Within a cell literal text is text, elsewhere it documents nothing.
    in_cell: bool,
}

impl Reader {
    fn read(&mut self, lines: &[Line<'_>]) -> Result<(), Malformed> {
        if self.depth >= MAX_DEPTH {
            self.text(lines);
            return Ok(());
        }
        self.depth += 1;
        let mut at = 0;
        while at < lines.len() {
            at += self.block(&lines[at..])?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads the block at the beginning of `lines` and tells how many lines it took, at least one.
    fn block(&mut self, lines: &[Line<'_>]) -> Result<usize, Malformed> {
        let line = lines[0];
        let text = line.text;
        if line.is_blank() {
            return Ok(1);
        }
        if line.indent() > 0 {
            let taken = indented_block(lines, 1);
            self.read(&dedent(&lines[..taken]))?;
            return Ok(taken);
        }
        if text == ".." || text.starts_with(".. ") {
            return self.explicit_markup(lines);
        }
        if is_field(text) && !self.in_cell {
            return Ok(indented_from(lines, 1));
        }
        if grid::is_border(text) {
            let (table, taken) = grid::read(lines, self.depth)?;
            self.item = None;
            self.blocks.extend(table.map(Block::Table));
            return Ok(taken);
        }
        if simple::is_border(text) {
            let (table, taken) = simple::read(lines, self.depth)?;
            self.item = None;
            self.blocks.extend(table.map(Block::Table));
            return Ok(taken);
        }
        if let Some(taken) = self.title(lines) {
            return Ok(taken);
        }
        if let Some(width) = bullet(text).or_else(|| enumerator(lines)) {
            let taken = indented_from(lines, width.min(text.len()));
            let mut item = vec![line.after(width)];
            item.extend(dedent_by(&lines[1..taken], width));
            self.item = Some(line.number);
            self.read(&item)?;
            self.item = None;
            return Ok(taken);
        }
        Ok(self.paragraph(lines))
    }

    fn explicit_markup(&mut self, lines: &[Line<'_>]) -> Result<usize, Malformed> {
        let taken = indented_from(lines, 1);
        if let Some((name, argument)) = directive::split(lines[0].text) {
            self.directive(name, argument, &lines[..taken])?;
        }
        Ok(taken)
    }

    fn title(&mut self, lines: &[Line<'_>]) -> Option<usize> {
        let overline = adornment(lines[0].text);
        if let Some(mark) = overline {
            if let [_, title, underline, ..] = lines
                && !title.is_blank()
                && adornment(underline.text) == Some(mark)
            {
                self.heading((mark, true), title.text.trim(), title.number);
                return Some(3);
            }
            // A transition, or a table of one column, which has no text beside the codes.
            let is_transition = lines[0].text.len() >= 4 && lines.get(1).is_none_or(|next| next.is_blank());
            return is_transition.then_some(1);
        }
        let underline = lines.get(1)?;
        let mark = adornment(underline.text)?;
        // docutils takes a short underline too, if it is at least four characters long.
        (underline.text.len() >= 4 || underline.text.len() >= lines[0].width()).then(|| {
            self.heading((mark, false), lines[0].text, lines[0].number);
            2
        })
    }

    fn heading(&mut self, style: (char, bool), title: &str, line: usize) {
        let level = self.styles.iter().position(|known| *known == style).unwrap_or_else(|| {
            self.styles.push(style);
            self.styles.len() - 1
        });
        let level = u8::try_from(level + 1).unwrap_or(u8::MAX);
        self.blocks.push(Block::Heading(level, Note { text: inline::plain(title), line }));
    }

    fn paragraph(&mut self, lines: &[Line<'_>]) -> usize {
        let end = lines.iter().position(|line| line.is_blank() || line.indent() > 0).unwrap_or(lines.len());
        let own = &lines[..end];
        let is_literal = own[end - 1].text.ends_with("::");
        self.text(own);
        let mut taken = end;
        if is_literal {
            let body = end + lines[end..].iter().take_while(|line| line.is_blank()).count();
            if lines.get(body).is_some_and(|line| line.indent() > 0) {
                taken = body + indented_block(&lines[body..], 1);
                if self.in_cell {
                    self.text(&lines[body..taken]);
                }
            }
        }
        taken
    }

    /// Lines as one paragraph; line blocks keep their lines together as one, too.
    fn text(&mut self, lines: &[Line<'_>]) {
        let Some(first) = lines.iter().find(|line| !line.is_blank()) else { return };
        let mut joined = String::new();
        for line in lines {
            let text = line.text.trim();
            let text = text.strip_prefix("| ").map_or(text, str::trim_start);
            if !joined.is_empty() && !text.is_empty() {
                joined.push(' ');
            }
            joined.push_str(if text == "|" { "" } else { text });
        }
        // Two colons announce literal text; after a word one of them is shown.
        let trimmed = match joined.strip_suffix("::") {
            Some(rest) if rest.ends_with(|end: char| !end.is_whitespace()) => format!("{rest}:"),
            Some(rest) => rest.to_owned(),
            None => joined,
        };
        let note = Note { text: inline::plain(&trimmed), line: first.number };
        if note.text.is_empty() {
            return;
        }
        self.blocks.push(match self.item.take() {
            Some(_) => Block::ListItem(note),
            None => Block::Paragraph(note),
        });
    }
}

/// What a cell says: its paragraphs, one a line.
fn cell_text(lines: &[Line<'_>], depth: usize) -> Result<String, Malformed> {
    let lines = dedent(lines);
    if let [line] = &*lines
        && !line.text.starts_with(['.', ':', '+', '=', '-', '*', '|', '•'])
        && !line.text.starts_with(|first: char| first.is_ascii_digit())
        && !line.text.ends_with("::")
    {
        return Ok(inline::plain(line.text));
    }
    let mut reader = Reader { in_cell: true, depth, ..Reader::default() };
    reader.read(&lines)?;
    let mut text = String::new();
    for block in &reader.blocks {
        let mut push = |part: &str| {
            if !text.is_empty() && !part.is_empty() {
                text.push('\n');
            }
            text.push_str(part);
        };
        match block {
            Block::Caption(note)
            | Block::Heading(_, note)
            | Block::ListItem(note)
            | Block::Paragraph(note) => {
                push(&note.text);
            }
            Block::LeftOut(_) => {}
            Block::Table(table) => table.rows.iter().flatten().for_each(|cell| push(&cell.text)),
        }
    }
    Ok(text)
}

/// `:name: value`, but not `:role:`text``.
fn is_field(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(':') else { return false };
    let Some((name, value)) = rest.split_once(':') else { return false };
    !name.is_empty()
        && !name.starts_with(' ')
        && !name.contains('`')
        && (value.is_empty() || value.starts_with(' '))
}

/// The width of a bullet and the space after it.
fn bullet(text: &str) -> Option<usize> {
    let rest = text.strip_prefix(['-', '*', '+', '•', '‣', '⁃'])?;
    let marker = text.len() - rest.len();
    if rest.is_empty() {
        return Some(marker);
    }
    let spaces = rest.len() - rest.trim_start_matches(' ').len();
    (spaces > 0).then_some(marker + spaces)
}

/// The width of `1. `, `(a) `, `#. ` and the like, if the next line does not show that it is prose.
fn enumerator(lines: &[Line<'_>]) -> Option<usize> {
    let text = lines[0].text;
    let inner = text.strip_prefix('(').unwrap_or(text);
    let opened = text.len() - inner.len();
    let number =
        inner.chars().take_while(|character| character.is_ascii_alphanumeric() || *character == '#').count();
    let is_ordinal = inner[..number].chars().all(|character| character.is_ascii_digit()) || number == 1;
    if number == 0 || number > 3 || !is_ordinal {
        return None;
    }
    let rest = inner[number..].strip_prefix(['.', ')'])?;
    let spaces = rest.len() - rest.trim_start_matches(' ').len();
    let width = opened + number + 1 + spaces;
    let next = lines.get(1);
    let is_list = next
        .is_none_or(|next| next.is_blank() || next.indent() >= width || enumerator(&lines[1..]).is_some());
    (spaces > 0 && is_list).then_some(width)
}

/// The character of a line that is one punctuation character repeated.
fn adornment(text: &str) -> Option<char> {
    let text = text.trim_end();
    let first = text.chars().next().filter(char::is_ascii_punctuation)?;
    (text.len() >= 2 && text.chars().all(|character| character == first)).then_some(first)
}

fn dedent_by<'a>(lines: &[Line<'a>], width: usize) -> Vec<Line<'a>> {
    lines.iter().map(|line| line.after(width.min(line.indent()))).collect()
}
