//! Whether a body is standard, and what is kept of one that is not.

use std::borrow::Cow;

use super::{Accepted, BodyFinding, BodyKind, Kept, Reason, Shape, Token, json, kept::message, xml};

/// How deep objects, arrays and elements are looked into for what is kept; below, they are only skipped.
pub(super) const DEEPEST: u8 = 4;

/// The verdict on a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Judged {
    pub(crate) finding: BodyFinding,
    /// Empty for a standard body.
    pub(crate) kept: Kept,
}

/// Judges a decoded body. `demanded`: the descriptions of which a standard body must carry one, word for word.
///
/// Decisions where the standards leave room: bytes that are not UTF-8 are malformed, a byte order mark is skipped.
/// The last of several members of one name counts. A lone surrogate is malformed in a member that is read, and not
/// looked at elsewhere. Nesting has no limit and takes no stack. XML with a document type is malformed: nothing that
/// our clients parse may define entities.
pub(crate) fn judge(
    body: &[u8],
    kind: BodyKind,
    status: u16,
    accepted: &Accepted,
    demanded: Option<&[&str]>,
) -> Judged {
    let criteria = Criteria { status, accepted: *accepted, demanded };
    let mut findings = Findings::default();
    let reason = match criteria.read(body, kind, &mut findings) {
        Err(reason) => reason,
        Ok(()) => match findings.agreement {
            Agreement::Agrees => return Judged { finding: BodyFinding::Standard, kept: Kept::default() },
            Agreement::OtherStatus => Reason::StatusMismatch,
            Agreement::None => Reason::Shape,
        },
    };
    Judged { finding: BodyFinding::Nonstandard(reason), kept: findings.kept() }
}

/// What is kept of the beginning of a body that is nonstandard for another reason than its content.
pub(crate) fn salvage(beginning: &[u8], kind: BodyKind) -> Kept {
    let mut findings = Findings::default();
    let criteria = Criteria { status: 0, accepted: Accepted::ALL, demanded: None };
    // That it is incomplete is known.
    let _ = criteria.read(beginning, kind, &mut findings);
    findings.kept()
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Criteria<'c> {
    status: u16,
    accepted: Accepted,
    demanded: Option<&'c [&'c str]>,
}

impl Criteria<'_> {
    fn read<'a>(&self, body: &'a [u8], kind: BodyKind, findings: &mut Findings<'a>) -> Result<(), Reason> {
        if !self.accepted.may_be(kind) {
            return Err(Reason::MediaType);
        }
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
        let (text, whole) = match str::from_utf8(body) {
            Ok(text) => (text, true),
            Err(error) => (str::from_utf8(&body[..error.valid_up_to()]).unwrap_or_default(), false),
        };
        if whole && text.trim_ascii().is_empty() {
            return Err(Reason::Empty);
        }
        let is_well_formed = match kind {
            BodyKind::Json => json::read(text, self, findings).is_ok(),
            BodyKind::Other => return Err(Reason::MediaType),
            BodyKind::Xml => xml::read(text, self, findings).is_ok(),
        };
        if whole && is_well_formed { Ok(()) } else { Err(Reason::Malformed) }
    }

    fn documented(&self, messages: &[&Value<'_>]) -> bool {
        let mut texts = messages.iter().filter_map(|message| message.text());
        match self.demanded {
            None => texts.any(|text| !text.trim().is_empty()),
            Some(demanded) => texts.any(|text| !text.is_empty() && demanded.contains(&text)),
        }
    }

    fn status_of(&self, claim: &Value<'_>) -> Agreement {
        match claim.number() {
            Some(status @ 400..=599) if status != u64::from(self.status) => Agreement::OtherStatus,
            _ => Agreement::Agrees,
        }
    }
}

/// The members that mean something, whatever their case and separators are in JSON and XML.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Key {
    Code,
    Detail,
    ErrCode,
    ErrMsg,
    ErrorCode,
    ErrorCodeSnake,
    ErrorMessage,
    ErrorMsg,
    ErrorMsgSnake,
    ExternalMessage,
    Kind,
    Message,
    /// Kept, but in no shape.
    OtherCode,
    /// Kept, but in no shape.
    OtherMessage,
    RequestId,
    Status,
    Title,
}

impl Key {
    const COUNT: usize = Self::Title as usize + 1;

    /// The key of a JSON member's name.
    pub(super) fn of_member(name: &str) -> Option<Self> {
        Some(match name {
            "code" => Self::Code,
            "detail" => Self::Detail,
            "errCode" => Self::ErrCode,
            "errMsg" => Self::ErrMsg,
            "errorCode" => Self::ErrorCode,
            "errorMessage" => Self::ErrorMessage,
            "errorMsg" => Self::ErrorMsg,
            "error_code" => Self::ErrorCodeSnake,
            "error_msg" => Self::ErrorMsgSnake,
            "externalMessage" => Self::ExternalMessage,
            "kind" => Self::Kind,
            "message" => Self::Message,
            "status" => Self::Status,
            "title" => Self::Title,
            _ => return Self::only_kept(name),
        })
    }

