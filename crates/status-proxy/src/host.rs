//! The grammar of `Host` (RFC 9110, 7.2; RFC 3986, 3.2.2).

use std::net::Ipv6Addr;

use memchr::memchr;

/// Whether `value` is `uri-host [ ":" port ]` with a host that is not empty, as in every `http` URI.
pub(crate) fn is_valid_host(value: &[u8]) -> bool {
    let (host_is_valid, rest) = if let Some(literal) = value.strip_prefix(b"[") {
        let Some(end) = memchr(b']', literal) else { return false };
        (is_ip_literal(&literal[..end]), &literal[end + 1..])
    } else {
        let end = memchr(b':', value).unwrap_or(value.len());
        (end > 0 && is_registered_name(&value[..end]), &value[end..])
    };
    host_is_valid
        && match rest.split_first() {
            None => true,
            Some((b':', port)) => is_port(port),
            Some(_) => false,
        }
}

fn is_ip_literal(literal: &[u8]) -> bool {
    str::from_utf8(literal).is_ok_and(|literal| literal.parse::<Ipv6Addr>().is_ok())
}

/// The grammar has no upper bound, and an empty port is the default one.
fn is_port(port: &[u8]) -> bool {
    let number = port.iter().try_fold(0, |number: u32, byte| {
        let digit = byte.wrapping_sub(b'0');
        let number = number * 10 + u32::from(digit);
        (digit < 10 && number <= u16::MAX.into()).then_some(number)
    });
    number.is_some()
}

fn is_registered_name(mut name: &[u8]) -> bool {
    while let Some(odd) = name.iter().position(|&byte| !IN_NAME[usize::from(byte)]) {
        let [b'%', high, low, rest @ ..] = &name[odd..] else { return false };
        if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
            return false;
        }
        name = rest;
    }
    true
}

/// Unreserved characters and sub-delimiters.
static IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric()
            || matches!(
                byte as u8,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
            );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_judged_by_the_grammar() {
        let valid = [
            "a",
            "example.org",
            "example.org:8080",
            "a:",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:80",
            "a_b",
            "%41.b",
            "a:65535",
        ];
        let invalid = [
            "", ":80", "a b", "a/b", "a@b", "a:b", "a:1:2", "a:65536", "[::1", "[]", "[::1]x", "[::1]:x",
            "[g::1]", "a%4", "a%zz", "ä", "a?b", "a#b", "a\\b", "<a>", "a\"", "a\u{7f}",
        ];
        for host in valid {
            assert!(is_valid_host(host.as_bytes()), "{host:?}");
        }
        for host in invalid {
            assert!(!is_valid_host(host.as_bytes()), "{host:?}");
        }
    }
}
