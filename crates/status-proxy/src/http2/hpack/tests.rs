//! Both directions: the examples of RFC 7541, what one writes and the other reads, and bytes that nobody would write.

use http::{HeaderName, HeaderValue, StatusCode};

use super::*;

type Read = (String, String);

fn read(line: &Line) -> Read {
    match line {
        Line::Pseudo(pseudo, value) => {
            (format!(":{pseudo:?}").to_lowercase(), String::from_utf8_lossy(value).into_owned())
        }
        Line::Field(name, value) => {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        }
        Line::Malformed => (String::from("malformed"), String::new()),
    }
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Read>, CompressionError> {
    let mut lines = Vec::new();
    decoder.decode(block, |line| lines.push(read(&line)))?;
    Ok(lines)
}

/// What a decoder knows besides the static table.
fn table(decoder: &mut Decoder) -> Vec<Read> {
    let known = (62..126).map(|index| decode(decoder, &[0x80 | index]));
    known.map_while(Result::ok).flatten().collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// `name: value` and so on.
fn lines(text: &str) -> Vec<Read> {
    let line = |line: &str| line.rsplit_once(": ").map(|(name, value)| (name.into(), value.into()));
    text.lines().map(|text| line(text.trim_start()).unwrap()).collect()
}

mod examples {
    use super::*;

    /// Blocks for one decoder, each with what it says and with what is in the table afterwards.
    fn hold(size: &str, examples: &[(&str, &str, &str)]) {
        let mut decoder = Decoder::new();
        assert_eq!(decode(&mut decoder, &bytes(size)), Ok(vec![]));
        for (block, expected, kept) in examples {
            assert_eq!(decode(&mut decoder, &bytes(block)), Ok(lines(expected)), "{block}");
            assert_eq!(table(&mut decoder), lines(kept), "{block}");
        }
    }

    const FIRST: &str = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com";
    const SECOND: &str =
        ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache";
    const THIRD: &str = ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value";

    const AFTER_FIRST: &str = ":authority: www.example.com";
    const AFTER_SECOND: &str = "cache-control: no-cache\n:authority: www.example.com";
    const AFTER_THIRD: &str =
        "custom-key: custom-value\ncache-control: no-cache\n:authority: www.example.com";

    #[test]
    fn of_lines() {
        let custom = "custom-key: custom-header";
        hold("", &[("400a6375 73746f6d 2d6b6579 0d637573 746f6d2d 68656164 6572", custom, custom)]);
        hold("", &[("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", "")]);
        hold("", &[("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret", "")]);
        hold("", &[("82", ":method: GET", "")]);
    }

    #[test]
    fn of_requests() {
        let plain = [
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST, AFTER_FIRST),
            ("8286 84be 5808 6e6f 2d63 6163 6865", SECOND, AFTER_SECOND),
            ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", THIRD, AFTER_THIRD),
        ];
        let coded = [
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST, AFTER_FIRST),
            ("8286 84be 5886 a8eb 1064 9cbf", SECOND, AFTER_SECOND),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", THIRD, AFTER_THIRD),
        ];
        hold("", &plain);
        hold("", &coded);
    }

    /// With a table of 256 bytes, which does not hold them all.
    #[test]
    fn of_responses() {
        let first = ":status: 302
            cache-control: private
            date: Mon, 21 Oct 2013 20:13:21 GMT
            location: https://www.example.com";
        let second = ":status: 307
            cache-control: private
            date: Mon, 21 Oct 2013 20:13:21 GMT
            location: https://www.example.com";
        let third = ":status: 200
            cache-control: private
            date: Mon, 21 Oct 2013 20:13:22 GMT
            location: https://www.example.com
            content-encoding: gzip
            set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
        let after_first = "location: https://www.example.com
            date: Mon, 21 Oct 2013 20:13:21 GMT
            cache-control: private
            :status: 302";
        let after_second = ":status: 307
            location: https://www.example.com
            date: Mon, 21 Oct 2013 20:13:21 GMT
            cache-control: private";
        let after_third = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1
            content-encoding: gzip
            date: Mon, 21 Oct 2013 20:13:22 GMT";
        let plain = [
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
            2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "4803 3330 37c1 c0bf",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
            54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745
            4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
        ];
        let coded = [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
            2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
            77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0
            03ed 4ee5 b106 3d50 07",
        ];
        for [one, two, three] in [plain, coded] {
            let examples =
                [(one, first, after_first), (two, second, after_second), (three, third, after_third)];
            hold("3fe1 01", &examples);
        }
    }
}

/// xorshift64*: the same blocks on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

const NAMES: &[&str] = &[
    "age",
    "cache-control",
    "content-length",
    "content-type",
    "date",
    "etag",
    "server",
    "set-cookie",
    "www-authenticate",
    "x",
    "x-request-id",
    "x-a-name-that-is-much-longer-than-those-that-the-standard-has",
];

/// A response, and its block.
fn response(random: &mut Random, encoder: &mut Encoder) -> (Vec<Read>, Vec<u8>) {
    let mut block = Vec::new();
    encoder.begin(&mut block);
    let status = StatusCode::from_u16(100 + random.below(500) as u16).unwrap();
    encoder.status(status, &mut block);
    let mut lines = vec![(String::from(":status"), status.as_str().to_owned())];
    for _ in 0..random.below(12) {
        let name = HeaderName::from_static(random.one_of(NAMES));
        let value = match random.below(8) {
            0 => String::new(),
            1 => "long ".repeat(random.below(1000)).trim_end().to_owned(),
            2 => "{}\"|~".repeat(random.below(10)),
            _ => format!("value {}", random.below(20)),
        };
        let mut field = HeaderValue::from_str(&value).unwrap();
        field.set_sensitive(random.below(10) == 0);
        encoder.field(&name, &field, &mut block);
        lines.push((name.to_string(), value));
    }
    (lines, block)
}

#[test]
fn what_is_written_is_read() {
    let mut random = Random(0x5EED_0F57_A705);
    for _ in 0..50 {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        for _ in 0..200 {
            if random.below(20) == 0 {
                for _ in 0..random.below(3) {
                    let size = random.below(6000) as u32;
                    encoder.set_max_size(random.one_of(&[&0, &64, &size, &4096, &u32::MAX]).to_owned());
                }
            }
            let (lines, block) = response(&mut random, &mut encoder);
            assert_eq!(decode(&mut decoder, &block), Ok(lines), "{block:02x?}");
        }
    }
}

#[test]
fn mutated_blocks() {
    let mut random = Random(0x5EED_0F57_A705);
    let mut outcomes = [0; 2];
    for _ in 0..500 {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        for _ in 0..20 {
            let (_, mut block) = response(&mut random, &mut encoder);
            for _ in 0..random.below(4) {
                let at = random.below(block.len());
                match random.below(4) {
                    0 => block[at] ^= 1 << random.below(8),
                    1 if block.len() > 1 => drop(block.remove(at)),
                    2 => block.truncate(at + 1),
                    _ => block.insert(at, random.below(256) as u8),
                }
            }
            let outcome = decoder.decode(&block, drop);
            outcomes[usize::from(outcome.is_ok())] += 1;
        }
        for _ in 0..20 {
            let block: Vec<u8> = (0..random.below(50)).map(|_| random.below(256) as u8).collect();
            let _ = decoder.decode(&block, drop);
        }
    }
    assert!(outcomes.into_iter().all(|outcome| outcome > 2000), "{outcomes:?}");
}
