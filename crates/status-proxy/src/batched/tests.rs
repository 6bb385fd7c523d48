use std::{io::Read as _, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::yield_now,
    time::timeout,
};

use super::*;

const TIME: Duration = Duration::from_secs(10);

async fn connected() -> (BatchedStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (peer, _) = listener.accept().await.unwrap();
    (BatchedStream::new(stream), peer.into_std().unwrap())
}

/// What has come so far; `None` for the end.
fn seen(peer: &mut std::net::TcpStream) -> Option<Vec<u8>> {
    let mut seen = vec![0; 1024];
    match peer.read(&mut seen) {
        Ok(0) => None,
        Ok(read) => Some(seen[..read].to_vec()),
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            Some(Vec::new())
        }
    }
}

/// Has writes wait until the next turn ends: this one has had many.
async fn make_busy() {
    let (mut stream, _peer) = connected().await;
    for _ in 0..MANY_WRITES {
        stream.write_all(b".").await.unwrap();
    }
    yield_now().await;
}

/// Everything up to the end.
async fn all_of(peer: std::net::TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    timeout(TIME, TcpStream::from_std(peer).unwrap().read_to_end(&mut all)).await.unwrap().unwrap();
    all
}

/// Writes until the system takes no more.
async fn fill(stream: &mut BatchedStream) -> usize {
    let mut filled = 0;
    while let Ok(written) = timeout(Duration::from_millis(50), stream.write(&[b'.'; 64 * 1024])).await {
        filled += written.unwrap();
    }
    filled
}

#[tokio::test]
async fn few_writes_leave_at_once() {
    let (mut one, mut peer_of_one) = connected().await;
    let (mut other, mut peer_of_other) = connected().await;
    make_busy().await;
    for is_first in [true, false] {
        one.write_all(b"a").await.unwrap();
        other.write_all(b"b").await.unwrap();
        let expected: [&[u8]; 2] = if is_first { [b"", b""] } else { [b"a", b"b"] };
        assert_eq!([seen(&mut peer_of_one).unwrap(), seen(&mut peer_of_other).unwrap()], expected);
        yield_now().await;
        if is_first {
            assert_eq!([seen(&mut peer_of_one).unwrap(), seen(&mut peer_of_other).unwrap()], [b"a", b"b"]);
        }
    }
}

#[tokio::test]
async fn small_writes_leave_when_the_ready_tasks_have_had_their_turn() {
    let (mut one, mut peer_of_one) = connected().await;
    let (mut other, mut peer_of_other) = connected().await;
    make_busy().await;
    one.write_all(b"a").await.unwrap();
    other.write_all(b"b").await.unwrap();
    one.write_all(b"c").await.unwrap();
    one.flush().await.unwrap();
    assert_eq!(seen(&mut peer_of_one).unwrap(), b"");
    assert_eq!(seen(&mut peer_of_other).unwrap(), b"");
    yield_now().await;
    assert_eq!(seen(&mut peer_of_other).unwrap(), b"b");
    let mut of_one = seen(&mut peer_of_one).unwrap();
    if of_one == b"a" {
        of_one.extend(seen(&mut peer_of_one).unwrap());
    }
    assert_eq!(of_one, b"ac");
}

#[tokio::test]
async fn what_was_small_comes_before_what_is_large() {
    let (mut stream, peer) = connected().await;
    make_busy().await;
    let large = vec![b'+'; SMALL_BYTES + 1];
    stream.write_all(b"small").await.unwrap();
    stream.write_all(&large).await.unwrap();
    stream.write_all(b"last").await.unwrap();
    drop(stream);
    assert_eq!(all_of(peer).await, [b"small", &large[..], b"last"].concat());
}

