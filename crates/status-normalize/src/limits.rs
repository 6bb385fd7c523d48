//! Numbers and codes that cannot hold a bad value.

use std::{num::NonZeroU32, ops::RangeInclusive};

/// Codes that become another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StatusRule {
    first: u16,
    last: u16,
    to: u16,
}

impl StatusRule {
    /// A rule for the codes of a range.
    ///
    /// # Errors
    ///
    /// If the range is empty or leaves 200-999, or `to` leaves 200-599.
    pub fn new(codes: RangeInclusive<u16>, to: u16) -> Result<Self, OutOfRange> {
        let (first, last) = codes.into_inner();
        let within = |what, value: u16, least: u16, most: u16| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(OutOfRange { what, value: value.into(), least: least.into(), most: most.into() })
            }
        };
        within("first code of a rule", first, 200, 999)?;
        within("last code of a rule", last, first, 999)?;
        within("target of a rule", to, 200, 599)?;
        Ok(Self { first, last, to })
    }

    pub(crate) fn target(rules: &[Self], status: u16) -> Option<u16> {
        rules.iter().find(|rule| (rule.first..=rule.last).contains(&status)).map(|rule| rule.to)
    }
}

/// How many bytes of a body are looked at before it counts as `too_large`, encoded and decoded alike.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InspectLimit(NonZeroU32);

impl InspectLimit {
    /// 64 KiB: error bodies in a documented form are two orders of magnitude smaller, and this much is held per
    /// inspected response.
    pub(crate) const DEFAULT: Self = Self(NonZeroU32::new(64 * 1024).expect("not zero"));

    /// 16 MiB, so that a thousand inspected responses at once stay a thousand times that at the very worst.
    const MOST: u64 = 16 * 1024 * 1024;

    /// The limit in bytes.
    pub const fn bytes(self) -> usize {
        self.0.get() as usize
    }
}

impl Default for InspectLimit {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<u64> for InspectLimit {
    type Error = OutOfRange;

    fn try_from(bytes: u64) -> Result<Self, OutOfRange> {
        u32::try_from(bytes)
            .ok()
            .filter(|_| bytes <= Self::MOST)
            .and_then(NonZeroU32::new)
            .map(Self)
            .ok_or(OutOfRange { what: "inspect limit", value: bytes, least: 1, most: Self::MOST })
    }
}

/// The share of responses that are rewritten, in percent; the rest is only observed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rollout(u8);

impl Rollout {
    /// Every response.
    pub const ALL: Self = Self(100);

    /// The share in percent.
    pub const fn percent(self) -> u8 {
        self.0
    }
}

impl Default for Rollout {
    fn default() -> Self {
        Self::ALL
    }
}

impl TryFrom<u64> for Rollout {
    type Error = OutOfRange;

    fn try_from(percent: u64) -> Result<Self, OutOfRange> {
        match u8::try_from(percent) {
            Ok(percent) if percent <= 100 => Ok(Self(percent)),
            _ => Err(OutOfRange { what: "rollout percentage", value: percent, least: 0, most: 100 }),
        }
    }
}

/// A number outside of its range.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} {value} is not in {least}-{most}")]
pub struct OutOfRange {
    what: &'static str,
    value: u64,
    least: u64,
    most: u64,
}
