//! Connections byte by byte, for what no client would do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::api::Api;

/// The longest that anything may take before it counts as stuck.
pub(crate) const STUCK: Duration = Duration::from_secs(30);

pub(crate) const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";

pub(crate) fn address(api: &Api) -> SocketAddr {
    api.address.strip_prefix("http://").unwrap().parse().unwrap()
}

pub(crate) async fn connect_from(api: &Api, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(address(api)).await.unwrap()
}

pub(crate) async fn connect(api: &Api) -> TcpStream {
    connect_from(api, "127.0.0.1").await
}

/// What comes until the server closes the connection, and how long that took.
pub(crate) async fn until_closed(stream: &mut TcpStream) -> (String, Duration) {
    let (started, mut bytes) = (Instant::now(), Vec::new());
    let read = tokio::time::timeout(STUCK, stream.read_to_end(&mut bytes)).await.expect("the connection is closed");
    // A connection may also be cut off; what came before counts.
    drop(read);
    (String::from_utf8_lossy(&bytes).into_owned(), started.elapsed())
}

/// A reply's head and the part of its body that came with it.
pub(crate) async fn reply(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 16_384];
    let read = tokio::time::timeout(STUCK, stream.read(&mut bytes)).await.expect("a reply").unwrap();
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

/// What the server answers to some bytes before it closes their connection.
pub(crate) async fn answer(api: &Api, bytes: &[u8]) -> String {
    let mut stream = connect(api).await;
    stream.write_all(bytes).await.unwrap();
    until_closed(&mut stream).await.0
}

/// A request to embed a text, whole.
pub(crate) fn embed() -> Vec<u8> {
    let body = r#"{"texts":["nurse"]}"#;
    let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    format!("POST /embed HTTP/1.1\r\nHost: localhost\r\n{head}{body}").into_bytes()
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// What a client of HTTP/2 says first: its preface, and SETTINGS that change nothing.
pub(crate) fn http_2() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat()
}

/// The HEADERS of a request to a path (RFC 7541: literals, and names out of the static table). Where it is not the end of
/// the stream, a body in JSON follows.
pub(crate) fn headers(stream: u8, path: &str, ends: bool) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let method = if ends { 0x82 } else { 0x83 };
    let mut block = [&[method, 0x86, 0x04][..], &text(path), &[0x01], &text("localhost")].concat();
    if !ends {
        block.extend([&[0x0f, 0x10][..], &text("application/json")].concat());
    }
    frame(1, if ends { 5 } else { 4 }, stream, &block)
}

/// Frames until one satisfies `last`; their kinds and payloads.
pub(crate) async fn frames(stream: &mut TcpStream, last: impl Fn(u8, &[u8]) -> bool) -> Vec<(u8, Vec<u8>)> {
    let mut frames: Vec<(u8, Vec<u8>)> = Vec::new();
    let read = async {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            stream.read_exact(&mut payload).await.unwrap();
            let ends = last(head[3], &payload);
            frames.push((head[3], payload));
            if ends {
                return;
            }
        }
    };
    tokio::time::timeout(STUCK, read).await.expect("the frame comes");
    frames
}
