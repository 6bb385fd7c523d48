use super::{BodyKind::*, *};
use crate::verdict::Token;

fn verdict(body: &str, kind: BodyKind, status: u16) -> Result<(), Reason> {
    finding(&judge(body.as_bytes(), kind, status, &Accepted::ALL, None))
}

fn finding(judged: &Judged) -> Result<(), Reason> {
    match judged.finding {
        BodyFinding::Nonstandard(reason) => Err(reason),
        BodyFinding::Standard => {
            assert!(judged.kept.is_empty());
            Ok(())
        }
    }
}

const STANDARD: Result<(), Reason> = Ok(());
const SHAPE: Result<(), Reason> = Err(Reason::Shape);
const MALFORMED: Result<(), Reason> = Err(Reason::Malformed);
const MISMATCH: Result<(), Reason> = Err(Reason::StatusMismatch);

#[test]
fn json_is_judged_by_shape_and_status() {
    // T38, T40; each against status 404.
    let cases = [
        // The documented shapes.
        (r#"{"error_code":"VPN.0001","error_msg":"gone"}"#, STANDARD),
        (r#"{"error_msg":"gone","request_id":"1","error_code":42}"#, STANDARD),
        (r#"{"code":"DNS.0001","message":"gone"}"#, STANDARD),
        (r#"{"request_id":"1","code":"SMN.1","message":"gone"}"#, STANDARD),
        (r#"{"errCode":"SFS.TURBO.0001","errMsg":"parameter error"}"#, STANDARD),
        (r#"{"errCode":"DBS.1","externalMessage":"parameter error"}"#, STANDARD),
        (r#"{"errorCode":"DIS.1","errorMessage":"gone"}"#, STANDARD),
        (r#"{"errorCode":"DIS.1","errorMsg":"gone"}"#, STANDARD),
        (r#"{"errorCode":"DIS.1","message":"gone"}"#, STANDARD),
        (r#"{"error":{"message":"illegal","code":"Ecs.0005"}}"#, STANDARD),
        (r#"{"error":{"message":"gone","code":404,"title":"Not Found"}}"#, STANDARD),
        (r#"{"error":{"error_code":"KMS.1","error_msg":"gone"}}"#, STANDARD),
        (r#"{"itemNotFound":{"message":"gone","code":404}}"#, STANDARD),
        (r#"{"anyFault":{"message":"gone","code":"404"},"request_id":"1"}"#, STANDARD),
        (
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"gone"}"#,
            STANDARD,
        ),
        (r#"{"title":"gone"}"#, STANDARD),
        (r#"{"type":"about:blank","detail":"gone","status":404,"balance":[1,{"a":null}]}"#, STANDARD),
        // Their syntax.
        ("\u{feff}{\"code\":\"A\",\"message\":\"b\"}", STANDARD),
        (" \r\n\t{ \"code\" : 7 , \"message\" : \"b\" } \n", STANDARD),
        (r#"{"\u0063ode":"A","message":"\u00e9\n\"b\""}"#, STANDARD),
        (r#"{"code":"A","message":"b","nested":[[{"code":500,"message":"c"}]]}"#, STANDARD),
        (r#"{"message":"","code":"A","message":"the last one counts"}"#, STANDARD),
        (r#"{"message":"the last one counts","code":"A","message":""}"#, SHAPE),
        // Not quite.
        (r#"{"code":"A"}"#, SHAPE),
        (r#"{"message":"b"}"#, SHAPE),
        (r#"{"code":"A","message":""}"#, SHAPE),
        (r#"{"code":"A","message":" \n"}"#, SHAPE),
        (r#"{"code":"","message":"b"}"#, SHAPE),
        (r#"{"code":null,"message":"b"}"#, SHAPE),
        (r#"{"code":true,"message":"b"}"#, SHAPE),
        (r#"{"code":{"a":1},"message":"b"}"#, SHAPE),
        (r#"{"code":"A","message":{"text":"b"}}"#, SHAPE),
        (r#"{"error_code":"A","message":"b"}"#, SHAPE),
        (r#"{"code":"A","error_msg":"b"}"#, SHAPE),
        (r#"{"Code":"A","Message":"b"}"#, SHAPE),
        (r#"{"error":"gone"}"#, SHAPE),
        (r#"{"error":{"title":"gone","detail":"gone"}}"#, SHAPE),
        (r#"{"error":[{"code":"A","message":"b"}]}"#, SHAPE),
        (r#"{"a":{"b":{"code":"A","message":"b"}}}"#, SHAPE),
        (r#"{"title":"","detail":""}"#, SHAPE),
        (r#"{"title":7,"detail":["gone"]}"#, SHAPE),
        (r#"{"kind":"Status","status":"Success","message":"fine"}"#, SHAPE),
        (r#"{"timestamp":1,"status":404,"error":"Not Found","path":"/x"}"#, SHAPE),
        ("{}", SHAPE),
        ("[]", SHAPE),
        (r#"[{"code":"A","message":"b"}]"#, SHAPE),
        (r#""Not Found""#, SHAPE),
        ("404", SHAPE),
        ("null", SHAPE),
        // Not JSON.
        ("", Err(Reason::Empty)),
        ("\u{feff} \r\n", Err(Reason::Empty)),
        ("<html></html>", MALFORMED),
        (r#"{"code":"A","message":"b""#, MALFORMED),
        (r#"{"code":"A","message":"b"}}"#, MALFORMED),
        (r#"{"code":"A","message":"b"} {"code":"A","message":"b"}"#, MALFORMED),
        (r#"{"code":"A","message":"b",}"#, MALFORMED),
        (r#"{"code":XXX,"message":"b"}"#, MALFORMED),
        (r#"{"code":"A",/* why */"message":"b"}"#, MALFORMED),
        (r#"{'code':'A','message':'b'}"#, MALFORMED),
        ("{\"code\":\"A\",\"message\":\"a\nb\"}", MALFORMED),
        (r#"{"code":"A","message":"\ud800"}"#, MALFORMED),
        (r#"{"code":"A","message":"b","x":NaN}"#, MALFORMED),
        // The status.
        (r#"{"title":"gone","status":500}"#, MISMATCH),
        (r#"{"title":"gone","status":"500"}"#, MISMATCH),
        (r#"{"title":"gone","status":"404"}"#, STANDARD),
        (r#"{"title":"gone","status":200}"#, STANDARD),
        (r#"{"title":"gone","status":"Failure"}"#, STANDARD),
        (r#"{"code":404,"message":"b"}"#, STANDARD),
        (r#"{"code":400,"message":"b"}"#, MISMATCH),
        (r#"{"code":"599","message":"b"}"#, MISMATCH),
        (r#"{"code":600,"message":"b"}"#, STANDARD),
        (r#"{"code":399,"message":"b"}"#, STANDARD),
        (r#"{"code":"12000002","message":"b"}"#, STANDARD),
        (r#"{"code":-32601,"message":"b"}"#, STANDARD),
        (r#"{"code":" 500","message":"b"}"#, STANDARD),
        (r#"{"error":{"message":"b","code":500,"title":"x"}}"#, MISMATCH),
        (r#"{"a":{"message":"b","code":500},"b":{"message":"b","code":404}}"#, STANDARD),
        (r#"{"kind":"Status","status":"Failure","message":"b","code":409}"#, MISMATCH),
        (r#"{"error_code":"500","error_msg":"a service's own code"}"#, STANDARD),
    ];
    for (body, expected) in cases {
        assert_eq!(verdict(body, Json, 404), expected, "{body}");
    }
}

#[test]
fn xml_is_judged_by_shape_and_status() {
    let problem = |inner: &str| format!("<problem xmlns='urn:ietf:rfc:7807'>{inner}</problem>");
    let cases = [
        (
            "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>gone</Message><RequestId/></Error>\n"
                .to_owned(),
            STANDARD,
        ),
        (
            "<Error xmlns=\"http://s3/\"><Message> a &lt; &#98; <![CDATA[c]]> </Message><Code>A</Code></Error>"
                .to_owned(),
            STANDARD,
        ),
        ("\u{feff}<Error><Code>A</Code><Message>b</Message></Error>".to_owned(), STANDARD),
        ("<s:Error xmlns:s='x'><s:Code>A</s:Code><s:Message>b</s:Message></s:Error>".to_owned(), STANDARD),
        ("<Error><Code>404</Code><Message>b</Message></Error>".to_owned(), STANDARD),
        ("<Error><Code>500</Code><Message>b</Message></Error>".to_owned(), MISMATCH),
        ("<Error><Code>A</Code><Message> </Message></Error>".to_owned(), SHAPE),
        ("<Error><Code>A</Code><Message/></Error>".to_owned(), SHAPE),
        ("<Error><Message>b</Message></Error>".to_owned(), SHAPE),
        ("<Error><x><Code>A</Code><Message>b</Message></x></Error>".to_owned(), SHAPE),
        ("<error><Code>A</Code><Message>b</Message></error>".to_owned(), SHAPE),
        (problem("<title>gone</title><status>404</status>"), STANDARD),
        (problem("<detail>gone</detail>"), STANDARD),
        (problem("<detail>gone</detail><status> 500 </status>"), MISMATCH),
        (problem("<status>404</status>"), SHAPE),
        ("<p:problem xmlns:p='urn:ietf:rfc:7807'><p:title>a</p:title></p:problem>".to_owned(), STANDARD),
        ("<problem xmlns:p='urn:ietf:rfc:7807'><title>a</title></problem>".to_owned(), SHAPE),
        ("<problem><title>a</title></problem>".to_owned(), SHAPE),
        ("<html><head><title>404</title></head></html>".to_owned(), SHAPE),
        ("".to_owned(), Err(Reason::Empty)),
        ("gone".to_owned(), MALFORMED),
        ("{\"code\":\"A\",\"message\":\"b\"}".to_owned(), MALFORMED),
        ("<Error><Code>A</Code><Message>b</Message>".to_owned(), MALFORMED),
        ("<Error><Code>A</Code><Message>b</Error></Message>".to_owned(), MALFORMED),
        ("<Error><Code>A</Code><Message>b</Message></Error><Error/>".to_owned(), MALFORMED),
        ("<Error><Code>A</Code><Message>b</Message></Error> gone".to_owned(), MALFORMED),
        ("<Error><Code>A</Code><Message>&nbsp;</Message></Error>".to_owned(), MALFORMED),
        ("</Error>".to_owned(), MALFORMED),
        ("<!-- only -->".to_owned(), MALFORMED),
        // A billion laughs; and no document type at all.
        (
            "<!DOCTYPE Error [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><Error><Code>&b;</Code>\
             <Message>&b;</Message></Error>"
                .to_owned(),
            MALFORMED,
        ),
        ("<!DOCTYPE Error><Error><Code>A</Code><Message>b</Message></Error>".to_owned(), MALFORMED),
    ];
    for (body, expected) in cases {
        assert_eq!(verdict(&body, Xml, 404), expected, "{body}");
    }
}

#[test]
fn any_other_type_is_nonstandard_whatever_the_bytes() {
    // T40
    assert_eq!(verdict(r#"{"code":"A","message":"b"}"#, Other, 404), Err(Reason::MediaType));
}

#[test]
fn bytes_that_are_not_utf_8_are_malformed() {
    for kind in [Json, Xml] {
        let body = b"{\"code\":\"A\",\"message\":\"b\",\"x\":\"\xff\"}";
        assert_eq!(finding(&judge(body, kind, 404, &Accepted::ALL, None)), MALFORMED);
        let body = b"<Error><Code>A</Code><Message>b</Message></Error>\xff";
        assert_eq!(finding(&judge(body, kind, 404, &Accepted::ALL, None)), MALFORMED);
    }
}

#[test]
fn depth_takes_no_stack() {
    // T40: 100,000 levels on a stack of 64 KiB.
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let run = move || {
        let arrays = deep("[", "]");
        let objects = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
        assert_eq!(verdict(&arrays, Json, 404), SHAPE);
        assert_eq!(verdict(&objects, Json, 404), SHAPE);
        assert_eq!(verdict(&"[".repeat(100_000), Json, 404), MALFORMED);
        assert_eq!(verdict(&"{\"a\":".repeat(100_000), Json, 404), MALFORMED);
        let extra = format!(r#"{{"x":{arrays},"code":"A","y":{objects},"message":"b"}}"#);
        assert_eq!(verdict(&extra, Json, 404), STANDARD);
        assert_eq!(verdict(&deep("<Error>", "</Error>"), Xml, 404), SHAPE);
        assert_eq!(verdict(&"<Error>".repeat(100_000), Xml, 404), MALFORMED);
        let extra = format!("<Error>{}<Code>A</Code><Message>b</Message></Error>", deep("<x>", "</x>"));
        assert_eq!(verdict(&extra, Xml, 404), STANDARD);
    };
    std::thread::Builder::new().stack_size(64 * 1024).spawn(run).unwrap().join().unwrap();
}

#[test]
fn a_route_can_narrow_what_it_accepts() {
    let bodies = [
        (Shape::CodeMessage, Json, r#"{"code":"A","message":"b"}"#),
        (Shape::ErrCode, Json, r#"{"errCode":"A","errMsg":"b"}"#),
        (Shape::ErrorCode, Json, r#"{"errorCode":"A","errorMsg":"b"}"#),
        (Shape::ErrorCodeMsg, Json, r#"{"error_code":"A","error_msg":"b"}"#),
        (Shape::KubernetesStatus, Json, r#"{"kind":"Status","status":"Failure","message":"b"}"#),
        (Shape::Problem, Json, r#"{"title":"b"}"#),
        (Shape::Problem, Xml, "<problem xmlns='urn:ietf:rfc:7807'><title>b</title></problem>"),
        (Shape::XmlError, Xml, "<Error><Code>A</Code><Message>b</Message></Error>"),
    ];
    for (shape, kind, body) in bodies {
        for accepted in Shape::ALL {
            let judged = judge(body.as_bytes(), kind, 404, &Accepted::from_iter([accepted]), None);
            assert_eq!(finding(&judged).is_ok(), accepted == shape, "{body} where {accepted} is accepted");
        }
    }
    let wrapped = br#"{"error":{"code":"A","message":"b"}}"#;
    for (accepted, expected) in [
        (&[Shape::Wrapped][..], SHAPE),
        (&[Shape::CodeMessage], SHAPE),
        (&[Shape::Wrapped, Shape::CodeMessage], STANDARD),
    ] {
        let accepted = accepted.iter().copied().collect();
        assert_eq!(finding(&judge(wrapped, Json, 404, &accepted, None)), expected, "{accepted:?}");
    }
}

#[test]
fn strictness_demands_the_documented_description() {
    let demanded = ["The page was not found.", "Die Seite wurde nicht gefunden."];
    let cases = [
        (Json, r#"{"code":"A","message":"The page was not found."}"#, STANDARD),
        (Json, r#"{"errorCode":"A","message":"x","errorMsg":"Die Seite wurde nicht gefunden."}"#, STANDARD),
        (Json, r#"{"error":{"code":404,"message":"The page was not found."}}"#, STANDARD),
        (Json, r#"{"title":"Not Found","detail":"The page was not found."}"#, STANDARD),
        (Xml, "<Error><Code>A</Code><Message>The page was not found.</Message></Error>", STANDARD),
        (Json, r#"{"code":"A","message":"the page was not found."}"#, SHAPE),
        (Json, r#"{"title":"The page was not found."}"#, SHAPE),
        (Json, r#"{"code":500,"message":"The page was not found."}"#, MISMATCH),
    ];
    for (kind, body, expected) in cases {
        let judged = judge(body.as_bytes(), kind, 404, &Accepted::ALL, Some(&demanded));
        assert_eq!(finding(&judged), expected, "{body}");
    }
}

fn kept(body: &str, kind: BodyKind) -> (Option<String>, Option<String>, Option<String>) {
    let judged = judge(body.as_bytes(), kind, 404, &Accepted::ALL, None);
    assert_ne!(judged.finding, BodyFinding::Standard, "{body}");
    let Kept { code, request_id, message } = judged.kept;
    let text = |token: Token| token.as_str().to_owned();
    (code.map(|code| text(code.token)), request_id.map(text), message.map(String::from))
}

#[test]
fn code_and_request_id_of_a_nonstandard_body_are_kept() {
    // T39, T41
    let long = format!(r#"{{"error_code":"{0}","request_id":"{0}"}}"#, "x".repeat(129));
    let cases = [
        (Json, r#"{"error_code":"A.1","request_id":"r-1"}"#, Some("A.1"), Some("r-1")),
        (Json, r#"{"code":12000002,"requestId":77}"#, Some("12000002"), Some("77")),
        (Json, r#"{"errCode":"A","RequestId":"r"}"#, Some("A"), Some("r")),
        (Json, r#"{"errorcode":"A","requestid":"r"}"#, Some("A"), Some("r")),
        (Json, r#"{"error":{"code":-5,"request_id":"r"}}"#, Some("-5"), Some("r")),
        (Json, r#"{"errors":[{"code":"A"},{"code":"B"}],"meta":{"requestId":"r"}}"#, Some("A"), Some("r")),
        (Json, r#"[{"error_code":"A"}]"#, Some("A"), None),
        (Json, r#"{"a":{"b":{"error_code":"deep"}},"code":"shallow"}"#, Some("shallow"), None),
        (Json, r#"{"a":{"b":[{"c":[{"d":{"error_code":"A"}}]}]}}"#, Some("A"), None),
        (Json, r#"{"a":{"b":[{"c":[{"d":[{"error_code":"A"}]}]}]}}"#, None, None),
        (Json, r#"{"code":"X","error_code":"Y"}"#, Some("Y"), None),
        // A status is no code of a service's own.
        (Json, r#"{"code":404,"error":"Not Found"}"#, None, None),
        (Json, r#"{"error_code":"502","code":"A.1"}"#, Some("A.1"), None),
        // Charset and bounds.
        (Json, r#"{"error_code":"a b","request_id":"<script>"}"#, None, None),
        (Json, r#"{"error_code":"a\"b","request_id":"a\\b"}"#, None, None),
        (Json, r#"{"error_code":"a\nb","request_id":""}"#, None, None),
        (Json, r#"{"error_code":"a b","code":"A.1"}"#, Some("A.1"), None),
        (Json, &*long, None, None),
        (Json, r#"{"error_code":["A"],"request_id":{"a":"b"}}"#, None, None),
        // Malformed and mismatching bodies say it too.
        (Json, r#"{"error_code":"A","request_id":"r","error_msg":"cut he"#, Some("A"), Some("r")),
        (Json, r#"{"error":{"code":"A","request_id":"r","#, Some("A"), Some("r")),
        (Json, r#"{"title":"a","status":500,"code":"A"}"#, Some("A"), None),
        (Xml, "<Fault><Code>A</Code><RequestId> r </RequestId></Fault>", Some("A"), Some("r")),
        (Xml, "<a><Error><Code>A</Code></Error><RequestID>r</RequestID></a>", Some("A"), Some("r")),
        (Xml, "<a><b><c><d><e><f><g><Code>A</Code></g></f></e></d></c></b></a>", Some("A"), None),
        (Xml, "<a><b><c><d><e><f><g><h><Code>A</Code></h></g></f></e></d></c></b></a>", None, None),
        (Xml, "<Error><Code>A</Code><RequestId>r</RequestId><Mess", Some("A"), Some("r")),
        (Xml, "<Error><Code>A&lt;</Code><RequestId>a b</RequestId></Error>", None, None),
    ];
    for (kind, body, code, request_id) in cases {
        let (kept_code, kept_request_id, _) = kept(body, kind);
        assert_eq!((kept_code.as_deref(), kept_request_id.as_deref()), (code, request_id), "{body}");
    }
}

#[test]
fn a_code_keeps_its_documented_name() {
    // T39: clients look for it where the backend had it.
    for (body, kind, member) in [
        (r#"{"error_code":"A"}"#, Json, "error_code"),
        (r#"{"errorCode":"A"}"#, Json, "errorCode"),
        (r#"{"errCode":"A"}"#, Json, "errCode"),
        (r#"{"error":{"code":"A"}}"#, Json, "code"),
        (r#"{"errorcode":"A"}"#, Json, "code"),
        ("<Error><Code>A</Code></Error>", Xml, "code"),
    ] {
        let kept = judge(body.as_bytes(), kind, 404, &Accepted::ALL, None).kept;
        assert_eq!(kept.code.map(|code| code.member), Some(member), "{body}");
    }
}

#[test]
fn a_message_is_kept_as_one_line() {
    let cases = [
        (Json, r#"{"message":"no such\n\tpet"}"#, Some("no such pet")),
        (Json, r#"{"error":"no such pet"}"#, Some("no such pet")),
        (Json, r#"{"error":{"msg":"no such pet"}}"#, Some("no such pet")),
        (Json, r#"{"code":404}"#, None),
        (Xml, "<fault><message>no such pet</message></fault>", Some("no such pet")),
    ];
    for (kind, body, expected) in cases {
        assert_eq!(kept(body, kind).2.as_deref(), expected, "{body}");
    }
}

#[test]
fn the_beginning_of_a_body_is_salvaged() {
    let body = "{\"error_code\":\"A\",\"request_id\":\"r\",\"error_msg\":\"ä";
    for cut in [body.len(), body.len() - 1] {
        let Kept { code, request_id, message } = salvage(&body.as_bytes()[..cut], Json);
        assert_eq!(code.as_ref().map(|code| code.token.as_str()), Some("A"), "{cut}");
        assert_eq!(request_id.as_ref().map(Token::as_str), Some("r"), "{cut}");
        assert_eq!(message, None, "{cut}");
    }
    // It may look complete; and what is of no JSON or XML type says nothing (T41).
    let whole = br#"{"error_code":"A","error_msg":"b"}"#;
    assert!(salvage(whole, Json).code.is_some());
    assert!(salvage(whole, Other).is_empty());
}

#[test]
fn no_prefix_and_no_changed_byte_panics() {
    let bodies = [
        (
            Json,
            r#"{"error":{"code":"A\u00e9\ud83d\ude00","message":[1.5e3,-0,true,null,{"x":""}]},"title":"é"}"#,
        ),
        (
            Xml,
            "<?xml version='1.0'?><Error a='b'><!-- c --><Code>é&#x41;&amp;</Code><![CDATA[x]]><Message/></Error>",
        ),
    ];
    for (kind, body) in bodies {
        for end in 0..body.len() {
            judge(&body.as_bytes()[..end], kind, 404, &Accepted::ALL, None);
            salvage(&body.as_bytes()[..end], kind);
            for byte in [0, b'"', b'<', b'>', b'{', b'[', b'\\', b'&', 0x80, 0xff] {
                let mut changed = body.as_bytes().to_vec();
                changed[end] = byte;
                judge(&changed, kind, 404, &Accepted::ALL, None);
            }
        }
    }
}
