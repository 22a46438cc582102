//! Heads that are no requests, and what a client may write into one.

use serde_json::json;

use crate::api::Reply;
use crate::app::{App, few};
use crate::shared;
use crate::wire::{answer, connect, reply};
use tokio::io::AsyncWriteExt;

/// The answer to a request whose head has these headers.
async fn with_headers(headers: &[u8]) -> String {
    let last = b"Connection: close\r\n\r\n";
    answer(&shared::tiny(), &[b"GET /models HTTP/1.1\r\n", headers, last].concat()).await
}

#[tokio::test]
async fn a_request_names_one_host_and_only_this_machines_own_names_are_answered() {
    for host in ["localhost", "LOCALHOST", "127.0.0.1:1", "[::1]:80"] {
        let answer = with_headers(format!("Host: {host}\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }
    for host in ["evil.example", "localhost.evil.example", "192.0.2.1:80"] {
        let answer = with_headers(format!("Host: {host}\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("host_not_allowed"), "{host}: {answer}");
    }
    let odd = [
        &b""[..],
        b"Host: localhost\r\nHost: localhost\r\n",
        b"Host: localhost\r\nHost: evil.example\r\n",
        b"Host: local\xffhost\r\n",
        b"Host: \xff\r\n",
        b"Host: localhost@evil.example\r\n",
        b"Host: \r\n",
    ];
    for headers in odd {
        let answer = with_headers(headers).await;
        let shown = String::from_utf8_lossy(headers);
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("host_not_readable"), "{shown}: {answer}");
    }
    // What is older need not name one.
    assert!(answer(&shared::tiny(), b"GET /health/live HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200"));
}

#[tokio::test]
async fn what_is_no_request_is_told_so_in_a_problem_document() {
    let server = shared::tiny();
    let cases = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400, "head_not_readable"),
        (b"GET /models HTTP/1.1\r\nHost localhost\r\n\r\n".to_vec(), 400, "head_not_readable"),
        (
            format!("GET /models HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(101)).into_bytes(),
            431,
            "head_too_large",
        ),
        (
            format!("GET /models HTTP/1.1\r\nHost: localhost\r\nX: {}", "y".repeat(64 << 10)).into_bytes(),
            431,
            "head_too_large",
        ),
    ];
    for (bytes, status, code) in cases {
        let answer = answer(&server, &bytes).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{code}: {answer}");
        assert!(
            answer.contains("application/problem+json") && answer.contains(&format!("\"code\":\"{code}\"")),
            "{answer}"
        );
    }
    // As large as a head may be.
    let mut stream = connect(&server).await;
    let head = format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "y".repeat(60 << 10));
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(reply(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_error_is_short_whatever_it_repeats_of_the_clients() {
    let app = shared::tiny();
    let long = "x".repeat(5000);
    let embed = async |field: &str| app.post("/embed", json!({ "texts": ["nurse"], field: long })).await;
    for reply in [
        app.get(&format!("/{long}")).await,
        app.get(&format!("/jobs/{long}")).await,
        app.get(&format!("/models/{long}")).await,
        app.send(app.request(&long, "/embed")).await,
        app.send(app.request(&long, &format!("/models/{long}"))).await,
        app.get(&format!("/jobs?{long}=1")).await,
        app.get(&format!("/jobs?status={long}")).await,
        app.get(&format!("/compare?{long}=1")).await,
        embed("model").await,
        embed("prompt_name").await,
        embed("expected_fingerprint").await,
        embed(&long).await,
        app.send(app.request("POST", "/embed").header("content-type", &long).body("x")).await,
    ] {
        assert!((400..500).contains(&reply.status) && reply.body["code"].is_string(), "{reply:?}");
        assert!(reply.body.to_string().len() < 4000, "{}: {}", reply.body["code"], reply.body.to_string().len());
    }
}

#[tokio::test]
async fn a_page_of_another_origin_changes_and_starts_nothing_whatever_its_browser_leaves_out() {
    let app = App::start();
    let own = app.address.clone();
    let table = || reqwest::multipart::Part::bytes(few(20)).file_name("pairs.csv");
    let requests = || {
        let form = reqwest::multipart::Form::new().part("file", table()).text("recipe", "nothing");
        [
            app.request("POST", "/jobs").multipart(form),
            app.request("POST", "/datasets").header("content-type", "text/plain").body(few(20)),
            app.request("POST", "/v1/files").multipart(reqwest::multipart::Form::new().part("file", table())),
            app.request("POST", "/jobs/job_0/cancel"),
            app.request("POST", "/models/tiny/load"),
            app.request("POST", "/models/tiny/unload"),
            app.request("POST", "/embed").json(&json!({ "texts": ["nurse"] })),
            app.request("DELETE", "/datasets/ds_0"),
        ]
    };
    let refused = |reply: &Reply| reply.status == 403 && reply.body.to_string().contains("cross_site");
    for origin in ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1"] {
        for request in requests() {
            let reply = app.send(request.header("origin", origin)).await;
            assert!(refused(&reply), "{origin}: {reply:?}");
        }
        let reads = app.send(app.request("GET", "/models").header("origin", origin)).await;
        assert_eq!(reads.status, 200, "the browser keeps it from the page");
    }
    // The server's own page, which a proxy may have encrypted; and programs, which have no origin.
    for own in [own.clone(), own.replace("http:", "https:")] {
        for request in requests() {
            assert!(!refused(&app.send(request.header("origin", &own)).await), "{own}");
        }
    }
}
