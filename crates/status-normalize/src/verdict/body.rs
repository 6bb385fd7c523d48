//! Whether a body is standard, and what is kept of one that is not.

use super::{
    Accepted, BodyFinding, BodyKind, Kept, Reason, Shape, json,
    kept::{KeptCode, message},
    members::{Agreement, Criteria, Key, Members, Value, is_blank},
    xml,
};

/// How deep objects, arrays and elements are looked into for what is kept; below, they are only skipped.
pub(super) const DEEPEST: u8 = 8;

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
/// The last of several members of one name counts, but any wrapper that agrees is enough. A lone surrogate is malformed
/// in the levels that are read, and not looked at below. Nesting has no limit and takes no stack. XML with a document
/// type is malformed: nothing that our clients parse may define entities.
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

/// Whether a text is JSON, or XML without a document type.
pub(crate) fn is_well_formed(text: &str, kind: BodyKind) -> bool {
    let criteria = Criteria { status: 0, accepted: Accepted::ALL, demanded: None };
    criteria.read(text.as_bytes(), kind, &mut Findings::default()).is_ok()
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
        if whole && text.bytes().all(|byte| byte.is_ascii_whitespace()) {
            return Err(Reason::Empty);
        }
        let is_well_formed = match kind {
            BodyKind::Json => json::read(text, self, findings).is_ok(),
            BodyKind::Other => return Err(Reason::MediaType),
            BodyKind::Xml => xml::read(text, self, findings).is_ok(),
        };
        if whole && is_well_formed { Ok(()) } else { Err(Reason::Malformed) }
    }
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
            |value| value.text().is_some_and(|text| !is_blank(text)),
        );
    }

    fn kept(&self) -> Kept {
        let Self { code, request_id, message: text, agreement: _, wrapped: _ } = self;
        Kept {
            code: code.value.token().map(|token| KeptCode { member: code.key.code_member(), token }),
            request_id: request_id.value.token(),
            message: text.value.text().and_then(message),
        }
    }
}

/// The shallowest value so far that may be kept.
#[derive(Debug, Default)]
struct Candidate<'a> {
    value: Value<'a>,
    key: Key,
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
            self.value = members.take(*key);
            self.key = *key;
            self.depth = depth;
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
