//! YAML and JSON as one tree of maps, lists and scalars, with the place of each member.
//!
//! Only what an OpenAPI description needs: scalars stay text, so that the keys `200` and `"200"` are the same.

mod json;
mod yaml;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Malformed;

/// A node of the tree. An alias shares its anchor's node, so that aliases of aliases cost nothing.
#[derive(Debug)]
pub(super) enum Node {
    List(Vec<Arc<Self>>),
    Map(Map),
    /// Null is the empty text.
    Scalar(Box<str>),
}

/// Members in their order, each name once.
#[derive(Debug)]
pub(super) struct Map {
    members: Vec<Member>,
    /// The places of the members in the order of their names, if there are many.
    sorted: Vec<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: Box<str>,
    /// Where the name stands.
    pub(super) at: At,
    pub(super) node: Arc<Node>,
}

/// A place in a file: line and column in characters, from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct At {
    pub(super) line: u32,
    pub(super) column: u32,
}

impl At {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    fn new(line: usize, column: usize) -> Self {
        let number = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self { line: number(line), column: number(column) }
    }

    pub(super) fn line(self) -> usize {
        self.line as usize
    }

    pub(super) fn malformed(self, message: impl Into<String>) -> Malformed {
        Malformed::at(self.line as usize, self.column as usize, message)
    }
}

/// A file, parsed.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Arc<Node>,
    /// What the file says but the tree can't hold.
    pub(super) remarks: Vec<(At, String)>,
}

/// Descriptions nest about 20 deep; freeing a tree takes stack for each level.
const MAX_DEPTH: usize = 256;

/// People write no longer flow mapping, and reading one in a single line takes 60 times its size.
const MAX_FLOW: usize = 1024 * 1024;

/// Of a file that repeats every key no more than this is told.
const MAX_REMARKS: usize = 100;

impl Tree {
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some(at) = text.find('\0') {
            let before = &text[..at];
            let line_start = before.rfind('\n').map_or(0, |end| end + 1);
            let place = At::new(before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
            return Err(place.malformed("a NUL character: not a text file"));
        }
        if text.trim_start().starts_with('{') {
            // A YAML description may be written as one flow mapping.
            let may_be_yaml = text.len() <= MAX_FLOW;
            return json::parse(text).or_else(|malformed| match may_be_yaml {
                true => yaml::parse(text).map_err(|_| malformed),
                false => Err(malformed),
            });
        }
        yaml::parse(text)
    }
}

impl Node {
    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        let Self::Map(Map { members, sorted }) = self else { return None };
        if sorted.is_empty() {
            return members.iter().find(|member| &*member.name == name);
        }
        let place = sorted.binary_search_by(|place| (*members[*place as usize].name).cmp(name)).ok()?;
        members.get(sorted[place] as usize)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Self>> {
        self.member(name).map(|member| &member.node)
    }

    pub(super) fn members(&self) -> &[Member] {
        match self {
            Self::Map(map) => &map.members,
            Self::List(_) | Self::Scalar(_) => &[],
        }
    }

    pub(super) fn items(&self) -> &[Arc<Self>] {
        match self {
            Self::List(items) => items,
            Self::Map(_) | Self::Scalar(_) => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Scalar(text) => Some(text),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The text of a member, if it is a scalar with any.
    pub(super) fn member_text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|node| node.text()).filter(|text| !text.is_empty())
    }
}

impl Map {
    /// Up to here looking at all names is as fast as searching them in order.
    const FEW: usize = 16;

    /// Of a name that is there several times the last one counts, as for most readers of YAML and JSON.
    fn new(members: Vec<Member>, remarks: &mut Vec<(At, String)>) -> Self {
        let is_repeated =
            |place: usize| members[..place].iter().any(|other| other.name == members[place].name);
        if members.len() <= Self::FEW && !(1..members.len()).any(is_repeated) {
            return Self { members, sorted: Vec::new() };
        }
        let sorted = sorted_places(&members);
        let name = |place: u32| &*members[place as usize].name;
        if sorted.windows(2).all(|pair| name(pair[0]) != name(pair[1])) {
            return Self { members, sorted };
        }
        let members = unique(members, remarks);
        Self { sorted: sorted_places(&members), members }
    }
}

fn unique(members: Vec<Member>, remarks: &mut Vec<(At, String)>) -> Vec<Member> {
    let mut places: HashMap<Box<str>, usize> = HashMap::new();
    let mut unique: Vec<Member> = Vec::new();
    for member in members {
        let Some(place) = places.get(&member.name) else {
            places.insert(member.name.clone(), unique.len());
            unique.push(member);
            continue;
        };
        let (name, first) = (shortened(&member.name), unique[*place].at.line);
        let text = format!("`{name}` is in this mapping already, on line {first}: the last one counts");
        remark(remarks, member.at, text);
        unique[*place] = member;
    }
    unique
}

fn remark(remarks: &mut Vec<(At, String)>, at: At, text: String) {
    if remarks.len() < MAX_REMARKS {
        remarks.push((at, text));
    }
}

/// Stable, so that of equal names the first comes first.
fn sorted_places(members: &[Member]) -> Vec<u32> {
    let mut places: Vec<u32> = (0..u32::try_from(members.len()).unwrap_or(u32::MAX)).collect();
    places.sort_by_key(|place| &*members[*place as usize].name);
    places
}

/// A text from the document as messages show it: nobody reads one of a megabyte.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 160;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests;
