//! The shapes of error bodies that count as documented.

use std::{fmt, str::FromStr};

use super::BodyKind;

/// A shape of an error body. Extra members are allowed in each; an empty message is not a message.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// `{"code": …, "message": …}`
    CodeMessage,
    /// `{"errCode": …, "errMsg": …}`, or `externalMessage` in place of `errMsg`.
    ErrCode,
    /// `{"errorCode": …, "errorMessage": …}`, or `errorMsg` or `message` in place of `errorMessage`.
    ErrorCode,
    /// `{"error_code": …, "error_msg": …}`
    ErrorCodeMsg,
    /// A Kubernetes `Status`: `{"kind": "Status", "status": "Failure", "message": …}`.
    KubernetesStatus,
    /// RFC 9457 problem details with a `title` or a `detail`, as JSON or XML.
    Problem,
    /// One of the four pairs of members inside one wrapper member: `{"error": {"code": …, "message": …}}`. Only the
    /// pairs that are accepted themselves are accepted inside.
    Wrapped,
    /// `<Error><Code>…</Code><Message>…</Message></Error>`
    XmlError,
}

impl Shape {
    /// Every shape, in the order of the variants.
    pub const ALL: [Self; 8] = [
        Self::CodeMessage,
        Self::ErrCode,
        Self::ErrorCode,
        Self::ErrorCodeMsg,
        Self::KubernetesStatus,
        Self::Problem,
        Self::Wrapped,
        Self::XmlError,
    ];

    /// The name used in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CodeMessage => "code_message",
            Self::ErrCode => "err_code",
            Self::ErrorCode => "errorcode",
            Self::ErrorCodeMsg => "error_code",
            Self::KubernetesStatus => "kubernetes_status",
            Self::Problem => "problem",
            Self::Wrapped => "wrapped",
            Self::XmlError => "xml_error",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that no [`Shape`] has.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown body shape `{0}`: use {list}", list = Shape::ALL.map(Shape::as_str).join(", "))]
pub struct UnknownShape(String);

impl FromStr for Shape {
    type Err = UnknownShape;

    fn from_str(name: &str) -> Result<Self, UnknownShape> {
        Self::ALL
            .into_iter()
            .find(|shape| shape.as_str() == name)
            .ok_or_else(|| UnknownShape(name.to_owned()))
    }
}

/// The shapes that a route accepts. Defaults to all.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Accepted(u8);

impl Accepted {
    /// Every shape.
    pub const ALL: Self = Self(u8::MAX);

    /// Whether a body in this shape is standard.
    pub const fn has(self, shape: Shape) -> bool {
        self.0 & shape.bit() != 0
    }

    /// Whether a body of that kind can be standard.
    pub(crate) const fn may_be(self, kind: BodyKind) -> bool {
        match kind {
            BodyKind::Json => self.0 & !Shape::XmlError.bit() != 0,
            BodyKind::Other => false,
            BodyKind::Xml => self.has(Shape::Problem) || self.has(Shape::XmlError),
        }
    }
}

impl Default for Accepted {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromIterator<Shape> for Accepted {
    fn from_iter<I: IntoIterator<Item = Shape>>(shapes: I) -> Self {
        Self(shapes.into_iter().fold(0, |bits, shape| bits | shape.bit()))
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Shape::ALL.into_iter().filter(|shape| self.has(*shape))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for shape in Shape::ALL {
            assert_eq!(shape.as_str().parse(), Ok(shape));
        }
    }

    #[test]
    fn an_unknown_name_is_told_with_the_known_ones() {
        let error = "problems".parse::<Shape>().unwrap_err().to_string();
        assert!(error.contains("`problems`") && error.contains("kubernetes_status"), "{error}");
    }

    #[test]
    fn a_set_has_what_it_was_made_of() {
        let narrow = Accepted::from_iter([Shape::Problem, Shape::Wrapped]);
        for shape in Shape::ALL {
            assert_eq!(narrow.has(shape), matches!(shape, Shape::Problem | Shape::Wrapped), "{shape}");
            assert!(Accepted::default().has(shape), "{shape}");
        }
        assert!(
            narrow.may_be(BodyKind::Json) && narrow.may_be(BodyKind::Xml) && !narrow.may_be(BodyKind::Other)
        );
        assert!(!Accepted::from_iter([Shape::XmlError]).may_be(BodyKind::Json));
        assert!(!Accepted::from_iter([Shape::CodeMessage]).may_be(BodyKind::Xml));
    }
}
