//! JSON bodies that may bring a table: the pairs go to the disk one by one as they are read, so that a large body takes
//! no more memory than a small one.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::rc::Rc;

use axum::body::Body;
use futures_util::StreamExt;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::datasets::{BlockingDraft, DatasetError, DatasetStore, Received};
use crate::http::datasets::table::Table;
use crate::http::error::words::shown;
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract;
use crate::http::state::AppState;
use crate::ml::sha256::Sha256Hex;
use tables::choices::FileFormat;
use tables::{MOST_ROWS, Problems, Stop};

/// Bytes of a JSON body. Larger tables go as files.
const LONGEST_JSON: usize = 64 << 20;
/// Bytes up to which a body is held in memory and waits for no turn.
const SMALL: usize = 256 << 10;
/// Bytes of all fields but the pairs, and of one pair.
const LONGEST_VALUE: u64 = 1 << 20;

/// What a JSON body says.
pub(crate) struct JsonBody {
    /// All fields but the pairs.
    pub(crate) fields: Map<String, Value>,
    pub(crate) pairs: Option<SentPairs>,
    /// Of the body as it was sent, as `idempotency::sha256` takes it.
    pub(crate) sha256: String,
}

/// Pairs that came inside JSON.
pub(crate) struct SentPairs {
    pub(crate) table: Table,
    /// Whether the table has a header, unless somebody says so: of lists the first is a pair like the others.
    pub(crate) header: Option<bool>,
}

/// A body that has arrived.
enum Arrived {
    Small(Vec<u8>),
    Large(Received),
}

/// Reads a body that is an object.
pub(crate) async fn read(state: &AppState, body: Body) -> Result<JsonBody> {
    let most = LONGEST_JSON.min(state.limits.max_upload);
    let datasets = state.datasets.clone();
    match arrived(state, body, most).await? {
        Arrived::Small(bytes) => {
            let parse = move || parse(&bytes[..], bytes.len() as u64, &datasets, &Stop::NEVER);
            tokio::task::spawn_blocking(parse).await.map_err(ApiError::internal)?
        }
        Arrived::Large(received) => {
            let parse = move |stop: &Stop| {
                let file = received.open().map_err(DatasetError::from)?;
                parse(file, received.bytes, &datasets, stop)
            };
            state.datasets.beside(parse).await
        }
    }
}

async fn arrived(state: &AppState, body: Body, most: usize) -> Result<Arrived> {
    let (mut small, mut large, mut length) = (Vec::new(), None, 0);
    let mut body = body.into_data_stream();
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|error| extract::body_broken(&error.to_string()))?;
        length += bytes.len();
        if length > most {
            return Err(ApiError::of(Code::BodyTooLarge));
        }
        if large.is_none() && length > SMALL {
            let mut draft = state.datasets.receive().await?;
            draft.write(&std::mem::take(&mut small)).await.map_err(DatasetError::from)?;
            large = Some(draft);
        }
        match &mut large {
            Some(draft) => draft.write(&bytes).await.map_err(DatasetError::from)?,
            None => small.extend_from_slice(&bytes),
        }
    }
    Ok(match large {
        Some(draft) => Arrived::Large(draft.set_aside().await.map_err(DatasetError::from)?),
        None => Arrived::Small(small),
    })
}

fn parse(body: impl Read, length: u64, datasets: &DatasetStore, stop: &Stop) -> Result<JsonBody> {
    let mut hash = Sha256Hex::default();
    hash.update(&length.to_le_bytes());
    let mut body = BufReader::with_capacity(1 << 16, Hashed { body, hash });
    // Structs would be read from arrays too; a body is none.
    let start = body.fill_buf().map_err(DatasetError::from)?;
    if start.trim_ascii_start().first() == Some(&b'[') {
        return Err(extract::body_is_list());
    }
    let allowance = Rc::new(Allowance::default());
    let mut fields = Fields { map: Map::new(), pairs: None, seen: false, datasets, allowance: &allowance, stop };
    let mut reader = Metered { body, allowance: Rc::clone(&allowance) };
    let mut json = serde_json::Deserializer::from_reader(&mut reader);
    let mut track = serde_path_to_error::Track::new();
    let read = fields.deserialize_in(serde_path_to_error::Deserializer::new(&mut json, &mut track));
    let read = read.map_err(|error| (error, track.path().to_string()));
    allowance.renew(u64::MAX);
    let read = read.and_then(|()| json.end().map_err(|error| (error, ".".to_owned())));
    if let Err((error, path)) = read {
        return Err(match allowance.refused.take() {
            Some(Refused::Table(error)) => ApiError::of_table(error, "pairs"),
            Some(Refused::Field) => too_long(&path),
            None => extract::json_error(&error, &path),
        });
    }
    let pairs = fields.pairs.take().map(Written::finish).transpose().map_err(DatasetError::from)?;
    let fields = fields.map;
    // What stands behind the object was read too: blanks.
    Ok(JsonBody { fields, pairs, sha256: reader.body.into_inner().hash.finish() })
}

