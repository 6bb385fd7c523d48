//! Names of header fields as peers write them, remembered: most heads have the same ones.
//!
//! A name of its own costs an allocation and a pass over its letters. One that was met before is found by its first and
//! last letters and compared once.

use std::cell::RefCell;

use http::{HeaderName, header::InvalidHeaderName};

/// Names that are remembered by a thread. A power of two.
const PLACES: usize = 512;

/// Longer names are not remembered.
const LONGEST: usize = 64;

thread_local!(static NAMES: RefCell<FieldNames> = const { RefCell::new(FieldNames { known: Vec::new() }) });

/// Calls `action` with the names that this thread remembers.
pub(crate) fn with<T>(action: impl FnOnce(&mut FieldNames) -> T) -> T {
    NAMES.with_borrow_mut(action)
}

/// A name can be in either of two places beside each other: the first has the one that was met last.
#[derive(Debug)]
pub(crate) struct FieldNames {
    known: Vec<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    /// With the peer's upper and lower case.
    written: Box<[u8]>,
    name: HeaderName,
}

impl FieldNames {
    /// The name that is written so.
    ///
    /// # Errors
    ///
    /// If it is no name.
    pub(crate) fn parse(&mut self, written: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
        let place = place(written);
        for place in [place, place + 1] {
            if let Some(Some(known)) = self.known.get(place)
                && *known.written == *written
            {
                return Ok(known.name.clone());
            }
        }
        let name = HeaderName::from_bytes(written)?;
        if written.len() <= LONGEST {
            self.remember(place, written, &name);
        }
        Ok(name)
    }

    #[cold]
    fn remember(&mut self, place: usize, written: &[u8], name: &HeaderName) {
        if self.known.is_empty() {
            self.known.resize_with(PLACES, || None);
        }
        self.known.swap(place, place + 1);
        self.known[place] = Some(Known { written: written.into(), name: name.clone() });
    }
}

/// The first of the two places where a name is looked for: names differ in their ends and their length.
fn place(written: &[u8]) -> usize {
    let ends = match (written.first_chunk::<8>(), written.last_chunk::<8>()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first).rotate_left(27) ^ u64::from_le_bytes(*last),
        _ => written.iter().fold(0, |ends, &byte| ends << 8 | u64::from(byte)),
    };
    let mixed = (ends ^ written.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (u64::BITS - PLACES.trailing_zeros())) as usize & !1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_however_often_it_is_met() {
        let mut names = FieldNames { known: Vec::new() };
        // More than there are places for, so that names displace each other.
        for round in 0..3 {
            for number in 0..2 * PLACES {
                let written = format!("X-Field-{number}");
                let name = names.parse(written.as_bytes()).unwrap();
                assert_eq!(name.as_str(), written.to_ascii_lowercase(), "round {round}");
            }
        }
    }

    #[test]
    fn names_that_are_met_in_turns_stay() {
        let mut names = FieldNames { known: Vec::new() };
        let written: Vec<_> = (1..=50).map(|number| format!("X-Request-Field-{number}")).collect();
        for round in 0..2 {
            for written in &written {
                let known = names.known.iter().flatten().any(|known| *known.written == *written.as_bytes());
                assert_eq!(known, round == 1, "{written} in round {round}");
                names.parse(written.as_bytes()).unwrap();
            }
        }
    }

    #[test]
    fn case_is_not_part_of_a_name_and_what_is_no_name_is_never_remembered() {
        let mut names = FieldNames { known: Vec::new() };
        for _ in 0..2 {
            for written in ["ETag", "etag", "ETAG", "x", "X", "Content-Length", "X-Forwarded-For"] {
                assert_eq!(names.parse(written.as_bytes()).unwrap(), written, "{written}");
            }
            for written in ["", " etag", "etag ", "x y", "x\ty", "\u{e9}", "x:", "x\0"] {
                assert!(names.parse(written.as_bytes()).is_err(), "{written:?}");
            }
        }
        let long = "a".repeat(LONGEST + 1);
        assert_eq!(names.parse(long.as_bytes()).unwrap(), *long);
    }
}
