//! The `Date` of responses that come without one (RFC 9110, 6.6.1). On HTTP/1.1 hyper sees to it.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::HeaderValue;

/// The seconds since 1970 that a value was made for.
type Made = Option<(u64, HeaderValue)>;

thread_local!(static LAST: RefCell<Made> = const { RefCell::new(None) });

/// The time of now, made once a second.
pub(super) fn now() -> HeaderValue {
    let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    LAST.with_borrow_mut(|last| match last {
        Some((made_for, value)) if *made_for == second => value.clone(),
        _ => last.insert((second, render(second))).1.clone(),
    })
}

fn render(second: u64) -> HeaderValue {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    HeaderValue::from_str(&text).expect("a date is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_in_the_rfc() {
        assert_eq!(render(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        let before = SystemTime::now() - Duration::from_secs(1);
        let now = httpdate::parse_http_date(now().to_str().unwrap()).unwrap();
        assert!((before..=SystemTime::now()).contains(&now));
    }
}