fn too_long(field: &str) -> ApiError {
    ApiError::of(Code::BodyTooLarge)
        .param(field)
        .detail(format!("The fields have more than {LONGEST_VALUE} bytes up to {:?}.", shown(field)))
        .hint("Send the table as \"pairs\" or as a file; what else is said about it is short.")
}

/// Bytes that the value that is read now may still have.
#[derive(Default)]
struct Allowance {
    left: Cell<u64>,
    refused: Cell<Option<Refused>>,
}

/// Why a body is read no further, where it is no fault of JSON.
enum Refused {
    /// A field is too long.
    Field,
    Table(DatasetError),
}

impl Allowance {
    fn renew(&self, bytes: u64) {
        self.left.set(bytes);
    }

    fn refuse<E: serde::de::Error>(&self, error: impl Into<DatasetError>) -> E {
        self.refused.set(Some(Refused::Table(error.into())));
        E::custom("the pairs cannot be stored")
    }
}

/// A body that is hashed while it is read.
struct Hashed<R> {
    body: R,
    hash: Sha256Hex,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(out)?;
        self.hash.update(&out[..count]);
        Ok(count)
    }
}

/// A body on its way to the parser, which is stopped where one value has no end.
struct Metered<R> {
    body: R,
    allowance: Rc<Allowance>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(out)?;
        match self.allowance.left.get().checked_sub(count as u64) {
            Some(left) => self.allowance.renew(left),
            None => {
                // The parser reads on to the end of a list that was refused: what was said first counts.
                let earlier = self.allowance.refused.take();
                self.allowance.refused.set(Some(earlier.unwrap_or(Refused::Field)));
                return Err(io::Error::other("a value is too long"));
            }
        }
        Ok(count)
    }
}

/// An object's fields; its pairs are written as they come.
struct Fields<'a> {
    map: Map<String, Value>,
    pairs: Option<Written>,
    /// Whether the field of the pairs was there, were it `null`.
    seen: bool,
    datasets: &'a DatasetStore,
    allowance: &'a Allowance,
    stop: &'a Stop,
}

impl Fields<'_> {
    fn deserialize_in<'de, D: Deserializer<'de>>(&mut self, json: D) -> std::result::Result<(), D::Error> {
        self.allowance.renew(LONGEST_VALUE);
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Fields<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let known = self.map.contains_key(&name) || (name == "pairs" && self.seen);
            if known {
                return Err(A::Error::custom(format_args!("duplicate field `{}`", shown(&name))));
            }
            if name != "pairs" {
                self.map.insert(name, map.next_value()?);
                continue;
            }
            // What the fields may still have is theirs when the pairs are over.
            let left = self.allowance.left.get();
            let pairs = Pairs { datasets: self.datasets, allowance: self.allowance, stop: self.stop };
            (self.pairs, self.seen) = (map.next_value_seed(pairs)?, true);
            self.allowance.renew(left);
        }
        Ok(())
    }
}

/// Pairs as they stand on the disk: a list of JSON in its shortest form, the same for the same pairs.
struct Written {
    draft: BlockingDraft,
    count: usize,
    /// Whether the first is a list.
    lists: bool,
}

impl Written {
    fn push(&mut self, pair: &Value) -> io::Result<()> {
        self.draft.write_all(if self.count == 0 { b"[" } else { b"," })?;
        self.lists |= self.count == 0 && pair.is_array();
        self.count += 1;
        pair.serialize(&mut serde_json::Serializer::new(&mut self.draft)).map_err(io::Error::from)
    }

    fn finish(mut self) -> io::Result<SentPairs> {
        self.draft.write_all(if self.count == 0 { b"[]" } else { b"]" })?;
        let received = self.draft.finish()?;
        let table = Table { received, part: "pairs", file_name: None, hint: Some(FileFormat::Json) };
        Ok(SentPairs { table, header: self.lists.then_some(false) })
    }
}

/// A list of pairs, refused as soon as it is longer than a table may be; or `null`, which is as if nothing were said.
struct Pairs<'a> {
    datasets: &'a DatasetStore,
    allowance: &'a Allowance,
    stop: &'a Stop,
}