    /// The key of an XML element's local name.
    pub(super) fn of_element(name: &str) -> Option<Self> {
        Some(match name {
            "Code" => Self::Code,
            "Message" => Self::Message,
            "detail" => Self::Detail,
            "status" => Self::Status,
            "title" => Self::Title,
            "code" | "errCode" | "errorCode" | "error_code" => Self::OtherCode,
            "message" | "errMsg" | "errorMsg" | "errorMessage" | "error_msg" => Self::OtherMessage,
            _ => return Self::only_kept(name),
        })
    }

    /// Spellings met in gateways and frameworks, in no documented shape.
    fn only_kept(name: &str) -> Option<Self> {
        Some(match name {
            "Code" | "ErrorCode" | "error-code" | "errorcode" | "err_code" => Self::OtherCode,
            "ErrorMessage" | "Message" | "description" | "error" | "error_description" | "error_message"
            | "errormsg" | "msg" => Self::OtherMessage,
            "RequestID" | "RequestId" | "requestID" | "requestId" | "request-id" | "request_id"
            | "requestid" => Self::RequestId,
            _ => return None,
        })
    }
}

/// The value of a member, or the text of an element.
#[derive(Clone, Debug, Default)]
pub(super) enum Value<'a> {
    /// Absent, or of a type that means nothing to us.
    #[default]
    Other,
    Signed(i64),
    Text(Cow<'a, str>),
    Unsigned(u64),
}

impl Value<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other | Self::Signed(_) | Self::Unsigned(_) => None,
        }
    }

    /// An unsigned number, or a string of three digits.
    fn number(&self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(*number),
            Self::Text(text) if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok()
            }
            Self::Other | Self::Signed(_) | Self::Text(_) => None,
        }
    }

    fn is_code(&self) -> bool {
        match self {
            Self::Other => false,
            Self::Signed(_) | Self::Unsigned(_) => true,
            Self::Text(text) => !text.trim().is_empty(),
        }
    }

    fn token(&self) -> Option<Token> {
        match self {
            Self::Other => None,
            Self::Signed(number) => Token::new(&number.to_string()),
            Self::Text(text) => Token::new(text),
            Self::Unsigned(number) => Token::new(&number.to_string()),
        }
    }

    fn is_token(&self) -> bool {
        match self {
            Self::Other => false,
            Self::Signed(_) | Self::Unsigned(_) => true,
            Self::Text(text) => Token::fits(text),
        }
    }

    /// A code of the service's own: one that only repeats an HTTP status says nothing that the head does not.
    fn is_own_code(&self) -> bool {
        self.is_token() && !matches!(self.number(), Some(100..=599))
    }
}

/// The members of one object, or the children of one element.
#[derive(Debug, Default)]
pub(super) struct Members<'a>([Value<'a>; Key::COUNT]);

impl<'a> Members<'a> {
    pub(super) fn set(&mut self, key: Key, value: Value<'a>) {
        self.0[key as usize] = value;
    }

    fn value(&self, key: Key) -> &Value<'a> {
        &self.0[key as usize]
    }

    /// Whether one of the pairs is there and agrees.
    fn pairs(&self, criteria: &Criteria<'_>) -> Agreement {
        let mut agreement = Agreement::None;
        let mut pair = |shape, code: Key, messages: &[Key]| {
            let code = self.value(code);
            if !criteria.accepted.has(shape) || !code.is_code() {
                return;
            }
            let mut values = [&Value::Other; 3];
            for (value, key) in values.iter_mut().zip(messages) {
                *value = self.value(*key);
            }
            if criteria.documented(&values) {
                let claim = if matches!(shape, Shape::CodeMessage) { code } else { &Value::Other };
                agreement = agreement.max(criteria.status_of(claim));
            }
        };
        pair(Shape::ErrorCodeMsg, Key::ErrorCodeSnake, &[Key::ErrorMsgSnake]);
        pair(Shape::CodeMessage, Key::Code, &[Key::Message]);
        pair(Shape::ErrCode, Key::ErrCode, &[Key::ErrMsg, Key::ExternalMessage]);
        pair(Shape::ErrorCode, Key::ErrorCode, &[Key::ErrorMessage, Key::ErrorMsg, Key::Message]);
        agreement
    }

    fn problem(&self, criteria: &Criteria<'_>) -> Agreement {
        // The title names the status; what strictness demands is the description.
        let title = if criteria.demanded.is_some() { &Value::Other } else { self.value(Key::Title) };
        if criteria.accepted.has(Shape::Problem) && criteria.documented(&[title, self.value(Key::Detail)]) {
            criteria.status_of(self.value(Key::Status))
        } else {
            Agreement::None
        }
    }

    fn kubernetes(&self, criteria: &Criteria<'_>) -> Agreement {
        if criteria.accepted.has(Shape::KubernetesStatus)
            && self.value(Key::Kind).text() == Some("Status")
            && self.value(Key::Status).text() == Some("Failure")
            && criteria.documented(&[self.value(Key::Message)])
        {
            criteria.status_of(self.value(Key::Code))
        } else {
            Agreement::None
        }
    }

    fn xml_error(&self, criteria: &Criteria<'_>) -> Agreement {
        let code = self.value(Key::Code);
        if criteria.accepted.has(Shape::XmlError)
            && code.is_code()
            && criteria.documented(&[self.value(Key::Message)])
        {
            criteria.status_of(code)
        } else {
            Agreement::None
        }
    }
}

