//! XML bodies, read event by event; entities are never expanded.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesStart, Event},
};

use super::{
    body::{DEEPEST, Findings, Place},
    members::{Criteria, Key, Members, Value},
};

/// RFC 9457, appendix B, kept from RFC 7807.
pub(crate) const PROBLEM_NAMESPACE: &str = "urn:ietf:rfc:7807";

/// Not well-formed, or a document type.
pub(super) struct Malformed;

/// Reads a body.
pub(super) fn read<'a>(
    text: &'a str,
    criteria: &Criteria<'_>,
    findings: &mut Findings<'a>,
) -> Result<(), Malformed> {
    let mut open = Open { depth: 0, levels: Default::default() };
    let read = open.document(text, criteria, findings);
    for depth in 1..=DEEPEST.min(open.depth.try_into().unwrap_or(DEEPEST)) {
        // What a broken body said before it broke is kept too.
        findings.keep(&mut open.levels[usize::from(depth) - 1].members, depth);
    }
    read
}

/// The elements that are open, as far as they are looked at.
struct Open<'a> {
    depth: usize,
    levels: [Level<'a>; DEEPEST as usize],
}

#[derive(Default)]
struct Level<'a> {
    place: Option<Place>,
    /// What the element is to its parent.
    key: Option<Key>,
    text: Cow<'a, str>,
    members: Members<'a>,
}

impl<'a> Open<'a> {
    fn document(
        &mut self,
        text: &'a str,
        criteria: &Criteria<'_>,
        findings: &mut Findings<'a>,
    ) -> Result<(), Malformed> {
        let mut reader = Reader::from_str(text);
        let mut rooted = false;
        loop {
            match reader.read_event().map_err(|_| Malformed)? {
                Event::Start(start) => {
                    self.start(&start, &mut rooted)?;
                }
                Event::Empty(start) => {
                    self.start(&start, &mut rooted)?;
                    self.end(criteria, findings);
                }
                Event::End(_) => self.end(criteria, findings),
                Event::Text(text) => self.text(text.into_inner())?,
                Event::CData(data) if self.depth > 0 => self.text(data.into_inner())?,
                Event::GeneralRef(reference) if self.depth > 0 => {
                    let text = match reference.resolve_char_ref().map_err(|_| Malformed)? {
                        Some(character) => Cow::Owned(character.to_string()),
                        None => Cow::Borrowed(resolve_xml_entity(&reference).ok_or(Malformed)?),
                    };
                    self.text(text)?;
                }
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
                Event::Eof if rooted && self.depth == 0 => return Ok(()),
                Event::CData(_) | Event::DocType(_) | Event::Eof | Event::GeneralRef(_) => {
                    return Err(Malformed);
                }
            }
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, rooted: &mut bool) -> Result<(), Malformed> {
        if self.depth == 0 && std::mem::replace(rooted, true) {
            return Err(Malformed);
        }
        let local = start.local_name();
        let name: &str = local.as_ref();
        if let Some(level) = self.levels.get_mut(self.depth) {
            let place = match name {
                _ if self.depth > 0 => Place::Inside,
                "Error" => Place::XmlError,
                "problem" if is_problem(start) => Place::XmlProblem,
                _ => Place::Inside,
            };
            *level = Level { place: Some(place), key: Key::of_element(name), ..Level::default() };
        }
        self.depth += 1;
        Ok(())
    }

    fn end(&mut self, criteria: &Criteria<'_>, findings: &mut Findings<'a>) {
        self.depth -= 1;
        let Some(level) = self.levels.get_mut(self.depth) else { return };
        let Level { place, key, text, mut members } = std::mem::take(level);
        findings.close(&members, place.unwrap_or(Place::Inside), criteria);
        findings.keep(&mut members, self.depth as u8 + 1);
        if let (Some(key), Some(parent)) = (key, self.depth.checked_sub(1)) {
            self.levels[parent].members.set(key, Value::Text(trimmed(text)));
        }
    }

    fn text(&mut self, text: Cow<'a, str>) -> Result<(), Malformed> {
        let Some(parent) = self.depth.checked_sub(1) else {
            return if text.trim_ascii().is_empty() { Ok(()) } else { Err(Malformed) };
        };
        if let Some(level) = self.levels.get_mut(parent).filter(|level| level.key.is_some()) {
            if level.text.is_empty() {
                level.text = text;
            } else {
                level.text.to_mut().push_str(&text);
            }
        }
        Ok(())
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// Whether the element is in the namespace of RFC 9457.
fn is_problem(start: &BytesStart<'_>) -> bool {
    let name = start.name();
    let prefix = name.prefix();
    start.attributes().flatten().any(|attribute| {
        let declares = match &prefix {
            None => attribute.key.0 == "xmlns",
            Some(prefix) => attribute.key.0.strip_prefix("xmlns:") == Some(prefix.as_ref()),
        };
        declares && &*attribute.value == PROBLEM_NAMESPACE
    })
}