impl<'de> DeserializeSeed<'de> for Pairs<'_> {
    type Value = Option<Written>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<Option<Written>, D::Error> {
        self.allowance.renew(LONGEST_VALUE);
        json.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Pairs<'_> {
    type Value = Option<Written>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of pairs")
    }

    fn visit_none<E: serde::de::Error>(self) -> std::result::Result<Option<Written>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> std::result::Result<Option<Written>, D::Error> {
        json.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Option<Written>, A::Error> {
        let draft = self.datasets.draft().map_err(|error| self.allowance.refuse(error))?;
        let mut written = Written { draft, count: 0, lists: false };
        loop {
            self.stop.check().map_err(|problems| self.allowance.refuse(problems))?;
            // A pair, and the comma before it.
            self.allowance.renew(LONGEST_VALUE);
            let pair: Value = match list.next_element() {
                Ok(Some(pair)) => pair,
                Ok(None) => return Ok(Some(written)),
                Err(error) => match self.allowance.refused.take() {
                    Some(_) => return Err(self.allowance.refuse(pair_too_long(written.count + 1))),
                    None => return Err(error),
                },
            };
            if written.count == MOST_ROWS {
                let told = format!("more than {MOST_ROWS} pairs, the most that a table may have");
                return Err(A::Error::custom(told));
            }
            written.push(&pair).map_err(|error| self.allowance.refuse(error))?;
        }
    }
}

fn pair_too_long(number: usize) -> Problems {
    Problems::table(
        "line_too_long",
        format!("Pair {number} has more than {LONGEST_VALUE} bytes; {LONGEST_VALUE} are allowed."),
        "Check that every text is closed with a \", and that each pair is an object or a list of its own.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parsed(body: &[u8]) -> Result<JsonBody> {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(&folder.path().join("db")).await.unwrap();
        let datasets = DatasetStore::new(store, folder.path().to_owned());
        parse(body, body.len() as u64, &datasets, &Stop::NEVER).inspect(|read| {
            if let Some(pairs) = &read.pairs {
                let file = io::read_to_string(pairs.table.received.open().unwrap()).unwrap();
                assert_eq!(serde_json::from_str::<Vec<Value>>(&file).unwrap().len(), 2);
                assert!(!file.contains(": ") && !file.contains(", "), "{file}");
            }
        })
    }

    #[tokio::test]
    async fn pairs_go_to_the_disk_and_fields_stay() {
        let body = br#" { "name": "x", "pairs": [ ["a", "b", 1], ["c", "d", 0.50] ], "scale": { "lowest": 0 } } "#;
        let read = parsed(body).await.unwrap();
        assert_eq!(read.fields.keys().collect::<Vec<_>>(), ["name", "scale"]);
        assert_eq!(read.pairs.unwrap().header, Some(false));
        assert_eq!(read.sha256, crate::http::extract::idempotency::sha256([&body[..]]));
        for nothing in [&br#"{"name":"x"}"#[..], br#"{"pairs": null, "name": "x"}"#] {
            let read = parsed(nothing).await.unwrap();
            assert!(read.pairs.is_none() && read.fields.len() == 1);
        }
        let objects = br#"{"pairs":[{"base":"a","ref":"b"},{"base":"c","ref":"d"}]}"#;
        assert_eq!(parsed(objects).await.unwrap().pairs.unwrap().header, None);
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_with_its_place() {
        let long = format!(r#"{{"pairs":[["a","b",1],["{}","b",1]]}}"#, "x".repeat(2 << 20));
        let name = format!(r#"{{"name":"{}"}}"#, "x".repeat(2 << 20));
        for (body, code, said) in [
            (r#"[["a","b",1]]"#, "wrong_type", "is a list"),
            (r#""x""#, "wrong_type", "expected an object"),
            ("", "not_json", "line 1, column 0"),
            ("{\n \"pairs\": [1,,2]}", "not_json", "line 2"),
            (r#"{"pairs":[1]} x"#, "not_json", "trailing"),
            (r#"{"pairs":3}"#, "wrong_type", "Pairs: "),
            (r#"{"pairs":{}}"#, "wrong_type", "expected a list of pairs"),
            (r#"{"pairs":[],"pairs":[]}"#, "wrong_type", "duplicate field"),
            (r#"{"pairs":null,"pairs":[]}"#, "wrong_type", "duplicate field"),
            (r#"{"model":"a","model":"b"}"#, "wrong_type", "duplicate field"),
            (&long, "line_too_long", "Pair 2 has more than 1048576 bytes"),
            (&name, "body_too_large", "\"name\""),
        ] {
            let told = parsed(body.as_bytes()).await.err().unwrap();
            let (found, detail) = told.told();
            assert!(found == code && detail.contains(said), "{}: {found} {detail}", shown(body));
        }
    }
}
