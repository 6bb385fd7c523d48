use std::sync::Arc;

use quick_xml::{Reader, events::Event};
use serde_json::{Value, json};
use status_catalog::{BUILTIN, Class};

use super::*;
use crate::verdict::{Accepted, BodyFinding, BodyKind, Token, judge, kept::KeptCode};

/// The text of each child of the root, by name.
fn elements(xml: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(xml);
    let mut elements = Vec::new();
    let mut depth = 0;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                depth += 1;
                if depth == 2 {
                    elements.push((start.name().0.to_owned(), String::new()));
                }
            }
            Event::End(_) => depth -= 1,
            Event::Text(text) if depth == 2 => elements.last_mut().unwrap().1.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) if depth == 2 => {
                let text = format!("&{};", &*reference);
                elements.last_mut().unwrap().1.push_str(&quick_xml::escape::unescape(&text).unwrap());
            }
            Event::Eof => return elements,
            _ => {}
        }
    }
}

fn text(representation: &Representation) -> &str {
    str::from_utf8(&representation.body).unwrap()
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

fn envelope(wrapper: Option<&str>, code: &str, message: &str) -> Envelope {
    Envelope { wrapper: wrapper.map(Arc::from), code: code.into(), message: message.into() }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap()
}

fn code(token: &str) -> Option<KeptCode> {
    Token::new(token).map(|token| KeptCode { member: "error_code", token })
}

fn everything() -> Kept {
    Kept {
        code: code("VPN.0001"),
        request_id: Token::new("7c1e-42"),
        message: Some("</problem> \"no\\such\" & 'pet' \u{1F431}".into()),
    }
}

fn kind(media: Media) -> BodyKind {
    match media {
        Media::ProblemJson | Media::Json => BodyKind::Json,
        Media::ProblemXml | Media::Xml => BodyKind::Xml,
        Media::Html | Media::Plain => BodyKind::Other,
    }
}

/// Every abnormal entry of every built-in catalog, and some that no catalog has.
fn all_representations() -> impl Iterator<Item = (Arc<Catalog>, u16, Representations)> {
    BUILTIN.iter().flat_map(|name| {
        let catalog = Catalog::builtin(name).unwrap();
        let entries = catalog.entries().iter().filter(|entry| entry.class() == Class::Abnormal);
        let mut codes: Vec<u16> = entries.map(status_catalog::Entry::code).collect();
        assert_eq!(codes.len(), 14, "{name}");
        codes.extend([413, 418, 422, 451, 499, 599]);
        codes.into_iter().map(move |code| {
            let representations = Representations::new(&catalog, status(code), &format!("HTTP.{code}"), &[]);
            (catalog.clone(), code, representations)
        })
    })
}

#[test]
fn every_status_is_described_in_every_media_type() {
    // T13, T36
    for (catalog, code, representations) in all_representations() {
        let phrase = reason_phrase(status(code));
        let title = phrase.map_or_else(|| format!("Status {code}"), str::to_owned);
        let description = match catalog.documented(code) {
            Some(documented) => documented.entry.description().to_owned(),
            None => title.clone(),
        };
        assert_eq!(representations.description(0), description);
        let problem = json(&representations.get(Media::ProblemJson, 0).body);
        assert_eq!(
            problem,
            json!({"type": "about:blank", "title": title, "status": code, "detail": description})
        );

        let Envelope { wrapper, code: code_member, message } = catalog.envelope();
        let own = json(&representations.get(Media::Json, 0).body);
        let expected = json!({&**code_member: format!("HTTP.{code}"), &**message: description});
        let expected = match wrapper {
            Some(wrapper) => json!({&**wrapper: expected}),
            None => expected,
        };
        assert_eq!(own, expected, "{}", catalog.name());

        let xml = [
            ("type", "about:blank"),
            ("title", &title),
            ("status", &code.to_string()),
            ("detail", &description),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(elements(text(representations.get(Media::ProblemXml, 0))), xml);
        assert_eq!(representations.get(Media::Xml, 0).body, representations.get(Media::ProblemXml, 0).body);

        let line = phrase.map_or_else(|| code.to_string(), |phrase| format!("{code} {phrase}"));
        let plain = text(representations.get(Media::Plain, 0));
        assert_eq!(plain.lines().next(), Some(&*line));
        let html = text(representations.get(Media::Html, 0));
        assert!(
            html.contains(&format!("<title>{line}</title>")) && html.contains("<html lang=\"en\">"),
            "{html}"
        );
        assert!(!html.contains('{') || html.matches('{').count() == PAGE.matches(" {").count(), "{html}");
        for line in description.lines() {
            assert!(plain.contains(line) && html.replace("&#39;", "'").contains(line), "{plain} {html}");
        }
    }
}

#[test]
fn the_fields_describe_the_body() {
    // T9, T12
    for (_, _, representations) in all_representations() {
        for media in Media::ALL {
            let Representation { content_type, content_length, language, body, nosniff, .. } =
                representations.get(media, 0);
            assert!(content_type.to_str().unwrap().starts_with(media.essence()));
            assert_eq!(content_length, &body.len().to_string());
            assert_eq!(language, "en");
            let is_text = matches!(media, Media::Html | Media::Plain);
            assert_eq!(
                (*nosniff, content_type.to_str().unwrap().ends_with("; charset=utf-8")),
                (is_text, is_text)
            );
            assert!(!body.is_empty());
        }
    }
}

#[test]
fn our_own_answers_are_standard() {
    // T42
    for (_, code, representations) in all_representations() {
        for media in Media::ALL {
            for kept in [Kept::default(), everything()] {
                let (body, length) = representations.with_kept(media, 0, &kept);
                assert_eq!(length, &body.len().to_string());
                let judged = judge(&body, kind(media), code, &Accepted::ALL, None);
                let is_standard = judged.finding == BodyFinding::Standard || representations.is_one(&body);
                assert!(is_standard, "{media:?} {}", String::from_utf8_lossy(&body));
            }
        }
    }
}

#[test]
fn a_body_is_one_of_ours_only_if_it_equals_one() {
    let sfs = Catalog::builtin("sfs").unwrap();
    let not_found = Representations::new(&sfs, status(404), "HTTP.404", &[]);
    let conflict = Representations::new(&sfs, status(409), "HTTP.409", &[]);
    for media in Media::ALL {
        let body = &not_found.get(media, 0).body;
        assert!(not_found.is_one(body));
        assert!(!conflict.is_one(body));
        assert!(!not_found.is_one(&body[1..]));
        assert!(!not_found.is_one(b""));
    }
}

#[test]
fn what_is_kept_becomes_members() {
    // T39
    let sfs = Catalog::builtin("sfs").unwrap();
    let ecs = Catalog::builtin("ecs").unwrap();
    let kept = everything();
    let message = kept.message.as_deref().unwrap();
    for (catalog, media) in [(&sfs, Media::ProblemJson), (&sfs, Media::Json), (&ecs, Media::Json)] {
        let representations = Representations::new(catalog, status(404), "HTTP.404", &[]);
        let before = json(&representations.get(media, 0).body);
        let after = json(&representations.with_kept(media, 0, &kept).0);
        let inner = |value: &Value| value.get("error").unwrap_or(value).as_object().unwrap().clone();
        let (before, mut after) = (inner(&before), inner(&after));
        assert_eq!(after.remove("request_id"), Some(json!("7c1e-42")));
        assert_eq!(after.remove("upstream_message"), Some(json!(message)));
        let code = if media == Media::Json { &*catalog.envelope().code } else { "error_code" };
        assert_eq!(after.remove(code), Some(json!("VPN.0001")));
        for (name, value) in before {
            assert!(name == code || after.get(&name) == Some(&value), "{name}");
        }
    }
    let representations = Representations::new(&sfs, status(404), "HTTP.404", &[]);
    for media in [Media::ProblemXml, Media::Xml] {
        let before = elements(text(representations.get(media, 0)));
        let (body, _) = representations.with_kept(media, 0, &kept);
        let after = elements(str::from_utf8(&body).unwrap());
        assert_eq!(after[..before.len()], before);
        let kept = [("error_code", "VPN.0001"), ("request_id", "7c1e-42"), ("upstream_message", message)];
        assert_eq!(after[before.len()..], kept.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }
    for media in [Media::Html, Media::Plain] {
        let (body, length) = representations.with_kept(media, 0, &kept);
        assert_eq!((&body, &length), {
            let same = representations.get(media, 0);
            (&same.body, &same.content_length)
        });
    }
}

#[test]
fn what_is_not_kept_is_not_invented() {
    // T39
    let dns = Representations::new(&Catalog::builtin("dns").unwrap(), status(404), "HTTP.404", &[]);
    let kept = Kept { request_id: Token::new("r"), ..Kept::default() };
    let own = json(&dns.with_kept(Media::Json, 0, &kept).0);
    assert_eq!(own["code"], "HTTP.404");
    assert_eq!(own["request_id"], "r");
    let problem = json(&dns.with_kept(Media::ProblemJson, 0, &kept).0);
    assert_eq!(problem.get("code"), None);
    let kept = Kept { code: code("DNS.1"), ..Kept::default() };
    assert_eq!(json(&dns.with_kept(Media::ProblemJson, 0, &kept).0).get("request_id"), None);
    for media in Media::ALL {
        assert_eq!(dns.with_kept(media, 0, &Kept::default()).0, dns.get(media, 0).body);
    }
}

#[test]
fn an_extended_body_fills_its_allocation() {
    let all = everything();
    let tokens = [
        Kept { message: None, ..all.clone() },
        Kept { code: all.code.clone(), ..Kept::default() },
        Kept { request_id: all.request_id.clone(), ..Kept::default() },
    ];
    for name in ["ecs", "dns"] {
        let representations =
            Representations::new(&Catalog::builtin(name).unwrap(), status(404), "HTTP.404", &[]);
        for media in [Media::ProblemJson, Media::Json, Media::ProblemXml] {
            for kept in &tokens {
                let body = representations.get(media, 0).extended(kept).unwrap();
                assert_eq!(body.len(), body.capacity(), "{media:?} {body}");
            }
            let body = representations.get(media, 0).extended(&all).unwrap();
            assert!(body.capacity() < body.len() + 6 * 64, "grown: {body}");
        }
    }
}

#[test]
fn hostile_text_stays_text() {
    // T12: names, constants and languages come from documents and configuration too.
    let hostile = "\"}],</script><script>alert('1')</script>&lt;&#60;{heading}{paragraphs}\\u0000\\\u{0}\u{1b}]]>-->\r\n\tü\u{2028}";
    let source = Source {
        status: status(404),
        phrase: Some(hostile),
        description: hostile,
        code: hostile,
        language: "\"><script>",
    };
    let rendered = source.render(&envelope(Some(hostile), hostile, "message"), &[]);
    let of = |media: Media| text(&rendered.media[media as usize]);
    assert_eq!(json(of(Media::ProblemJson).as_bytes())["detail"], hostile);
    assert_eq!(json(of(Media::Json).as_bytes()), json!({hostile: {hostile: hostile, "message": hostile}}));
    let kept = rendered.media[Media::Json as usize].extended(&everything()).unwrap();
    assert_eq!(json(kept.as_bytes())[hostile]["request_id"], "7c1e-42");
    let detail = elements(of(Media::ProblemXml)).pop().unwrap().1;
    assert_eq!(detail, hostile.replace(['\0', '\u{1b}'], "\u{fffd}"));
    let html = of(Media::Html);
    let markup = |page: &str| page.matches('<').count();
    assert!(!html.contains("<script") && !html.contains("\">&"), "{html}");
    // A heading twice, and the paragraphs that differ from it.
    assert_eq!(markup(html), markup(PAGE) + 2 * source.paragraphs().count());
    assert_eq!(rendered.media[0].language, "\"><script>");
}

#[test]
fn each_language_has_its_representations() {
    // T44
    let render = |language, description| {
        let source = Source {
            status: status(404),
            phrase: Some("Not Found"),
            description,
            code: "HTTP.404",
            language,
        };
        source.render(&envelope(None, "code", "message"), &[])
    };
    let languages =
        vec![render("en", "The page was not found."), render("de", "Die Seite wurde nicht gefunden.")];
    let representations = Representations { languages };
    for (index, language) in ["en", "de"].into_iter().enumerate() {
        let index = index as u8;
        for media in Media::ALL {
            let representation = representations.get(media, index);
            assert_eq!(representation.language, language);
            assert!(text(representation).contains(representations.description(index)));
            assert!(representations.is_one(&representation.body));
        }
        assert!(
            text(representations.get(Media::Html, index)).contains(&format!("<html lang=\"{language}\">"))
        );
    }
    assert_eq!(representations.get(Media::Plain, 9).language, "en");
}

#[test]
fn a_template_takes_the_place_of_a_rendering() {
    let ours = Template::new("text/html", "<p>never").unwrap();
    let page = Template::new(
        "text/html",
        "<p lang={language}>{status} {reason}: {description} ({code}, {request_id})",
    );
    let json = Template::new("application/json", r#"{"oops":{"status":{status},"id":"{request_id}"}}"#);
    let templates = [ours, page.unwrap(), json.unwrap()];
    let sfs = Catalog::builtin("sfs").unwrap();
    let representations = Representations::new(&sfs, status(404), "HTTP.404", &templates);
    let html = "<p lang=en>404 Not Found: The requested page was not found. (HTTP.404, )";
    let own = r#"{"oops":{"status":404,"id":""}}"#;
    assert_eq!(text(representations.get(Media::Html, 0)), html);
    assert_eq!(text(representations.get(Media::Json, 0)), own);
    assert_eq!(representations.get(Media::Html, 0).content_type, "text/html; charset=utf-8");
    assert!(text(representations.get(Media::Plain, 0)).starts_with("404 Not Found\n"));
    // T12: only tokens come from a response.
    let (kept, length) = representations.with_kept(Media::Html, 0, &everything());
    assert_eq!(kept, html.replace("HTTP.404, ", "VPN.0001, 7c1e-42").as_bytes());
    assert_eq!(length, &kept.len().to_string());
    let (kept, _) = representations.with_kept(Media::Json, 0, &everything());
    assert_eq!(kept, own.replace("\"\"", "\"7c1e-42\"").as_bytes());
    let only_code = Kept { request_id: None, ..everything() };
    assert_eq!(representations.with_kept(Media::Json, 0, &only_code).0, own.as_bytes());
}
