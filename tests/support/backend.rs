//! A backend that answers with the bytes it is told, when it is told, and remembers what it was sent.

use std::{
    io::{BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{PATIENCE, message::Message};

/// What is done with a connection after a request was read, in order. After the last step the next request is read.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Goes on when the gate is open.
    Await(Gate),
    /// Closes both sides.
    Close,
    /// Reads until the peer closes.
    Hold,
    /// Sends these bytes again and again, with a pause, until the peer closes.
    Repeat(Vec<u8>, Duration),
    /// Closes with a TCP reset.
    Reset,
    Send(Vec<u8>),
    Wait(Duration),
}

/// Closed until a test opens it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().expect("no thread panics with it") = true;
        self.0.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let is_open = self.0.0.lock().expect("no thread panics with it");
        let waited = self.0.1.wait_timeout_while(is_open, PATIENCE * 6, |is_open| !*is_open);
        drop(waited.expect("no thread panics with it"));
    }
}

/// A request as the backend saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) message: Message,
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
}

impl std::ops::Deref for Seen {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl Seen {
    pub(crate) fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    stopped: AtomicBool,
}

/// A listener and its threads; ends when dropped.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

impl Backend {
    /// Every request is answered by what `script` says.
    pub(crate) fn scripted(script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let script = Arc::new(script);
        Self::raw(move |connection, stream, remember| {
            let mut reader = BufReader::new(stream);
            while let Ok(Some(mut message)) = Message::read_head(&mut reader) {
                let framing = message.framing();
                if message.read_body(&mut reader, framing).is_err() {
                    return;
                }
                let seen = Seen { message, connection };
                remember(seen.clone());
                for step in script(&seen) {
                    if !step.take(reader.get_mut()) {
                        return;
                    }
                }
            }
        })
    }

    /// Every request gets the same bytes.
    pub(crate) fn says(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::scripted(move |_| vec![Step::Send(answer.clone())])
    }

    /// The steps are the same for every request.
    pub(crate) fn does(steps: Vec<Step>) -> Self {
        Self::scripted(move |_| steps.clone())
    }

    /// Each connection is handed over: its number, the stream, a place to remember requests.
    pub(crate) fn raw(serve: impl Fn(usize, TcpStream, &dyn Fn(Seen)) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let connection = shared.connections.fetch_add(1, Ordering::Relaxed);
                shared.open.fetch_add(1, Ordering::Relaxed);
                let (shared, serve) = (Arc::clone(&shared), Arc::clone(&serve));
                thread::spawn(move || {
                    // Whatever a test forgets, no thread of it outlives it for long.
                    let _ = stream.set_read_timeout(Some(PATIENCE * 6));
                    let _ = stream.set_nodelay(true);
                    let remember = |seen| shared.seen.lock().expect("no thread panics with it").push(seen);
                    serve(connection, stream, &remember);
                    shared.open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("no thread panics with it").clone()
    }

    /// How many connections were ever accepted.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// How many are open now, as far as this side knows.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::Relaxed)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

impl Step {
    /// Whether the connection goes on.
    fn take(self, stream: &mut TcpStream) -> bool {
        match self {
            Self::Await(gate) => {
                gate.wait();
                true
            }
            Self::Close => {
                let _ = stream.shutdown(Shutdown::Both);
                false
            }
            Self::Hold => {
                let mut sink = [0; 4096];
                while stream.read(&mut sink).is_ok_and(|count| count > 0) {}
                false
            }
            Self::Repeat(bytes, pause) => {
                let _ = stream.set_write_timeout(Some(PATIENCE * 2));
                while stream.write_all(&bytes).is_ok() {
                    if !pause.is_zero() {
                        thread::sleep(pause);
                    }
                }
                false
            }
            Self::Reset => {
                let linger = rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO));
                linger.expect("a socket takes SO_LINGER");
                false
            }
            Self::Send(bytes) => stream.write_all(&bytes).is_ok(),
            Self::Wait(pause) => {
                thread::sleep(pause);
                true
            }
        }
    }
}

/// The bytes of an answer with a length: status and phrase, further lines, body.
pub(crate) fn answer(status: &str, lines: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = head(status, lines);
    bytes.truncate(bytes.len() - 2);
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// The bytes of a head alone.
pub(crate) fn head(status: &str, lines: &[&str]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// The bytes of one chunk.
pub(crate) fn chunk(data: impl AsRef<[u8]>) -> Vec<u8> {
    let data = data.as_ref();
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// An HTML error page, as frameworks write them.
pub(crate) const PAGE: &str = "<html><head><title>Error</title></head><body><h1>It broke</h1><p>Traceback (most recent \
                               call last): File \"/srv/app/views.py\", line 17</p></body></html>";

/// An HTML error page with this status.
pub(crate) fn page(status: u16) -> Vec<u8> {
    answer(&format!("{status} Whatever"), &["Content-Type: text/html"], PAGE)
}
