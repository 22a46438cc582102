//! Work on tables ends with the client that wanted it.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::app::{App, few};
use crate::pipe::Pipe;
use crate::wire::{STUCK, connect};

/// Pairs without an end, for as long as somebody reads them.
fn pour(mut pipe: File) {
    pipe.write_all(b"row,line,left,right,negative,score\n").unwrap();
    let rows = "2,2,nurse,doctor,,0.5\n".repeat(1000);
    while pipe.write_all(rows.as_bytes()).is_ok() {}
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_turn_to_the_next() {
    let app = App::start();
    let whole = app.post_csv("/datasets", few(30)).await.text("id");
    let mut clients = Vec::new();
    // As many as look through tables at once.
    for rows in 20..24 {
        let id = app.post_csv("/datasets", few(rows)).await.text("id");
        let pipe = Pipe::in_place_of_pairs(&app, &id);
        let mut client = connect(&app).await;
        let head = format!("GET /datasets/{id}/rows?q=midwife HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        let pipe = pipe.once_read().await;
        std::thread::spawn(move || pour(pipe));
        clients.push(client);
    }
    let path = format!("/datasets/{whole}/rows");
    let mut next = Box::pin(app.get(&path));
    assert!(timeout(Duration::from_secs(1), &mut next).await.is_err(), "all turns are taken");
    drop(clients);
    let reply = timeout(STUCK / 2, next).await.expect("a turn is free again");
    assert_eq!((reply.status, &reply.body["total"]), (200, &30.into()));
}
