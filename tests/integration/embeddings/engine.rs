//! The inference threads: who goes first, what is kept, what a frozen model says.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shamisen::ml::encoder::{Cut, TokenCache, encode_all, tokenize};

use crate::api::Reply;
use crate::app::App;
use crate::fixtures::base;

/// A second's work or more for one thread.
fn much(request: usize) -> Value {
    let texts: Vec<String> =
        (0..400).map(|text| format!("{request} {text} {}", "a senior engineer of ".repeat(10))).collect();
    json!({ "inputs": texts })
}

#[tokio::test]
async fn an_interactive_request_goes_before_bulk_ones_that_came_earlier() {
    let app = App::real_with(&["--threads", "1"]);
    let bulk = join_all((0..4).map(|request| app.post("/embed", much(request))));
    tokio::pin!(bulk);
    // Until all four wait; the one that is computed is in parts, most of which wait too.
    let waiting = async {
        loop {
            let figures = app.get("/metrics").await.body;
            let texts = figures.as_str().unwrap().lines().find_map(|line| line.strip_prefix("shamisen_queue_texts "));
            if texts.is_some_and(|texts| texts.parse::<f64>().unwrap() > 1000.0) {
                break;
            }
        }
    };
    tokio::select! {
        _ = &mut bulk => panic!("the bulk requests are over before they were seen to wait"),
        () = waiting => {}
    }
    tokio::select! {
        biased;
        _ = &mut bulk => panic!("the interactive request came last"),
        reply = app.post("/embed", json!({ "inputs": "a nurse" })) => assert_eq!(reply.status, 200),
    }
    assert!(bulk.await.iter().all(|reply| reply.status == 200));
}

#[tokio::test]
async fn callers_get_equal_shares_whoever_sends_more() {
    let app = App::real_with(&["--threads", "1"]);
    let greedy = app.post("/keys", json!({ "name": "greedy", "scopes": ["admin"] })).await.text("key");
    let made = app.request("POST", "/keys").bearer_auth(&greedy);
    let modest = app.send(made.json(&json!({ "name": "modest", "scopes": ["embed"] }))).await.text("key");
    let ask = |key: String, request: usize| {
        let request = app.request("POST", "/embed").bearer_auth(key).json(&much(request));
        async { app.send(request).await }
    };
    let many = join_all((0..6).map(|request| ask(greedy.clone(), request)));
    tokio::pin!(many);
    let first: Reply = tokio::select! {
        biased;
        _ = &mut many => panic!("the caller with one request waited for all six of the other"),
        reply = ask(modest, 6) => reply,
    };
    assert_eq!(first.status, 200);
    assert!(many.await.iter().all(|reply| reply.status == 200));
}

#[tokio::test]
async fn what_is_too_much_is_refused_with_the_time_that_the_rest_takes() {
    let app = App::real_with(&["--threads", "1", "--max-waiting", "500"]);
    let replies = join_all((0..6).map(|request| app.post("/embed", much(request)))).await;
    let (answered, refused): (Vec<Reply>, Vec<Reply>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert!(!answered.is_empty() && !refused.is_empty());
    for reply in refused {
        assert_eq!((reply.status, reply.text("code").as_str()), (503, "overloaded"));
        assert!((1..60).contains(&reply.header("retry-after").parse::<u32>().unwrap()));
    }
}

#[tokio::test]
async fn a_text_that_comes_again_is_answered_out_of_the_vector_cache() {
    let app = App::real_with(&["--vector-cache-bytes", "1000000"]);
    let figure = async |name: &str| {
        let figures = app.get("/metrics").await.body;
        let line = figures.as_str().unwrap().lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
        line.trim().parse::<f64>().unwrap()
    };
    let ask = |inputs: Value| app.post("/embed", json!({ "inputs": inputs }));
    let once = ask(json!(["a nurse", "a chef"])).await;
    let again = ask(json!(["a chef", "a nurse", "a pilot"])).await;
    assert_eq!(again.body[0], once.body[1]);
    assert_eq!(again.body[1], once.body[0]);
    assert_eq!(figure("shamisen_vector_cache_hits_total").await, 2.0);
    let cut = json!({ "inputs": "a nurse", "truncation_direction": "Left" });
    assert_eq!(app.post("/embed", cut).await.status, 200);
    assert_eq!(figure("shamisen_vector_cache_hits_total").await, 2.0, "the text was read in another way");
    assert!(figure("shamisen_vector_cache_bytes").await > 3.0 * 512.0 * 4.0);
}

#[test]
fn a_frozen_model_gives_the_vectors_of_the_plain_one_within_1e_6() {
    let plain = base();
    let mut frozen = base();
    // Small enough that rows are put out and computed again.
    let tokens = Arc::new(TokenCache::new(1 << 20));
    frozen.encoder.freeze(&tokens);
    let long = "a man plays the guitar and sings of rain ".repeat(40);
    let texts = ["a", "", "Data Scientist", "看護師", "東京で働く上級データサイエンティスト", "a a a a a b", &long];
    let more = (0..200).map(|text| format!("{text} engineers, {} of them senior", text * 37 % 101));
    let texts: Vec<String> = texts.into_iter().map(str::to_owned).chain(more).collect();
    let ids: Vec<Vec<u32>> =
        texts.iter().map(|text| tokenize(&plain.tokenizer, "", text, 512, Cut::Right).ids).collect();
    let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
    let expected: Vec<Vec<f32>> = encode_all(&*plain.encoder, &ids).try_into().unwrap();
    for _ in 0..2 {
        let found: Vec<Vec<f32>> = encode_all(&*frozen.encoder, &ids).try_into().unwrap();
        for ((found, expected), text) in found.iter().zip(&expected).zip(&texts) {
            let furthest = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(furthest < 1e-6, "{text:?}: a coordinate is off by {furthest}");
        }
    }
    assert!(tokens.hits() > 0 && tokens.bytes() <= 1 << 20);
}
