//! Bodies that come slowly end, and keep nobody out until then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::api::Api;
use crate::app::{App, few};
use crate::wire::{self, STUCK, connect, frames, reply, until_closed};

fn head(route: &str, length: usize) -> Vec<u8> {
    let kind = if route == "/embed" { "application/json" } else { "text/csv" };
    format!("POST {route} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")
        .into_bytes()
}

#[tokio::test]
async fn a_body_that_comes_more_slowly_than_the_least_rate_is_told_so_on_every_route() {
    let app = App::with(&["--body-grace", "1", "--body-rate", "1000"]);
    let slow = async |route: &'static str| {
        let (mut stream, started) = (connect(&app).await, Instant::now());
        stream.write_all(&head(route, 100_000)).await.unwrap();
        let (mut from, mut to) = stream.split();
        let drops = async {
            // It never stands still.
            while to.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let mut answer = vec![0; 4096];
        let read = async { tokio::io::AsyncReadExt::read(&mut from, &mut answer).await.unwrap() };
        let read = tokio::select! { read = read => read, () = drops => panic!("cut off without a word") };
        (String::from_utf8_lossy(&answer[..read]).into_owned(), started.elapsed())
    };
    for (answer, took) in [slow("/embed").await, slow("/datasets").await] {
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"code\":\"body_too_slow\""), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&took), "{took:?}");
    }
    // Twice the least rate is enough, however long it takes.
    let body = [&br#"{"texts":["nurse"]"#[..], &[b' '; 5000], b"}"].concat();
    let mut stream = connect(&app).await;
    stream.write_all(&head("/embed", body.len())).await.unwrap();
    for part in body.chunks(500) {
        tokio::time::sleep(Duration::from_millis(250)).await;
        stream.write_all(part).await.unwrap();
    }
    assert!(reply(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_stream_of_http_2_whose_body_comes_too_slowly_is_told_so_and_others_of_its_connection_are_answered() {
    let app = App::with(&["--body-grace", "1"]);
    let mut stream = connect(&app).await;
    let begin = [wire::http_2(), wire::headers(1, "/embed", false), wire::headers(3, "/health/live", true)].concat();
    stream.write_all(&begin).await.unwrap();
    // A byte, and then none.
    stream.write_all(&wire::frame(0, 0, 1, b"{")).await.unwrap();
    let answers = frames(&mut stream, |kind, payload| kind == 0 && has(payload, "body_too_slow")).await;
    assert!(answers.iter().any(|(kind, payload)| *kind == 0 && has(payload, r#""status":"ok""#)), "{answers:?}");
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Opens a connection again and again, and sends a body drop by drop.
async fn drip(address: std::net::SocketAddr, route: &'static str, goes_on: Arc<AtomicBool>, sent: Arc<AtomicUsize>) {
    while goes_on.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        let mut alive = stream.write_all(&head(route, 100_000)).await.is_ok();
        while alive && goes_on.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            alive = stream.write_all(b" ").await.is_ok();
            sent.fetch_add(usize::from(alive), Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_sends_bodies_drop_by_drop_keeps_nobody_of_its_own_address_out() {
    let app = App::with(&["--max-connections-of-address", "64", "--max-connections", "100"]);
    let (goes_on, sent) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let routes = ["/embed", "/datasets"].into_iter().cycle();
    let crowd: Vec<_> = routes
        .take(200)
        .map(|route| tokio::spawn(drip(wire::address(&app), route, Arc::clone(&goes_on), Arc::clone(&sent))))
        .collect();
    let started = Instant::now();
    while sent.load(Ordering::Relaxed) < 400 {
        assert!(started.elapsed() < STUCK, "the crowd does not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..15 {
        // Of a connection that is kept, and of one that is new.
        for client in [&*app, &Api::at(app.address.clone())] {
            assert_eq!(client.post("/embed", json!({ "texts": ["nurse"] })).await.status, 200);
            let stored = client.post_csv("/datasets", few(20)).await.status;
            assert!([200, 201].contains(&stored), "{stored}");
        }
    }
    goes_on.store(false, Ordering::Relaxed);
    for one in crowd {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn a_request_that_owes_its_body_makes_room_for_another() {
    let app = App::with(&["--max-connections-of-address", "2"]);
    let mut seats = [wire::connect_from(&app, "127.0.0.2").await, wire::connect_from(&app, "127.0.0.2").await];
    for stream in &mut seats {
        stream.write_all(&head("/embed", 100)).await.unwrap();
    }
    // They owe a body: the one that was read first leaves, which is either.
    let mut stream = wire::connect_from(&app, "127.0.0.2").await;
    stream.write_all(wire::LIVE).await.unwrap();
    assert!(reply(&mut stream).await.starts_with("HTTP/1.1 200"));
    let [one, other] = &mut seats;
    let took = tokio::select! {
        (_, took) = until_closed(one) => took,
        (_, took) = until_closed(other) => took,
    };
    assert!(took < Duration::from_secs(5), "{took:?}");
}