/// How accepted shapes and the status line go together. Of several, the greatest counts.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
enum Agreement {
    /// No accepted shape.
    #[default]
    None,
    Agrees,
    OtherStatus,
}

/// Where an object or element stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// In an array, or below a member of the body: nothing but what is kept counts.
    Inside,
    /// The value of a member of the JSON body itself.
    Member,
    /// The JSON body.
    Root,
    /// The XML `Error`.
    XmlError,
    /// The XML `problem` in the namespace of RFC 9457.
    XmlProblem,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings<'a> {
    agreement: Agreement,
    wrapped: Agreement,
    code: Candidate<'a>,
    request_id: Candidate<'a>,
    message: Candidate<'a>,
}

impl<'a> Findings<'a> {
    /// Takes in an object that was read to its end, or an element.
    pub(super) fn close(&mut self, members: &Members<'a>, place: Place, criteria: &Criteria<'_>) {
        match place {
            Place::Inside => {}
            Place::Member => {
                let found = members.pairs(criteria);
                // One wrapper that agrees is enough: what is beside it are extra members.
                self.wrapped = match (self.wrapped, found) {
                    (Agreement::Agrees, _) | (_, Agreement::Agrees) => Agreement::Agrees,
                    (before, now) => before.max(now),
                };
            }
            Place::Root => {
                let own =
                    members.pairs(criteria).max(members.problem(criteria)).max(members.kubernetes(criteria));
                let wrapped =
                    if criteria.accepted.has(Shape::Wrapped) { self.wrapped } else { Agreement::None };
                self.agreement = if own == Agreement::None { wrapped } else { own };
            }
            Place::XmlError => self.agreement = members.xml_error(criteria),
            Place::XmlProblem => self.agreement = members.problem(criteria),
        }
    }

    /// Looks for what is kept; `depth` counts from 1.
    pub(super) fn keep(&mut self, members: &mut Members<'a>, depth: u8) {
        self.code.offer(
            members,
            depth,
            &[Key::ErrorCodeSnake, Key::Code, Key::ErrCode, Key::ErrorCode, Key::OtherCode],
            Value::is_own_code,
        );
        self.request_id.offer(members, depth, &[Key::RequestId], Value::is_token);
        self.message.offer(
            members,
            depth,
            &[
                Key::Message,
                Key::ErrorMsgSnake,
                Key::ErrMsg,
                Key::ErrorMessage,
                Key::ErrorMsg,
                Key::ExternalMessage,
                Key::Detail,
                Key::OtherMessage,
                Key::Title,
            ],
            |value| value.text().is_some_and(|text| !text.trim().is_empty()),
        );
    }

    fn kept(&self) -> Kept {
        let Self { code, request_id, message: text, agreement: _, wrapped: _ } = self;
        Kept {
            code: code.value.token(),
            request_id: request_id.value.token(),
            message: text.value.text().and_then(message),
        }
    }
}

/// The shallowest value so far that may be kept.
#[derive(Debug, Default)]
struct Candidate<'a> {
    value: Value<'a>,
    depth: u8,
}

impl<'a> Candidate<'a> {
    fn offer(
        &mut self,
        members: &mut Members<'a>,
        depth: u8,
        keys: &[Key],
        fits: impl Fn(&Value<'a>) -> bool,
    ) {
        if !matches!(self.value, Value::Other) && self.depth <= depth {
            return;
        }
        if let Some(key) = keys.iter().find(|key| fits(members.value(**key))) {
            self.value = std::mem::take(&mut members.0[*key as usize]);
            self.depth = depth;
        }
    }
}

#[cfg(test)]
mod tests;
