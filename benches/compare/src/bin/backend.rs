//! The backend of the comparison: answers from memory, counts its connections, parses as little as it can.
//!
//! `backend PORT`. Paths: `/ok` (200 bytes), `/404` (1 KiB of HTML), `/500` (4 KiB of text), `/problem` (404 and a
//! problem document), `/chunked` (1 KiB in four chunks), `/big` (10 MiB), `/headers` (20 response fields), `/post` (reads
//! the body, answers 200), `/accepted` (how many connections were accepted so far), `/received` (how many bytes of bodies
//! of known length).

use std::{
    fmt::Write as _,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const PROBLEM: &[u8] =
    br#"{"type":"about:blank","title":"Not Found","status":404,"detail":"There is no such pet.","instance":"/pets/17"}"#;

struct Answers {
    ok: Vec<u8>,
    not_found: Vec<u8>,
    problem: Vec<u8>,
    failed: Vec<u8>,
    chunked: Vec<u8>,
    big: Vec<u8>,
    headers: Vec<u8>,
    accepted: AtomicU64,
    received: AtomicU64,
}

fn answer(status: &str, media_type: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n{fields}\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn count(counter: &AtomicU64) -> Vec<u8> {
    answer("200 OK", "text/plain", "", counter.load(Ordering::Relaxed).to_string().as_bytes())
}

impl Answers {
    fn new() -> Self {
        let html = format!(
            "<!doctype html><html><body><h1>Not Found</h1>{}</body></html>",
            "<p>nothing here</p>".repeat(60)
        );
        let mut fields = String::new();
        for n in 0..18 {
            write!(fields, "X-Backend-Field-{n}: some value of ordinary length {n}\r\n")
                .expect("a String takes it all");
        }
        let mut chunked =
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..4 {
            chunked.extend_from_slice(b"100\r\n");
            chunked.extend_from_slice(&[b'x'; 256]);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        Self {
            ok: answer("200 OK", "text/plain", "", &[b'x'; 200]),
            not_found: answer("404 Not Found", "text/html", "", &html.as_bytes()[..1024]),
            problem: answer("404 Not Found", "application/problem+json", "", PROBLEM),
            failed: answer("500 Internal Server Error", "text/plain", "", &[b'e'; 4096]),
            chunked,
            big: answer("200 OK", "application/octet-stream", "", &vec![b'b'; 10 << 20]),
            headers: answer("200 OK", "text/plain", &fields, &[b'x'; 200]),
            accepted: AtomicU64::new(0),
            received: AtomicU64::new(0),
        }
    }
}

async fn serve(mut stream: TcpStream, answers: Arc<Answers>) -> io::Result<()> {
    let mut buffer = vec![0; 128 * 1024];
    let mut filled = 0;
    loop {
        let Some(end) = memmem::find(&buffer[..filled], b"\r\n\r\n") else {
            let read = stream.read(&mut buffer[filled..]).await?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
            continue;
        };
        let head = &buffer[..end + 4];
        let path = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let counted;
        let answer: &[u8] = match path {
            b"/404" => &answers.not_found,
            b"/problem" => &answers.problem,
            b"/500" => &answers.failed,
            b"/chunked" => &answers.chunked,
            b"/big" => &answers.big,
            b"/headers" => &answers.headers,
            b"/accepted" => {
                counted = count(&answers.accepted);
                &counted
            }
            b"/received" => {
                counted = count(&answers.received);
                &counted
            }
            _ => &answers.ok,
        };
        let mut body = 0;
        let mut chunked = false;
        if head.starts_with(b"POST") {
            let text = String::from_utf8_lossy(head).to_ascii_lowercase();
            chunked = text.contains("transfer-encoding: chunked");
            body = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok())
                .unwrap_or(0);
        }
        buffer.copy_within(end + 4..filled, 0);
        filled -= end + 4;
        if chunked {
            // The load of the comparison never contains the last chunk's bytes inside a chunk.
            while memmem::find(&buffer[filled.saturating_sub(8)..filled], b"0\r\n\r\n").is_none() {
                let keep = filled.min(8);
                buffer.copy_within(filled - keep..filled, 0);
                filled = keep;
                let read = stream.read(&mut buffer[filled..]).await?;
                if read == 0 {
                    return Ok(());
                }
                filled += read;
            }
            filled = 0;
        }
        while body > 0 {
            if filled == 0 {
                filled = stream.read(&mut buffer).await?;
                if filled == 0 {
                    return Ok(());
                }
            }
            let taken = body.min(filled);
            buffer.copy_within(taken..filled, 0);
            filled -= taken;
            body -= taken;
            answers.received.fetch_add(taken as u64, Ordering::Relaxed);
        }
        stream.write_all(answer).await?;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0_u16);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    socket.listen(8192)?;
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from_std(socket.into())?;
    let answers = Arc::new(Answers::new());
    loop {
        let (stream, _) = listener.accept().await?;
        answers.accepted.fetch_add(1, Ordering::Relaxed);
        stream.set_nodelay(true)?;
        let answers = answers.clone();
        tokio::spawn(async move {
            // A connection that breaks ends alone.
            let _ = serve(stream, answers).await;
        });
    }
}