#[tokio::test]
async fn nothing_waits_behind_what_is_large() {
    let (mut one, mut peer_of_one) = connected().await;
    let (mut other, _peer_of_other) = connected().await;
    make_busy().await;
    one.write_all(b"small").await.unwrap();
    other.write_all(&[b'+'; SMALL_BYTES + 1]).await.unwrap();
    assert_eq!(seen(&mut peer_of_one).unwrap(), b"small");
}

#[tokio::test]
async fn a_full_batch_leaves_at_once() {
    let (mut stream, mut peer) = connected().await;
    make_busy().await;
    for _ in 0..BATCH_BYTES.div_ceil(SMALL_BYTES) {
        stream.write_all(&[b'.'; SMALL_BYTES]).await.unwrap();
    }
    assert_eq!(seen(&mut peer).unwrap().len(), 1024);
}

#[tokio::test]
async fn a_full_socket_gets_the_rest_in_order_when_it_has_room() {
    let (mut stream, peer) = connected().await;
    let (mut other, _peer_of_other) = connected().await;
    let filled = fill(&mut stream).await;
    make_busy().await;
    for part in [&b"one "[..], b"two ", b"three"] {
        stream.write_all(part).await.unwrap();
        other.write_all(b"in between").await.unwrap();
    }
    yield_now().await;
    assert!(
        timeout(Duration::from_millis(50), stream.write(b"four")).await.is_err(),
        "nothing more is taken"
    );
    assert!(timeout(Duration::from_millis(50), stream.flush()).await.is_err());
    let reading = tokio::spawn(all_of(peer));
    timeout(TIME, stream.flush()).await.unwrap().unwrap();
    stream.write_all(b" four").await.unwrap();
    timeout(TIME, stream.shutdown()).await.unwrap().unwrap();
    assert_eq!(reading.await.unwrap()[filled..], *b"one two three four");
}

#[tokio::test]
async fn what_waits_is_sent_before_the_socket_is_closed() {
    let (mut stream, mut peer) = connected().await;
    make_busy().await;
    stream.write_all(b"last words").await.unwrap();
    drop(stream);
    assert_eq!(seen(&mut peer).unwrap(), b"last words");
    assert_eq!(seen(&mut peer), None);
}

#[tokio::test]
async fn a_full_socket_that_nobody_wants_any_more_is_closed() {
    let (mut stream, peer) = connected().await;
    let filled = fill(&mut stream).await;
    make_busy().await;
    stream.write_all(b"never sent").await.unwrap();
    yield_now().await;
    let socket = Arc::downgrade(&stream.0);
    drop(stream);
    yield_now().await;
    assert_eq!(socket.strong_count(), 0);
    assert_eq!(all_of(peer).await.len(), filled);
}

#[tokio::test]
async fn a_peer_that_has_gone_is_found_out() {
    let (mut stream, peer) = connected().await;
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    let failure = timeout(TIME, async {
        loop {
            make_busy().await;
            if let Err(error) = stream.write_all(b"is anybody there?").await {
                return error;
            }
            yield_now().await;
        }
    });
    assert_eq!(failure.await.unwrap().kind(), io::ErrorKind::BrokenPipe);
    assert!(stream.flush().await.is_err());
    assert!(matches!(timeout(TIME, stream.read(&mut [0; 8])).await.unwrap(), Ok(0) | Err(_)));
}

#[test]
fn a_thread_may_have_one_runtime_after_the_other() {
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut stream, mut peer) = connected().await;
            stream.write_all(b"hello").await.unwrap();
            yield_now().await;
            assert_eq!(seen(&mut peer).unwrap(), b"hello");
        });
    }
}

#[test]
fn what_waits_when_the_runtime_ends_is_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (stream, mut peer) = runtime.block_on(async {
        let (mut stream, peer) = connected().await;
        make_busy().await;
        stream.write_all(b"good bye").await.unwrap();
        (stream, peer)
    });
    runtime.spawn(async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    });
    drop(runtime);
    assert_eq!(seen(&mut peer).unwrap(), b"good bye");
    assert_eq!(seen(&mut peer), None);
}
