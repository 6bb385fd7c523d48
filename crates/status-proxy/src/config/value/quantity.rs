//! Numbers, sizes and durations, each with its unit and within bounds.

use std::time::Duration;

use toml::{Spanned, de::DeValue};

use super::{Text, Value, mistyped};
use crate::config::report::Report;

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Count<const LEAST: u32, const MOST: u32>(pub(in crate::config) u32);

impl<const LEAST: u32, const MOST: u32> Value for Count<LEAST, MOST> {
    #[cfg(test)]
    fn kind() -> String {
        format!("whole number, {LEAST} to {MOST}")
    }

    #[cfg(test)]
    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "integer", "minimum": LEAST, "maximum": MOST })
    }

    fn read(value: &Spanned<DeValue<'_>>, report: &mut Report) -> Option<Self> {
        let Some(number) = value.get_ref().as_integer() else {
            mistyped(value, "a whole number", report);
            return None;
        };
        let read = u32::from_str_radix(number.as_str(), number.radix()).ok();
        let read = read.filter(|number| (LEAST..=MOST).contains(number));
        if read.is_none() {
            report.error(value.span(), format!("{number} is not in {LEAST} to {MOST}"));
        }
        read.map(Self)
    }
}

/// A number of bytes from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Size<const LEAST: u64, const MOST: u64>(pub(in crate::config) u64);

impl<const LEAST: u64, const MOST: u64> Text for Size<LEAST, MOST> {
    #[cfg(test)]
    const KIND: &'static str = "size such as `\"64KiB\"`";
    #[cfg(test)]
    const PATTERN: &'static str = "^[0-9]+ ?(B|KiB|MiB|GiB)$";
    const EXAMPLE: &'static str = "64KiB";

    fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = number_and_unit(text).ok_or_else(|| {
            format!("`{text}` is not a size such as `64KiB`: a whole number and B, KiB, MiB or GiB")
        })?;
        let scale: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(format!("`{unit}` is not a unit of size: use B, KiB, MiB or GiB")),
        };
        number
            .checked_mul(scale)
            .filter(|bytes| (LEAST..=MOST).contains(bytes))
            .map(Self)
            .ok_or_else(|| format!("{text} is not in {} to {}", size_text(LEAST), size_text(MOST)))
    }
}

/// A size as configuration writes it, in the largest unit that keeps it whole.
fn size_text(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, scale)| bytes >= *scale && bytes.is_multiple_of(*scale)) {
        Some((unit, scale)) => format!("{}{unit}", bytes / scale),
        None => format!("{bytes}B"),
    }
}

/// 1 ms. Zero would mean "never" to some and "at once" to others.
const SHORTEST: Duration = Duration::from_millis(1);
/// A day: what is longer is a typing error.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Text for Duration {
    #[cfg(test)]
    const KIND: &'static str = "duration such as `\"250ms\"`";
    #[cfg(test)]
    const PATTERN: &'static str = "^[0-9]+ ?(ms|s|m|h)$";
    const EXAMPLE: &'static str = "30s";

    fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = number_and_unit(text).ok_or_else(|| {
            format!("`{text}` is not a duration such as `250ms`: a whole number and ms, s, m or h")
        })?;
        let scale: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            _ => return Err(format!("`{unit}` is not a unit of time: use ms, s, m or h")),
        };
        number
            .checked_mul(scale)
            .map(Self::from_millis)
            .filter(|duration| (SHORTEST..=LONGEST).contains(duration))
            .ok_or_else(|| format!("{text} is not in 1ms to 24h"))
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    Some((number.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}
