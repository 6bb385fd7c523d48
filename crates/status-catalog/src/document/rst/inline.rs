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
                '`' if self.starts_with("``") => Some(self.literal(plain).unwrap_or_else(|| {
                    plain.push_str("``");
                    2
                })),
                '`' => self.interpreted(plain),
                ':' => self.role(),
                '*' if self.starts_with("**") => Some(self.emphasis("**", plain).unwrap_or_else(|| {
                    plain.push_str("**");
                    2
                })),
                '*' => self.emphasis("*", plain),
                '_' if self.starts_with("_`") => self.target(plain),
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
            let before = &self.characters[from..*at];
            let backslashes = || before.iter().rev().take_while(|before| **before == '\\').count();
            self.is_at(*at, mark)
                && !before.last().is_some_and(|before| before.is_whitespace())
                && (mark == "``" || backslashes().is_multiple_of(2))
        })
    }

    /// Where the markup that `mark` ends ends.
    fn end(&self, start: usize, mark: &str) -> Option<usize> {
        let mut end = self.find(start, mark)?;
        while !self.may_end(end + mark.chars().count()) {
            end = self.find(end, mark).filter(|next| next - start < MAX_MARKED)?;
        }
        Some(end)
    }

    /// Whether what stands around a mark of so many characters lets it begin markup. Between quotes or brackets it is
    /// a character: `"*"`, `(*)`.
    fn may_begin(&self, length: usize) -> bool {
        let before = self.at.checked_sub(1).map(|before| self.characters[before]);
        let Some(after) = self.characters.get(self.at + length).copied() else { return false };
        let is_quoted = before.is_some_and(|before| closing(before) == Some(after));
        let may_stand_before =
            |before: char| before.is_whitespace() || "'\"([{<-/:".contains(before) || is_foreign_mark(before);
        before.is_none_or(may_stand_before) && !after.is_whitespace() && !is_quoted
    }

    fn may_end(&self, at: usize) -> bool {
        let may_stand_after = |after: char| {
            after.is_whitespace() || "'\")]}>-/\\:.,;!?".contains(after) || is_foreign_mark(after)
        };
        self.characters.get(at).copied().is_none_or(may_stand_after)
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
        let end = self.may_begin(2).then(|| self.end(start, "``")).flatten()?;
        plain.push_str(&self.slice(start, end));
        Some(end + 2 - self.at)
    }

    /// `` `text` ``, `` `text <target>`_ ``, `` `text`:role: ``.
    fn interpreted(&self, plain: &mut String) -> Option<usize> {
        let start = self.at + 1;
        let end = self.may_begin(1).then(|| self.find(start, "`")).flatten()?;
        let inner = self.unescaped(start, end);
        let text = match inner.rfind('<') {
            Some(target) if inner.ends_with('>') && target > 0 => inner[..target].trim_end(),
            _ => &inner,
        };
        plain.push_str(text);
        let after = end + 1;
        let underscores = self.characters[after..].iter().take(2).take_while(|next| **next == '_').count();
        let role = self.role_name(after).filter(|role| self.may_end(after + role)).unwrap_or(0);
        Some(after + underscores.max(role) - self.at)
    }

    /// `` _`text` ``, which links lead to.
    fn target(&self, plain: &mut String) -> Option<usize> {
        let start = self.at + 2;
        let end = self.may_begin(2).then(|| self.find(start, "`")).flatten()?;
        plain.push_str(&self.unescaped(start, end));
        Some(end + 1 - self.at)
    }

    /// `:role:` before a backquote.
    fn role(&self) -> Option<usize> {
        self.role_name(self.at).filter(|role| self.characters.get(self.at + role) == Some(&'`'))
    }

    /// How long the `:role:` at `at` is.
    fn role_name(&self, at: usize) -> Option<usize> {
        let rest = self.characters.get(at..)?.strip_prefix(&[':'])?;
        let is_name = |next: &&char| next.is_alphanumeric() || matches!(next, '-' | '_' | '.' | '+' | ':');
        let name = rest.iter().take(MAX_MARKED).take_while(is_name).count();
        // The name takes its own colon, too.
        (name > 1 && rest[name - 1] == ':').then_some(name + 1)
    }

    fn emphasis(&self, mark: &str, plain: &mut String) -> Option<usize> {
        let start = self.at + mark.len();
        let end = self.may_begin(mark.len()).then(|| self.end(start, mark)).flatten()?;
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

/// What closes a quotation or bracket.
fn closing(opening: char) -> Option<char> {
    let pairs = [
        ('"', '"'),
        ('\'', '\''),
        ('(', ')'),
        ('[', ']'),
        ('{', '}'),
        ('<', '>'),
        ('“', '”'),
        ('‘', '’'),
        ('（', '）'),
        ('【', '】'),
        ('《', '》'),
        ('「', '」'),
    ];
    pairs.iter().find(|(known, _)| *known == opening).map(|(_, closing)| *closing)
}

/// Punctuation of other scripts may stand on either side of markup.
fn is_foreign_mark(character: char) -> bool {
    !character.is_ascii() && !character.is_alphanumeric()
}
