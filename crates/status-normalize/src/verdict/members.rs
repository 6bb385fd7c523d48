//! The members that mean something, and the shapes that they make.

use std::borrow::Cow;

use super::{Accepted, Shape, Token};

/// What a body is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Criteria<'c> {
    pub(super) status: u16,
    pub(super) accepted: Accepted,
    /// The descriptions of which a standard body must carry one.
    pub(super) demanded: Option<&'c [&'c str]>,
}

impl Criteria<'_> {
    fn documented(&self, messages: &[&Value<'_>]) -> bool {
        let mut texts = messages.iter().filter_map(|message| message.text());
        match self.demanded {
            None => texts.any(|text| !is_blank(text)),
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

/// How accepted shapes and the status line go together. Of several, the greatest counts.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Agreement {
    /// No accepted shape.
    #[default]
    None,
    Agrees,
    OtherStatus,
}

/// The members that mean something, whatever their case and separators are in JSON and XML.
#[derive(Clone, Copy, Debug, Default)]
#[repr(u8)]
pub(super) enum Key {
    #[default]
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

    /// The member under which a code is kept: as the backend named it where that is a documented name.
    pub(super) const fn code_member(self) -> &'static str {
        match self {
            Self::ErrCode => "errCode",
            Self::ErrorCode => "errorCode",
            Self::ErrorCodeSnake => "error_code",
            _ => "code",
        }
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
    pub(super) fn text(&self) -> Option<&str> {
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
            Self::Text(text) => !is_blank(text),
        }
    }

    pub(super) fn token(&self) -> Option<Token> {
        match self {
            Self::Other => None,
            Self::Signed(number) => Token::new(&number.to_string()),
            Self::Text(text) => Token::new(text),
            Self::Unsigned(number) => Token::new(&number.to_string()),
        }
    }

    pub(super) fn is_token(&self) -> bool {
        match self {
            Self::Other => false,
            Self::Signed(_) | Self::Unsigned(_) => true,
            Self::Text(text) => Token::fits(text),
        }
    }

    /// A code of the service's own: one that only repeats an HTTP status says nothing that the head does not.
    pub(super) fn is_own_code(&self) -> bool {
        self.is_token() && !matches!(self.number(), Some(100..=599))
    }
}

/// Whether a text says nothing; the first character of most tells.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// The members of one object, or the children of one element.
#[derive(Debug, Default)]
pub(super) struct Members<'a>([Value<'a>; Key::COUNT]);

impl<'a> Members<'a> {
    pub(super) fn set(&mut self, key: Key, value: Value<'a>) {
        self.0[key as usize] = value;
    }

    pub(super) fn take(&mut self, key: Key) -> Value<'a> {
        std::mem::take(&mut self.0[key as usize])
    }

    pub(super) fn value(&self, key: Key) -> &Value<'a> {
        &self.0[key as usize]
    }

    /// Whether one of the pairs is there and agrees.
    pub(super) fn pairs(&self, criteria: &Criteria<'_>) -> Agreement {
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

    pub(super) fn problem(&self, criteria: &Criteria<'_>) -> Agreement {
        // The title names the status; what strictness demands is the description.
        let title = if criteria.demanded.is_some() { &Value::Other } else { self.value(Key::Title) };
        if criteria.accepted.has(Shape::Problem) && criteria.documented(&[title, self.value(Key::Detail)]) {
            criteria.status_of(self.value(Key::Status))
        } else {
            Agreement::None
        }
    }

    pub(super) fn kubernetes(&self, criteria: &Criteria<'_>) -> Agreement {
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

    pub(super) fn xml_error(&self, criteria: &Criteria<'_>) -> Agreement {
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
