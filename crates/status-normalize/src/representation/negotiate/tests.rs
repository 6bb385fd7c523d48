use http::header::ACCEPT;

use super::{Media::*, *};

fn chosen(lines: &[&str]) -> Media {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(ACCEPT, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    media(headers.get_all(ACCEPT))
}

const CHROME: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

#[test]
fn accept_chooses_one_media_type() {
    // T43, T45
    let cases: &[(&[&str], Media)] = &[
        (&[], ProblemJson),
        (&[""], ProblemJson),
        (&[","], ProblemJson),
        (&["*/*"], ProblemJson),
        (&["application/*"], ProblemJson),
        (&["application/problem+json"], ProblemJson),
        (&["application/json"], Json),
        (&["APPLICATION/Json"], Json),
        (&["application/json; charset=utf-8"], Json),
        (&["application/problem+xml"], ProblemXml),
        (&["application/xml"], Xml),
        (&["text/html"], Html),
        (&["text/plain"], Plain),
        (&["text/*"], Html),
        (&["application/vnd.foo+json"], ProblemJson),
        (&["text/html,application/xhtml+xml,*/*;q=0.8"], Html),
        (&[CHROME], Html),
        (&["image/png"], ProblemJson),
        (&["text/xml"], ProblemJson),
        // Quality and specificity.
        (&["text/html;q=0.5, text/plain"], Plain),
        (&["text/html;q=0.5, text/plain;q=0.500"], Html),
        (&["text/plain, text/html"], Html),
        (&["text/plain;q=0.9, */*;q=0.1"], Plain),
        (&["application/problem+json;q=0.1, */*;q=0.2"], Json),
        (&["application/*;q=0.3, */*;q=0.5"], Html),
        (&["*/*, application/*;q=0"], Html),
        (&["text/*;q=0.9, text/html;q=0.1, application/xml;q=0.5"], Plain),
        (&["application/json;q=0.001"], Json),
        (&["application/json;level=1;q=0.5, text/html;q=0.4"], Json),
        (&["application/json;Q=0.4, text/html;q = 0.5"], Html),
        (&["application/json;q=0.4;ext=1, text/html;q=0.5"], Html),
        (&["application/json;q=1.000, text/html"], Json),
        (&["application/json;quality=0.1, text/html;q=0.9"], Json),
        (&["text/html;version=1;q=0.2, text/html;q=0.9, application/json;q=0.5"], Html),
        // Excluded.
        (&["application/json;q=0"], ProblemJson),
        (&["application/problem+json;q=0, */*"], Json),
        (&["application/problem+json;q=0"], ProblemJson),
        (&["*/*;q=0"], ProblemJson),
        (&["*/*;q=0.0, text/plain;q=0.000"], ProblemJson),
        (&["text/*, text/html;q=0"], Plain),
        // Several lines.
        (&["text/html", "application/json"], Json),
        (&["image/png", "text/plain"], Plain),
        (&["text/plain;q=0.1", "text/html;q=0.2", "application/xml;q=0.3"], Xml),
        (&["application/json", "application/json;q=0"], Json),
        // What can't be read is passed over.
        (&["json"], ProblemJson),
        (&["/"], ProblemJson),
        (&["text/"], ProblemJson),
        (&["*/html"], ProblemJson),
        (&["*"], ProblemJson),
        (&["text/html;q=2, text/plain"], Plain),
        (&["text/html;q=1.001, text/plain"], Plain),
        (&["text/html;q=, text/plain"], Plain),
        (&["text/html;q=-1, text/plain"], Plain),
        (&["text/html;q=\"1\", text/plain"], Plain),
        (&["text/ht ml, text/plain"], Plain),
        (&["text/html/x, text/plain"], Plain),
        (&[",,, text/plain ,;,"], Plain),
        (&["text/plain\u{e9}, text/html;q=0.1"], Html),
        // Quotes.
        (&["text/html;a=\"b,c;q=0\";q=0.9, text/plain;q=0.8"], Html),
        (&["text/html;a=\"\\\",text/plain;q=1\";q=0.5, text/plain;q=0.8"], Plain),
        (&["text/plain;a=\"open, text/html"], Plain),
    ];
    for (lines, expected) in cases {
        assert_eq!(chosen(lines), *expected, "{lines:?}");
    }
}

#[test]
fn each_media_type_is_chosen_by_its_own_name() {
    for media in Media::ALL {
        assert_eq!(chosen(&[media.essence()]), media);
        assert_eq!(Media::ALL[media as usize], media);
    }
}

#[test]
fn usual_lines_are_read_as_any_other() {
    for (line, media) in USUAL {
        assert_eq!(preferred(std::iter::once(line)), media, "{}", line.escape_ascii());
    }
}

#[test]
fn the_order_of_ranges_plays_no_part() {
    let ranges = ["text/html;q=0.7", "application/*;q=0.8", "*/*;q=0.1", "application/problem+json;q=0.2"];
    for shift in 0..ranges.len() {
        let mut turned = ranges;
        turned.rotate_left(shift);
        assert_eq!(chosen(&[&turned.join(", ")]), Json);
        assert_eq!(chosen(&turned), Json);
    }
}

#[test]
fn a_hundred_kibibytes_are_one_pass() {
    // T43
    let start = std::time::SystemTime::now();
    for filler in ["image/png;q=0.1,", ",", "\"", ";q", "a/b;c=\"", "*/*;q=0.1, "] {
        let long = format!("{}, text/plain", filler.repeat(100 * 1024 / filler.len()));
        chosen(&[&long]);
    }
    let long = format!("{} text/plain", "image/png;q=0.1,".repeat(6400));
    assert_eq!(chosen(&[&long]), Plain);
    assert!(start.elapsed().unwrap().as_secs() < 5, "not linear");
}

fn spoken(languages: &[&str], lines: &[&str]) -> String {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(ACCEPT_LANGUAGE, HeaderValue::from_str(line).unwrap());
    }
    let languages: Vec<Arc<str>> = languages.iter().map(|tag| (*tag).into()).collect();
    languages[usize::from(language(&headers, &languages))].to_string()
}

