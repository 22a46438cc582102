//! Requests as clients really send them.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::app::App;
use crate::shared;

#[tokio::test]
async fn a_model_is_named_in_the_url_and_no_other_field_is_passed_over() {
    let app = shared::tiny();
    let body = json!({ "inputs": "nurse" });
    for path in ["/embed", "/", "/tokenize", "/v1/embeddings", "/embeddings", "/rerank"] {
        let body = match path {
            "/v1/embeddings" | "/embeddings" => json!({ "input": "nurse" }),
            "/rerank" => json!({ "query": "nurse", "texts": ["doctor"] }),
            _ => body.clone(),
        };
        let ask = async |query: &str| app.post(&format!("{path}?{query}"), body.clone()).await;
        assert_eq!(ask("model=default").await.status, 200, "{path}");
        assert_eq!(ask("model=no-such-model").await.status, 404, "{path}");
        assert_eq!(ask("modle=default").await.status, 422, "{path}");
    }
    let both = json!({ "inputs": "nurse", "model": "other" });
    assert_eq!(app.post("/embed?model=default", both).await.text("code"), "form_unclear");
    for path in ["/health?x=1", "/aliases?limit=1", "/v1/models?page=2"] {
        assert_eq!(app.get(path).await.status, 422, "{path}");
    }
}

#[tokio::test]
async fn bodies_of_other_servers_clients_are_read_and_their_errors_say_what_they_show() {
    let app = shared::tiny();
    let options = json!({ "wait_for_model": true });
    for (path, mut body) in [
        ("/embed", json!({ "inputs": "nurse" })),
        ("/", json!({ "inputs": "nurse" })),
        ("/tokenize", json!({ "inputs": "nurse" })),
        ("/similarity", json!({ "inputs": { "source_sentence": "nurse", "sentences": ["doctor"] } })),
    ] {
        body["options"] = options.clone();
        assert_eq!(app.post(path, body).await.status, 200, "{path}");
    }
    let refused = app.post("/embed", json!({ "inputs": [] })).await;
    assert_eq!(refused.text("error_type"), "Validation");
    assert!(refused.text("error").starts_with(&refused.text("detail")), "{}", refused.body);

    let lenient = app.post("/v1/embeddings", json!({ "input": ["nurse", ""], "on_error": "null" })).await;
    assert_eq!((lenient.status, &lenient.body["data"][1]["embedding"]), (200, &Value::Null));
    assert_eq!(lenient.body["errors"][0]["code"], "empty_text");
    let prompt = app.post("/v1/embeddings", json!({ "input": "nurse", "prompt_name": "none" })).await;
    assert_eq!(prompt.body["error"]["code"], "prompt_not_found");
    let long = app.post("/embed", json!({ "inputs": ["a", "a ".repeat(3000)], "truncate": false })).await;
    assert_eq!((long.text("code").as_str(), long.text("param").as_str()), ("text_too_long", "/inputs/1"));
}

