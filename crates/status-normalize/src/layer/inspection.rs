//! What was read of a body, and the judgement of it.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, StatusCode, header};

use super::guard::Guard;
use crate::{
    policy::{Policy, Slot},
    verdict::{self, BodyFinding, BodyKind, Judged, Kept, Reason, message_of_text, salvage},
};

const CODINGS: HeaderName = header::CONTENT_ENCODING;

/// The beginning of a body, at most up to the route's limit.
#[derive(Debug)]
pub(crate) struct Inspection {
    kind: BodyKind,
    limit: usize,
    frames: usize,
    /// Most error bodies are one frame, which need not be copied.
    first: Bytes,
    all: BytesMut,
    /// The codings of a body whose head is gone already.
    codings: Option<Box<HeaderMap>>,
}

impl Inspection {
    pub(crate) fn new(kind: BodyKind, policy: &Policy) -> Self {
        Self {
            kind,
            limit: policy.settings.inspect_limit.bytes(),
            frames: 0,
            first: Bytes::new(),
            all: BytesMut::new(),
            codings: None,
        }
    }

    /// One that outlives the head.
    pub(crate) fn detached(kind: BodyKind, policy: &Policy, headers: &HeaderMap) -> Self {
        let mut inspection = Self::new(kind, policy);
        if headers.contains_key(CODINGS) {
            let codings = headers.get_all(CODINGS).iter().map(|coding| (CODINGS, coding.clone()));
            inspection.codings = Some(Box::new(codings.collect()));
        }
        inspection
    }

    /// Takes a frame, as far as the limit allows; `false` if that is not all of it.
    pub(crate) fn add(&mut self, mut data: Bytes) -> bool {
        let room = self.limit - self.len();
        self.frames += 1;
        // Frames without data are not for nothing either.
        let fits = data.len() <= room && self.frames <= self.limit;
        data.truncate(room);
        if self.len() == 0 {
            self.first = data;
            return fits;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&data);
        fits
    }

    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn bytes(&self) -> &[u8] {
        if self.all.is_empty() { &self.first } else { &self.all }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }

    /// Judges a body that is here as a whole.
    pub(crate) fn judge(&self, policy: &Policy, slot: &Slot, headers: &HeaderMap) -> Judged {
        let nonstandard =
            |reason| Judged { finding: BodyFinding::Nonstandard(reason), kept: Kept::default() };
        let decoded = match verdict::decode(headers, self.bytes(), self.limit) {
            Ok(decoded) => decoded,
            Err(reason) => return nonstandard(reason),
        };
        let judged = match self.kind {
            BodyKind::Other => Judged {
                finding: BodyFinding::Nonstandard(Reason::MediaType),
                kept: Kept { message: message_of_text(headers, &decoded), ..Kept::default() },
            },
            kind => policy.judge(&decoded, kind, slot.status),
        };
        let client_status = slot.target.unwrap_or(slot.status);
        if judged.finding != BodyFinding::Standard && policy.rendered.of(client_status).is_one(&decoded) {
            return Judged { finding: BodyFinding::Standard, kept: Kept::default() };
        }
        judged
    }

    /// What is kept of a body that is not here as a whole.
    pub(crate) fn salvage(&self, headers: &HeaderMap) -> Kept {
        if headers.contains_key(CODINGS) { Kept::default() } else { salvage(self.bytes(), self.kind) }
    }

    /// Whether a standard body may stand under the status that the route maps to.
    pub(crate) fn fits(&self, policy: &Policy, target: StatusCode, headers: &HeaderMap) -> bool {
        verdict::decode(headers, self.bytes(), self.limit)
            .is_ok_and(|decoded| policy.judge(&decoded, self.kind, target).finding == BodyFinding::Standard)
    }

    /// The observed body has gone by.
    pub(crate) fn observe_end(self, guard: &mut Guard) {
        guard.inspected(self.len());
        let judged =
            self.judge(guard.policy(), guard.slot(), self.codings.as_deref().unwrap_or(&HeaderMap::new()));
        guard.observed(judged.finding);
    }

    /// The observed body is more than one looks at.
    pub(crate) fn observe_too_large(self, guard: &mut Guard) {
        guard.inspected(self.len());
        guard.observed(BodyFinding::Nonstandard(Reason::TooLarge));
    }

    /// The observed body is not waited for so long.
    pub(crate) fn observe_timeout(self, guard: &mut Guard) {
        guard.inspected(self.len());
        guard.observed(BodyFinding::Nonstandard(Reason::Timeout));
    }

    /// The observed body broke off.
    pub(crate) fn observe_cut(self, guard: &mut Guard) {
        guard.inspected(self.len());
        guard.observed(BodyFinding::Nonstandard(Reason::Cut));
    }
}