#[test]
fn accept_language_chooses_among_the_catalogs_languages() {
    // T44
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&["en", "de"], &[], "en"),
        (&["en", "de"], &[""], "en"),
        (&["en", "de"], &["zh-CN, de;q=0.5, *;q=0.1"], "de"),
        (&["en", "zh"], &["zh-CN, de;q=0.5, *;q=0.1"], "zh"),
        (&["en", "zh-CN"], &["zh-CN, de;q=0.5, *;q=0.1"], "zh-CN"),
        (&["en", "fr"], &["zh-CN, de;q=0.5, *;q=0.1"], "en"),
        (&["en", "de"], &["x-unknown"], "en"),
        (&["en", "de"], &["en;q=0"], "de"),
        (&["en"], &["en;q=0"], "en"),
        (&["en", "de", "fr"], &["en;q=0, de;q=0.0"], "fr"),
        (&["en", "de"], &["DE-at"], "de"),
        (&["en", "de", "de-AT"], &["de-at-1996"], "de-AT"),
        (&["en", "de"], &["de;q=0.4, en;q=0.6"], "en"),
        (&["en", "de"], &["de, en"], "de"),
        (&["en", "de"], &["fr", "de;q=0.1"], "de"),
        // A shorter range than any tag still tells what is understood.
        (&["en", "zh-Hans-CN", "zh-TW"], &["zh"], "zh-Hans-CN"),
        (&["en", "zh-TW"], &["z"], "en"),
        (&["en", "zh-TW"], &["zh-CN"], "en"),
        (&["en", "de"], &["*"], "en"),
        (&["en", "de"], &["en;q=0.2, *"], "de"),
        (&["en", "de"], &["de;q=0.2, *;q=0.1"], "de"),
        (&["en", "de"], &["*;q=0, de;q=0.1"], "de"),
        (&["en", "de"], &["*;q=0"], "en"),
        (&["en", "de"], &["en;q=0, *"], "de"),
        (&["en", "de"], &["d e, fr"], "en"),
        (&["en", "de"], &["de;q=7, en;q=0.1"], "en"),
    ];
    for (languages, lines, expected) in cases {
        assert_eq!(spoken(languages, lines), *expected, "{languages:?} {lines:?}");
    }
}
