//! HTTP/1.1 messages as they stand on the wire.

use std::io::{self, BufRead};

/// A head and a body, nothing normalised.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// `GET / HTTP/1.1` or `HTTP/1.1 200 OK`.
    pub(crate) start: String,
    /// In order, values as bytes without surrounding blanks.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    /// Without transfer coding.
    pub(crate) body: Vec<u8>,
    /// What stood after the last chunk.
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
    /// Head and body as read.
    pub(crate) raw: Vec<u8>,
    /// How many chunks the body came in.
    pub(crate) chunks: usize,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    Chunked,
    Close,
    Length(usize),
    None,
}

impl Message {
    /// Reads a start line and fields; `None` at a clean end of the stream.
    pub(crate) fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut message = Self::default();
        let Some(start) = message.line(reader)? else { return Ok(None) };
        message.start = start.iter().map(|&byte| char::from(byte)).collect();
        message.fields = message.read_fields(reader)?;
        Ok(Some(message))
    }

    /// Reads the body that the head announces.
    pub(crate) fn read_body(&mut self, reader: &mut impl BufRead, framing: Framing) -> io::Result<()> {
        match framing {
            Framing::None => {}
            Framing::Length(length) => {
                self.body = vec![0; length];
                reader.read_exact(&mut self.body)?;
                self.raw.extend_from_slice(&self.body);
            }
            Framing::Close => {
                reader.read_to_end(&mut self.body)?;
                self.raw.extend_from_slice(&self.body);
            }
            Framing::Chunked => loop {
                let line = self.line(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
                let digits = String::from_utf8_lossy(&line);
                let digits = digits.split(';').next().unwrap_or_default().trim().to_owned();
                let size = usize::from_str_radix(&digits, 16).map_err(io::Error::other)?;
                if size == 0 {
                    self.trailers = self.read_fields(reader)?;
                    return Ok(());
                }
                let mut chunk = vec![0; size + 2];
                reader.read_exact(&mut chunk)?;
                self.raw.extend_from_slice(&chunk);
                assert_eq!(&chunk[size..], b"\r\n", "a chunk ends with CRLF");
                self.body.extend_from_slice(&chunk[..size]);
                self.chunks += 1;
            },
        }
        Ok(())
    }

    fn line(&mut self, reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        self.raw.extend_from_slice(&line);
        if !line.ends_with(b"\n") {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
        Ok(Some(line))
    }

    fn read_fields(&mut self, reader: &mut impl BufRead) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.is_empty() {
                return Ok(fields);
            }
            let colon = line.iter().position(|&byte| byte == b':').ok_or(io::ErrorKind::InvalidData)?;
            let name = String::from_utf8_lossy(&line[..colon]).into_owned();
            fields.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
    }

    /// Every value of a field, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let named = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The one value of a field, or `""`; a second line of it is a failure.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> String {
        let values = self.all(name);
        assert!(values.len() < 2, "{name} stands once, not as {values:?}");
        values.into_iter().next().unwrap_or_default()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The tokens of a list field over all its lines, in lower case.
    pub(crate) fn tokens(&self, name: &str) -> Vec<String> {
        let values = self.all(name);
        values
            .iter()
            .flat_map(|value| value.split(','))
            .map(|token| token.trim().to_ascii_lowercase())
            .collect()
    }

    pub(crate) fn status(&self) -> u16 {
        let code = self.start.split(' ').nth(1).unwrap_or_default();
        code.parse().unwrap_or_else(|_| panic!("{:?} is a status line", self.start))
    }

    /// The reason phrase.
    pub(crate) fn reason(&self) -> &str {
        self.start.splitn(3, ' ').nth(2).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The framing of this head, for an answer to `method`.
    pub(crate) fn answer_framing(&self, method: &str) -> Framing {
        let status = self.status();
        let tunnel = method == "CONNECT" && (200..300).contains(&status);
        if method == "HEAD" || status < 200 || status == 204 || status == 304 || tunnel {
            return Framing::None;
        }
        match self.framing() {
            Framing::None => Framing::Close,
            known => known,
        }
    }

    /// The framing that the fields give by themselves.
    pub(crate) fn framing(&self) -> Framing {
        if self.tokens("transfer-encoding").iter().any(|coding| coding == "chunked") {
            return Framing::Chunked;
        }
        self.all("content-length")
            .first()
            .and_then(|length| length.parse().ok())
            .map_or(Framing::None, Framing::Length)
    }
}