#[tokio::test]
async fn json_is_read_as_it_comes_and_what_is_no_utf_8_is_told() {
    let app = shared::tiny();
    let post = |body: Vec<u8>| app.request("POST", "/embed").header("content-type", "application/json").body(body);
    let half = app.send(post(br#"{"texts":["caf\ud83d","caf\ufffd"]}"#.to_vec())).await;
    assert_eq!((half.status, &half.body["embeddings"][0]), (200, &half.body["embeddings"][1]));
    let marked = app.send(post("\u{feff}{\"texts\":\"nurse\"}".into())).await;
    assert_eq!(marked.status, 200);
    let utf_16: Vec<u8> = "{\"texts\":\"看護師\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (shift_jis, ..) = encoding_rs::SHIFT_JIS.encode("{\"texts\":\"看護師\"}");
    for other in [utf_16, shift_jis.into_owned()] {
        let reply = app.send(post(other)).await;
        assert_eq!(reply.status, 415);
        assert!(reply.text("hint").contains("UTF-8"), "{}", reply.body);
    }
}

#[tokio::test]
async fn bodies_are_unpacked_within_their_limit_and_replies_packed_where_asked() {
    let app = App::with(&["--max-body", "100000"]);
    let packed = |text: String| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(json!({ "texts": text }).to_string().as_bytes()).unwrap();
        let request = app.request("POST", "/embed").header("content-type", "application/json");
        request.header("content-encoding", "gzip").body(encoder.finish().unwrap())
    };
    assert_eq!(app.send(packed("nurse".to_owned())).await.status, 200);
    let large = app.send(packed("nurse ".repeat(30_000))).await;
    assert_eq!((large.status, large.text("code").as_str()), (413, "body_too_large"));
    let other = app.request("POST", "/embed").header("content-encoding", "br").json(&json!({ "texts": "nurse" }));
    assert_eq!(app.send(other).await.status, 415);
    let plain = app.post("/embed", json!({ "texts": "x".repeat(120_000) })).await;
    assert!(plain.text("detail").contains("100000") && plain.text("detail").contains("SHAMISEN_MAX_BODY"));
    assert!(plain.text("hint").contains("requests"), "{}", plain.body);

    let ask = app.request("POST", "/embed").json(&json!({ "texts": vec!["nurse"; 50] }));
    let reply = ask.header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(reply.headers()["content-encoding"], "gzip");
    let mut text = String::new();
    GzDecoder::new(&reply.bytes().await.unwrap()[..]).read_to_string(&mut text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["embeddings"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn an_alias_may_have_another_servers_name_for_a_model_and_is_listed() {
    let app = App::start();
    let model = json!({ "model": "default" });
    assert_eq!(app.send(app.request("PUT", "/aliases/BAAI%2Fbge-m3").json(&model)).await.status, 200);
    assert_eq!(app.send(app.request("PUT", "/aliases/nomic-embed-text:latest").json(&model)).await.status, 200);
    let listed = app.get("/v1/models").await;
    let ids: Vec<&str> = listed.body["data"].as_array().unwrap().iter().filter_map(|row| row["id"].as_str()).collect();
    for alias in ["default", "BAAI/bge-m3", "nomic-embed-text:latest"] {
        assert!(ids.contains(&alias), "{ids:?}");
        assert_eq!(app.post("/v1/embeddings", json!({ "input": "nurse", "model": alias })).await.status, 200);
    }
    let owned = app.post("/embed", json!({ "texts": "nurse", "model": "somebody/Default" })).await;
    assert!(owned.text("detail").contains("Did you mean \"default\""), "{}", owned.body);
}

#[tokio::test]
async fn texts_are_ordered_in_the_shape_that_was_asked_for() {
    let app = shared::tiny();
    let texts = ["doctor", "nurse", "welder"];
    let tei = app.post("/rerank", json!({ "query": "nurse", "texts": texts, "return_text": true })).await;
    assert_eq!((&tei.body[0]["index"], &tei.body[0]["text"]), (&json!(1), &json!("nurse")), "{}", tei.body);
    let sentences = json!({ "source_sentence": "nurse", "sentences": texts });
    let scores = app.post("/similarity", sentences).await.body["scores"].clone();
    for rank in tei.body.as_array().unwrap() {
        assert_eq!(rank["score"], scores[rank["index"].as_u64().unwrap() as usize]);
    }
    for path in ["/v1/rerank", "/v2/rerank"] {
        let documents = json!({ "query": "nurse", "documents": ["doctor", { "text": "nurse" }], "top_n": 1,
            "return_documents": true, "model": "default" });
        let reply = app.post(path, documents).await;
        assert_eq!(reply.body["results"].as_array().unwrap().len(), 1);
        let best = &reply.body["results"][0];
        assert_eq!((&best["index"], &best["document"]["text"]), (&json!(1), &json!("nurse")), "{path}");
    }
}

#[tokio::test]
async fn vectors_are_bytes_where_they_are_asked_for_and_the_same_numbers() {
    let app = shared::tiny();
    let numbers = app.post("/embed", json!({ "texts": ["nurse", "doctor"] })).await.body["embeddings"].clone();
    let numbers: Vec<Vec<f32>> = serde_json::from_value(numbers).unwrap();
    let flat = numbers.concat();
    let ask = async |accept: &str, dtype: &str| {
        let body = json!({ "texts": ["nurse", "doctor"], "output_dtype": dtype });
        app.request("POST", "/embed").header("accept", accept).json(&body).send().await.unwrap()
    };
    let reply = ask("application/octet-stream", "float32").await;
    let shape = format!("2,{}", numbers[0].len());
    assert_eq!(reply.headers()["x-vectors-shape"], *shape);
    assert_eq!(reply.headers()["x-vectors-dtype"], "float32");
    assert!(reply.headers().contains_key("x-model-fingerprint"));
    let bytes: Vec<u8> = flat.iter().flat_map(|number| number.to_le_bytes()).collect();
    assert_eq!(reply.bytes().await.unwrap(), bytes);

    let half = ask("application/octet-stream", "float16").await.bytes().await.unwrap();
    for (bytes, number) in half.chunks(2).zip(&flat) {
        assert!((half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f32() - number).abs() < 1e-3);
    }
    let eighth = ask("application/octet-stream", "int8").await.bytes().await.unwrap();
    for (byte, number) in eighth.iter().zip(&flat) {
        assert!((f32::from(*byte as i8) / 127.0 - number).abs() < 4.1e-3);
    }
    let npy = ask("application/x-npy", "float32").await.bytes().await.unwrap();
    assert!(npy.starts_with(b"\x93NUMPY") && npy.ends_with(&bytes));

    let of_openai = json!({ "input": ["nurse", "doctor"], "encoding_format": "float", "output_dtype": "int8" });
    let of_openai = app.post("/v1/embeddings", of_openai).await;
    assert_eq!(of_openai.body["data"][0]["embedding"][0], json!(eighth[0] as i8));
    let wrong = app.post("/embed", json!({ "texts": "nurse", "normalize": false, "output_dtype": "int8" })).await;
    assert_eq!(wrong.status, 422);
}
