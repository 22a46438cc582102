//! A server that is stopped answers all that it was sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::App;
use crate::wire::{self, LIVE, STUCK, connect, frames, reply, until_closed};

/// A client's requests over kept-alive connections until the server is gone. Those that were answered are counted.
async fn requests(address: SocketAddr, pause: Duration, answered: Arc<AtomicUsize>) -> Result<(), String> {
    while let Ok(mut stream) = TcpStream::connect(address).await {
        stream.set_nodelay(true).unwrap();
        loop {
            stream.write_all(&wire::embed()).await.map_err(|error| format!("it cannot be sent: {error}"))?;
            let answer = whole(&mut stream).await.map_err(|error| format!("it is not answered: {error}"))?;
            if !answer.starts_with("HTTP/1.1 200") {
                return Err(answer);
            }
            answered.fetch_add(1, Ordering::Relaxed);
            if answer.contains("connection: close") {
                break;
            }
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

/// An answer with all of its body.
async fn whole(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut answer = String::new();
    loop {
        if let Some((head, body)) = answer.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return Ok(answer);
            }
        }
        let mut bytes = [0; 4096];
        match stream.read(&mut bytes).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => answer.push_str(&String::from_utf8_lossy(&bytes[..read])),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_on_a_connection_that_is_kept_is_lost_in_a_stop() {
    for wait in ["0", "1"] {
        let app = App::with(&["--stop-wait", wait]);
        let (address, answered) = (wire::address(&app), Arc::new(AtomicUsize::new(0)));
        // Some send one request after another, others think for a while.
        let pauses = [0, 5, 40].map(Duration::from_millis).into_iter().cycle().take(24);
        let clients: Vec<_> =
            pauses.map(|pause| tokio::spawn(requests(address, pause, Arc::clone(&answered)))).collect();
        while answered.load(Ordering::Relaxed) < 240 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        app.terminate();
        let (_, status) = tokio::task::spawn_blocking(|| app.ended()).await.unwrap();
        assert!(status.success());
        for client in clients {
            assert_eq!(client.await.unwrap(), Ok(()), "--stop-wait {wait}");
        }
    }
}

#[tokio::test]
async fn from_the_signal_on_every_answer_says_that_its_connection_ends_and_idle_ones_wait_for_the_stop() {
    let app = App::with(&["--stop-wait", "2"]);
    let (mut kept, mut idle, mut http_2) = (connect(&app).await, connect(&app).await, connect(&app).await);
    for stream in [&mut kept, &mut idle] {
        stream.write_all(LIVE).await.unwrap();
        assert!(!reply(stream).await.contains("connection: close"));
    }
    let live = [wire::http_2(), wire::headers(1, "/health/live", true)].concat();
    http_2.write_all(&live).await.unwrap();
    frames(&mut http_2, |kind, _| kind == 0).await;
    let told = Instant::now();
    app.terminate();
    // GOAWAY.
    frames(&mut http_2, |kind, _| kind == 7).await;
    kept.write_all(LIVE).await.unwrap();
    let (answer, _) = until_closed(&mut kept).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    let mut new = connect(&app).await;
    new.write_all(LIVE).await.unwrap();
    assert!(until_closed(&mut new).await.0.contains("connection: close"));
    let (nothing, _) = until_closed(&mut idle).await;
    assert!(nothing.is_empty() && told.elapsed() >= Duration::from_secs(2), "{:?}", told.elapsed());
    let (_, status) = app.ended();
    assert!(status.success() && told.elapsed() < STUCK / 3, "idle connections are not waited for");
}

#[tokio::test]
async fn a_request_that_began_before_the_stop_is_answered_though_its_body_comes_after_it() {
    let app = App::start();
    let mut stream = connect(&app).await;
    let request = wire::embed();
    let (first, rest) = request.split_at(request.len() - 5);
    stream.write_all(first).await.unwrap();
    let mut probe = connect(&app).await;
    probe.write_all(LIVE).await.unwrap();
    reply(&mut probe).await;
    app.terminate();
    // The server has stopped when it closes what is idle.
    until_closed(&mut probe).await;
    assert!(TcpStream::connect(wire::address(&app)).await.is_err(), "no connection is taken any more");
    stream.write_all(rest).await.unwrap();
    let (answer, _) = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    assert!(app.ended().1.success());
}
