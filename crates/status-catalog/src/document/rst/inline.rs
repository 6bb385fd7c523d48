//! Inline markup: what a reader sees of it.

/// The text without markup and escapes, white space collapsed.
pub(super) fn plain(text: &str) -> String {
    if !text.contains(['\\', '`', '*', '_', '|']) {
        return collapse(text);
    }
    let characters: Vec<char> = text.chars().collect();
    let mut plain = String::with_capacity(text.len());
    Scanner { characters: &characters, at: 0 }.run(&mut plain);
    collapse(&plain)
}

fn collapse(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !collapsed.is_empty() {
            collapsed.push(' ');
        }
        collapsed.push_str(word);
    }
    collapsed
}

/// How many characters apart the two ends of markup may be; a lonely mark must not make reading quadratic.
const MAX_MARKED: usize = 1_000;

struct Scanner<'a> {
    characters: &'a [char],
    at: usize,
}

impl Scanner<'_> {
    fn run(mut self, plain: &mut String) {
        while let Some(character) = self.characters.get(self.at).copied() {
            let taken = match character {
                '\\' => self.escape(plain),
                '`' if self.starts_with("``") => self.literal(plain),
                '`' => self.interpreted(plain),
                ':' => self.role(),
                '*' if self.starts_with("**") => self.emphasis("**", plain),
                '*' => self.emphasis("*", plain),
                '_' => self.reference(),
                _ => None,
            };
            match taken {
                Some(taken) => self.at += taken,
                None => {
                    plain.push(character);
                    self.at += 1;
                }
            }
        }
    }

    fn starts_with(&self, mark: &str) -> bool {
        self.is_at(self.at, mark)
    }

    fn is_at(&self, at: usize, mark: &str) -> bool {
        mark.chars()
            .enumerate()
            .all(|(offset, character)| self.characters.get(at + offset) == Some(&character))
    }

    /// Where `mark` stands next, from `from` on, with text before it that does not end in a space or escape.
    fn find(&self, from: usize, mark: &str) -> Option<usize> {
        (from + 1..self.characters.len().min(from + MAX_MARKED)).find(|at| {
            let before = self.characters[at - 1];
            self.is_at(*at, mark) && !before.is_whitespace() && (before != '\\' || mark == "``")
        })
    }

    fn may_begin(&self, length: usize) -> bool {
        let before = self.at.checked_sub(1).map(|before| self.characters[before]);
        let after = self.characters.get(self.at + length);
        before.is_none_or(|before| !before.is_alphanumeric())
            && after.is_some_and(|after| !after.is_whitespace())
    }

    fn may_end(&self, at: usize) -> bool {
        self.characters.get(at).is_none_or(|after| !after.is_ascii_alphanumeric())
    }

    fn slice(&self, from: usize, to: usize) -> String {
        self.characters[from..to].iter().collect()
    }

    /// Markup does not nest: within it only escapes mean something.
    fn unescaped(&self, from: usize, to: usize) -> String {
        let mut text = String::new();
        let mut characters = self.characters[from..to].iter();
        while let Some(character) = characters.next() {
            match character {
                '\\' => text.extend(characters.next().filter(|escaped| !escaped.is_whitespace())),
                _ => text.push(*character),
            }
        }
        text
    }

    /// `\*` is a star, `\ ` nothing at all, nor is `\` at the end.
    fn escape(&self, plain: &mut String) -> Option<usize> {
        let Some(next) = self.characters.get(self.at + 1) else { return Some(1) };
        if !next.is_whitespace() {
            plain.push(*next);
        }
        Some(2)
    }

    fn literal(&self, plain: &mut String) -> Option<usize> {
        let start = self.at + 2;
        let end = self.find(start, "``")?;
        plain.push_str(&self.slice(start, end));
        Some(end + 2 - self.at)
    }

    /// `` `text` ``, `` `text <target>`_ ``, `` `text`:role: ``.
    fn interpreted(&self, plain: &mut String) -> Option<usize> {
        let start = self.at + 1;
        let end = self.find(start, "`")?;
        let inner = self.unescaped(start, end);
        let text = match inner.rfind('<') {
            Some(target) if inner.ends_with('>') && target > 0 => inner[..target].trim_end(),
            _ => &inner,
        };
        plain.push_str(text);
        let underscores = self.characters[end + 1..].iter().take(2).take_while(|next| **next == '_').count();
        Some(end + 1 + underscores - self.at)
    }

    /// `:role:` before a backquote.
    fn role(&self) -> Option<usize> {
        let name = self.characters[self.at + 1..]
            .iter()
            .take_while(|next| next.is_alphanumeric() || matches!(next, '-' | '_' | '.' | '+' | ':'))
            .count();
        let is_role = name > 1
            && self.characters[self.at + name] == ':'
            && self.characters.get(self.at + name + 1) == Some(&'`');
        is_role.then_some(name + 1)
    }

    fn emphasis(&self, mark: &str, plain: &mut String) -> Option<usize> {
        if !self.may_begin(mark.len()) {
            return None;
        }
        let start = self.at + mark.len();
        let mut end = self.find(start, mark)?;
        while !self.may_end(end + mark.len()) {
            end = self.find(end, mark).filter(|next| next - start < MAX_MARKED)?;
        }
        plain.push_str(&self.unescaped(start, end));
        Some(end + mark.len() - self.at)
    }

    /// The `_` of `name_`, which a URL may end in, too.
    fn reference(&self) -> Option<usize> {
        let before = self.at.checked_sub(1).map(|before| self.characters[before])?;
        let ends =
            self.characters.get(self.at + 1).is_none_or(|after| !after.is_alphanumeric() && *after != '_');
        if !ends || !(before.is_alphanumeric() || before == ']') {
            return None;
        }
        let word = self.characters[self.at.saturating_sub(MAX_MARKED)..self.at].iter().rev();
        let word = word.take_while(|before| !before.is_whitespace());
        let is_url = word.filter(|character| matches!(character, '/' | ':')).count() > 2;
        (!is_url).then_some(1)
    }
}
