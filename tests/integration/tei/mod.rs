//! `/tokenize`, `/info` and the root, as text-embeddings-inference answers them.

use serde_json::json;
use shamisen::ml::encoder::{Model, TokenSpan};

use crate::fixtures::{base, minilm};
use crate::peers::sentencepiece::texts;
use crate::shared;

fn spans(model: &Model, text: &str) -> Vec<TokenSpan> {
    model.tokenizer.spans("", text, true)
}

#[test]
fn tokens_stand_where_they_say_in_any_text() {
    for model in [base(), minilm()] {
        // What a lone character leaves when the normalizer drops it.
        let nothing = model.tokenizer.encode(" ").ids;
        for text in texts(2000) {
            let spans = spans(&model, &text);
            let ids: Vec<u32> = spans.iter().map(|span| span.id).collect();
            assert_eq!(ids, model.tokenizer.encode(&text).ids, "{text:?}");
            let characters: Vec<char> = text.chars().collect();
            let mut read = vec![false; characters.len()];
            let mut last = 0;
            for TokenSpan { text: told, special, place, .. } in spans {
                let Some(place) = place.filter(|_| !special) else {
                    assert!(special, "without a prompt only special tokens are not of the text: {text:?}");
                    continue;
                };
                assert!(last <= place.start && place.start <= place.end, "{text:?}: {place:?} after {last}");
                assert_eq!(told, characters[place.clone()].iter().collect::<String>(), "{text:?}");
                last = place.start;
                read[place].fill(true);
            }
            for (character, _) in characters.iter().zip(read).filter(|(_, read)| !read) {
                let alone = model.tokenizer.encode(&character.to_string()).ids;
                assert_eq!(alone, nothing, "{character:?} of {text:?} stands in no token");
            }
        }
    }
}

#[tokio::test]
async fn texts_are_told_as_the_model_reads_them() {
    let app = shared::real();
    let reply = app.post("/tokenize", json!({ "inputs": "Data  Scientist" })).await;
    let special = |id, text| json!({ "id": id, "text": text, "special": true, "start": null, "stop": null });
    let token =
        |id, text, start, stop| json!({ "id": id, "text": text, "special": false, "start": start, "stop": stop });
    let [first, last] = [special(1, "<s>"), special(2, "</s>")];
    let [data, scientist] = [token(11382, "Data", 0, 4), token(111_276, "  Scientist", 4, 15)];
    assert_eq!((reply.status, reply.body), (200, json!([[first, data, scientist, last]])));

    let asked = json!({ "inputs": ["Data  Scientist"], "add_special_tokens": false, "prompt_name": null });
    assert_eq!(app.post("/tokenize", asked).await.body, json!([[data, scientist]]));

    let asked = json!({ "inputs": ["ÉCOLE tokenization"], "model": "all-minilm-l6-v2" });
    let [first, last] = [special(101, "[CLS]"), special(102, "[SEP]")];
    let words = [token(12431, "ÉCOLE", 0, 5), token(19204, "token", 6, 11), token(3989, "ization", 11, 18)];
    assert_eq!(app.post("/tokenize", asked).await.body, json!([[first, words[0], words[1], words[2], last]]));

    // What is too long for the model is told whole; what it reads of it is another matter.
    let long = app.post("/tokenize", json!({ "inputs": "data ".repeat(600) })).await;
    assert_eq!(long.body[0].as_array().unwrap().len(), 602);
    for (wrong, status, code) in [
        (json!({ "inputs": [[1, 2]] }), 422, "token_ids_not_supported"),
        (json!({ "inputs": vec!["x"; 2049] }), 413, "too_many_inputs"),
        (json!({ "inputs": "x", "prompt_name": "query" }), 422, "prompt_not_found"),
        (json!({ "inputs": "x", "model": "none" }), 404, "model_not_found"),
    ] {
        let reply = app.post("/tokenize", wrong).await;
        assert_eq!((reply.status, reply.text("code").as_str()), (status, code), "{}", reply.body);
    }
}

#[tokio::test]
async fn the_root_does_what_embed_and_similarity_do() {
    let app = shared::tiny();
    let embed = json!({ "inputs": ["nurse", "doctor"], "truncate": null, "prompt_name": null, "dimensions": 3 });
    let similarity = json!({ "inputs": { "source_sentence": "nurse", "sentences": ["doctor"] }, "parameters": {} });
    for (route, body) in [("/embed", embed), ("/similarity", similarity), ("/embed", json!({ "inputs": [1, 2] }))] {
        let (root, route) = (app.post("/", body.clone()).await, app.post(route, body).await);
        assert_eq!((root.status, root.header("x-model")), (route.status, route.header("x-model")));
        if root.status == 200 {
            assert_eq!(root.body, route.body);
        } else {
            assert_eq!(root.body["code"], route.body["code"]);
        }
    }
    assert_eq!(
        app.send(app.request("POST", "/").body("{").header("content-type", "application/json")).await.status,
        400
    );
    assert_eq!(app.send(app.request("POST", "/").body("x")).await.status, 415);
}

#[tokio::test]
async fn the_models_facts_and_the_servers_limits_are_told() {
    let app = shared::real();
    let told = app.get("/info").await.body;
    assert_eq!(told["model_id"], "use-multilingual-v3");
    assert_eq!(told["model_sha"], app.get("/models/default").await.body["fingerprint"]);
    assert_eq!((&told["max_client_batch_size"], &told["max_input_length"]), (&json!(2048), &json!(512)));
    assert_eq!(told["model_type"], json!({ "embedding": { "pooling": "mean_sqrt_len_tokens" } }));
    let told = app.get("/info?model=all-minilm-l6-v2").await.body;
    assert_eq!(told["model_type"], json!({ "embedding": { "pooling": "mean" } }));
    assert_eq!(app.get("/info?model=none").await.status, 404);
}
