//! A client that writes the bytes it is given and reads exactly one answer at a time.

use std::{
    io::{self, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use super::{
    PATIENCE,
    message::{Framing, Message},
};

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

/// A final answer and the interim ones before it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Message,
    pub(crate) interim: Vec<Message>,
}

impl std::ops::Deref for Answer {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.head
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the proxy listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        stream.set_nodelay(true).expect("a socket takes TCP_NODELAY");
        Self { reader: BufReader::new(stream) }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    pub(crate) fn set_read_timeout(&self, timeout: Duration) {
        self.stream().set_read_timeout(Some(timeout)).expect("a socket takes a timeout");
    }

    /// Writes; a peer that has already answered and closed is not an error here, its answer is read next.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.reader.get_mut().write_all(bytes.as_ref()) {
            let gone = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
            assert!(gone.contains(&error.kind()), "cannot write: {error}");
        }
    }

    /// Ends the sending side.
    pub(crate) fn finish(&self) {
        self.stream().shutdown(Shutdown::Write).expect("an open socket can be shut down");
    }

    /// Sends a request without a body: method, path, further lines as they are.
    pub(crate) fn ask(&mut self, method: &str, path: &str, lines: &[&str]) -> Answer {
        self.send(request(method, path, lines));
        self.answer(method)
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    /// Reads the next answer whole.
    #[track_caller]
    pub(crate) fn answer(&mut self, method: &str) -> Answer {
        self.try_answer(method).unwrap_or_else(|error| panic!("no whole answer: {error}"))
    }

    pub(crate) fn try_answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut answer = self.try_head()?;
        let framing = answer.answer_framing(method);
        answer.head.read_body(&mut self.reader, framing)?;
        Ok(answer)
    }

    /// Reads up to the end of the final head.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Answer {
        self.try_head().unwrap_or_else(|error| panic!("no head: {error}"))
    }

    pub(crate) fn try_head(&mut self) -> io::Result<Answer> {
        let mut interim = Vec::new();
        loop {
            let head = Message::read_head(&mut self.reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let status = head.status();
            if (100..200).contains(&status) && status != 101 {
                interim.push(head);
            } else {
                return Ok(Answer { head, interim });
            }
        }
    }

    /// Reads the body of a head that `head` gave.
    pub(crate) fn body(&mut self, answer: &mut Answer, framing: Framing) -> io::Result<()> {
        answer.head.read_body(&mut self.reader, framing)
    }

    /// Reads just so many bytes.
    #[track_caller]
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).unwrap_or_else(|error| panic!("no {count} bytes: {error}"));
        bytes
    }

    /// Reads until the peer closes.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.reader.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("not closed: {error}, after {:?}", String::from_utf8_lossy(&bytes)),
        }
        bytes
    }

    /// The peer has closed and said nothing more.
    #[track_caller]
    pub(crate) fn assert_closed(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.rest()), "", "nothing follows");
    }
}

/// The bytes of a request without a body.
pub(crate) fn request(method: &str, path: &str, lines: &[&str]) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: api.test\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text
}
