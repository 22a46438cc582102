//! Connections that are slow, too many, or only held open do not keep others from the server.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{App, few};
use crate::pipe::Pipe;
use crate::wire::{LIVE, STUCK, connect, connect_from, frame, frames, headers, http_2, reply, until_closed};

/// The head of a request that is in flight until its body has come, which it never does.
const HANGING: &[u8] = b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n";

/// Sends that head and waits until the server has taken the request.
async fn hang(stream: &mut TcpStream) {
    stream.write_all(HANGING).await.unwrap();
    assert!(reply(stream).await.starts_with("HTTP/1.1 100"));
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let app = App::with(&["--head-timeout", "1"]);
    let half = async {
        let mut stream = connect(&app).await;
        stream.write_all(b"GET /models HTTP/1.1\r\nHost: loc").await.unwrap();
        until_closed(&mut stream).await
    };
    let nothing = async { until_closed(&mut connect(&app).await).await };
    let drop_by_drop = async {
        let (mut stream, started) = (connect(&app).await, Instant::now());
        for byte in b"GET /models HTTP/1.1\r\nHost: localhost".iter().cycle() {
            assert!(started.elapsed() < STUCK, "a head came drop by drop, and was waited for");
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        started.elapsed()
    };
    let ((half, after_half), (nothing, after_nothing), after_drops) = tokio::join!(half, nothing, drop_by_drop);
    assert_eq!((half.as_str(), nothing.as_str()), ("", ""));
    for took in [after_half, after_nothing, after_drops] {
        assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another_and_is_closed_when_it_rests() {
    let app = App::with(&["--head-timeout", "1", "--idle-timeout", "3"]);
    let mut stream = connect(&app).await;
    for pause in [0, 1500, 0] {
        // Longer than a head may take: a connection that rests owes none.
        tokio::time::sleep(Duration::from_millis(pause)).await;
        stream.write_all(LIVE).await.unwrap();
        assert!(reply(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    let (rest, took) = until_closed(&mut stream).await;
    assert!(rest.is_empty() && took >= Duration::from_secs(2), "{took:?} {rest}");
}

#[tokio::test]
async fn a_client_that_speaks_http_2_at_once_is_answered_so() {
    let app = App::start();
    let mut stream = connect(&app).await;
    // The preface and an empty SETTINGS frame (RFC 9113, 3.4).
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    tokio::time::timeout(STUCK, stream.read_exact(&mut frame)).await.unwrap().unwrap();
    assert_eq!(frame[3], 4, "SETTINGS come first: {frame:?}");
}

#[tokio::test]
async fn a_crowd_of_idle_connections_keeps_nobody_out() {
    let app = App::with(&["--max-connections-of-address", "8", "--max-connections", "12"]);
    let mut crowd = Vec::new();
    for from in ["127.0.0.2", "127.0.0.3"] {
        for _ in 0..40 {
            crowd.push(connect_from(&app, from).await);
        }
    }
    for from in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        let mut stream = connect_from(&app, from).await;
        stream.write_all(LIVE).await.unwrap();
        assert!(reply(&mut stream).await.starts_with("HTTP/1.1 200"), "{from}");
    }
    assert_eq!(app.post("/embed", json!({ "texts": ["nurse"] })).await.status, 200);
    // The first of the crowd made room.
    let (rest, took) = until_closed(&mut crowd[0]).await;
    assert!(rest.is_empty() && took < Duration::from_secs(5));
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_other_addresses_are_served() {
    let app = App::with(&["--max-connections-of-address", "2"]);
    let mut busy = Vec::new();
    for rows in [20, 30] {
        let id = app.post_csv("/datasets", few(rows)).await.text("id");
        let pipe = Pipe::in_place_of_pairs(&app, &id);
        let mut stream = connect_from(&app, "127.0.0.2").await;
        let head = format!("GET /datasets/{id}/rows HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        busy.push((stream, pipe.once_read().await));
    }
    let mut stream = connect_from(&app, "127.0.0.2").await;
    stream.write_all(LIVE).await.unwrap();
    let (refused, _) = until_closed(&mut stream).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 1"), "{refused}");
    assert!(refused.contains("too_many_connections") && refused.contains("application/problem+json"), "{refused}");
    assert_eq!(app.get("/health/live").await.status, 200, "another address");
    // A seat is free when a request is over.
    let (mut first, pipe) = busy.remove(0);
    drop(pipe);
    assert!(reply(&mut first).await.contains("stored_table_damaged"));
    let mut stream = connect_from(&app, "127.0.0.2").await;
    stream.write_all(LIVE).await.unwrap();
    assert!(reply(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_crowd_that_follows_a_job_keeps_nobody_out() {
    let app = App::with(&["--max-connections-of-address", "2"]);
    // A stream of events lasts as long as its job.
    let config = r#"{"epochs": 10000, "early_stopping": null}"#;
    let job = app.post_job(few(40), &[("config", config)]).await.text("id");
    let mut crowd = [connect_from(&app, "127.0.0.2").await, connect_from(&app, "127.0.0.2").await];
    for stream in &mut crowd {
        let head = format!("GET /jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        assert!(reply(stream).await.starts_with("HTTP/1.1 200"));
    }
    // The second who comes takes the place of the first, who has asked for nothing more.
    for _ in 0..2 {
        let mut stream = connect_from(&app, "127.0.0.2").await;
        stream.write_all(LIVE).await.unwrap();
        assert!(reply(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    let (_, took) = until_closed(&mut crowd[0]).await;
    assert!(took < Duration::from_secs(5), "the one that followed for longest made room: {took:?}");
    app.send(app.request("POST", &format!("/jobs/{job}/cancel"))).await;
    loop {
        let some = reply(&mut crowd[1]).await;
        assert!(!some.is_empty(), "the other one was sent away, too");
        if some.contains("0\r\n\r\n") {
            break;
        }
    }
}

#[tokio::test]
async fn an_answer_that_a_client_of_http_2_makes_no_room_for_is_not_waited_for() {
    let app = App::with(&["--idle-timeout", "1"]);
    let mut stream = connect(&app).await;
    // SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113, 6.5.2): no byte of a body.
    let no_window = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let request = [http_2(), no_window, headers(1, "/health/live", true)].concat();
    stream.write_all(&request).await.unwrap();
    frames(&mut stream, |kind, _| kind == 1).await;
    let (_, took) = until_closed(&mut stream).await;
    assert!(took < STUCK / 2, "{took:?}");
}

#[tokio::test]
async fn a_body_that_stands_still_is_told_so() {
    let app = App::with(&["--body-timeout", "1"]);
    let mut stream = connect(&app).await;
    hang(&mut stream).await;
    stream.write_all(b"{\"texts\":").await.unwrap();
    let (reply, took) = until_closed(&mut stream).await;
    assert!(reply.starts_with("HTTP/1.1 408") && reply.contains("\"code\":\"body_too_slow\""), "{reply}");
    assert!(reply.contains("connection: close") && reply.contains("application/problem+json"), "{reply}");
    assert!(took >= Duration::from_millis(900), "{took:?}");
}

#[tokio::test]
async fn work_that_goes_on_is_not_cut_off_and_a_body_that_does_not_come_is() {
    let app = App::real_with(&["--request-timeout", "1", "--threads", "1"]);
    // Together they take longer than that: what was dropped would be sent again, and take as long again.
    let request = |number: usize| {
        let text = |index: usize| (0..150).map(|word| format!("w{} ", number * 45_000 + index * 150 + word)).collect();
        let texts: Vec<String> = (0..300).map(text).collect();
        app.request("POST", "/embed").json(&json!({ "texts": texts }))
    };
    let begun = std::time::Instant::now();
    let replies = futures_util::future::join_all((0..4).map(|number| app.send(request(number)))).await;
    assert!(replies.iter().all(|reply| reply.status == 200), "{:?}", replies[0].body);
    assert!(begun.elapsed() > std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
    // A body that does not come in the route's time is the client's affair.
    let mut stream = connect(&app).await;
    hang(&mut stream).await;
    let (reply, _) = until_closed(&mut stream).await;
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    // Who asks to wait is not bound by it.
    let job = app.post_job(crate::app::few(20), &[("config", r#"{"epochs": 1}"#)]).await.text("id");
    assert_eq!(app.finished(&job).await["status"], "succeeded");
}

#[tokio::test]
async fn a_body_far_over_the_limit_is_told_so_every_time() {
    let app = App::with(&["--max-body", "100000", "--max-upload", "200000"]);
    let length = 64 << 20;
    for (round, route) in ["/embed", "/datasets", "/v1/embeddings", "/jobs"].into_iter().cycle().take(20).enumerate() {
        let kind = if route == "/datasets" { "text/csv" } else { "application/json" };
        let head = format!(
            "POST {route} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        let mut stream = connect(&app).await;
        // All of it, before a word of the answer is read.
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..64 {
            stream.write_all(&[b'x'; 1 << 20]).await.unwrap_or_else(|error| panic!("round {round}, {route}: {error}"));
        }
        let answer = reply(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body_too_large"), "round {round}: {answer}");
        // The connection is good for another request.
        stream.write_all(LIVE).await.unwrap();
        assert!(reply(&mut stream).await.starts_with("HTTP/1.1 200"), "round {round}, {route}");
    }
}

#[tokio::test]
async fn who_sends_a_large_body_without_a_key_is_told_so_every_time() {
    let app = App::start();
    app.post("/keys", json!({ "name": "k", "scopes": ["train"] })).await;
    let head =
        "POST /datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 16777216\r\n\r\n";
    for round in 0..10 {
        let mut stream = connect(&app).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..16 {
            stream.write_all(&[b'x'; 1 << 20]).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        let answer = reply(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("key_missing"), "round {round}: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_never_ends_its_refused_body_is_not_listened_to_for_long() {
    let app = App::start();
    let mut stream = connect(&app).await;
    let head = "POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (answer, took) = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}
