//! The least and the most of what a request, a flag or a variable can send, each with what the most costs.
//!
//! A request's numbers and texts have their bounds as types: what is read is within them, and the API's description tells the same
//! numbers. Those of a training run are in `ml/train/ranges.rs`, those of tables in `crates/tables`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, RangeInclusive};

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// Neighbours of a text. 50 texts are a page that people read; all of a table's are compared anyway.
pub(crate) type Neighbours = Whole<1, 50>;
/// Rows, jobs or events in one answer of ours: 1,000 rows of two texts of 100,000 characters are the most that an answer holds.
pub(crate) type Page = Whole<1, 1000>;
/// Entries in a page of OpenAI's lists, as there.
pub(crate) type OpenAiPage = Whole<1, 100>;
/// Files in a page: a row of the database each.
pub(crate) type FilePage = Whole<1, 1000>;
/// The row that names a table's columns: it is looked for among the first.
pub(crate) type HeaderRow = Whole<1, 1000>;
/// Rows that are passed over. A table has at most two million.
pub(crate) type Offset = Whole<0, { tables::MOST_ROWS as u64 }>;
/// The number of a job's event, as the database counts them.
pub(crate) type EventNumber = Whole<0, { i64::MAX as u64 }>;
/// Seconds that an answer waits for a job's end: what proxies let pass.
pub(crate) type Wait = Whole<0, 60>;
/// What draws of chance depend on: whole numbers that every JSON reader reads exactly.
pub(crate) type Seed = Whole<0, { (1 << 53) - 1 }>;
/// Suggested pairs: as many as somebody labels in a sitting.
pub(crate) type Suggestions = Whole<1, 200>;
/// Hard negatives for each text: ten times as many triplets as pairs.
pub(crate) type PerText = Whole<1, { tables::bounds::PER_TEXT.most as u64 }>;
/// Pairs of a taxonomy that begin at one concept, of each kind: more say what those before have said.
pub(crate) type PerConcept = Whole<1, { tables::bounds::PER_CONCEPT.most as u64 }>;
/// Pairs of a taxonomy of each kind: no table has more.
pub(crate) type PerKind = Whole<1, { tables::bounds::PER_KIND.most as u64 }>;
/// Of a vector. The model's own number bounds it further.
pub(crate) type Dimensions = Whole<1, 65_536>;

/// Something that is there already, by its id, name or alias. Nothing here has a longer one: they are names of folders.
pub(crate) type Reference = Text<1, 255>;
/// The same, or nothing.
pub(crate) type ReferenceOrNone = Text<0, 255>;
/// The name of a dataset, which lists show.
pub(crate) type Label = Text<0, 200>;
/// Whose a key is, or what for.
pub(crate) type KeyName = Text<1, 100>;
/// A length of time, as in `90d`: at most 99,999 days, hours or minutes.
pub(crate) type Lasts = Text<2, 6>;
/// What a key may use: tokens a minute, requests at once, jobs.
pub(crate) type KeyLimit = Whole<1, { u32::MAX as u64 }>;
/// What a model's prompt is called.
pub(crate) type PromptName = Text<0, 200>;
/// What a client tells of its own user, and nobody reads.
pub(crate) type User = Text<0, 512>;
/// What rows are searched for: each is compared with it.
pub(crate) type Search = Text<0, 1000>;
/// A sheet of a workbook (31 characters in Excel), or a column of a table.
pub(crate) type Heading = Text<1, 1000>;
/// A word that stands for a score, a range of scores, the code of a language, and the like.
pub(crate) type Word = Text<0, 200>;
/// One of the texts of a heatmap's axes.
pub(crate) type Title = Text<1, 1000, true>;
/// Titles of a heatmap, whose square is stored with each epoch.
pub(crate) type Titles = List<Title, 2, 50>;
/// Models that answer one request: each of them embeds all of its texts.
pub(crate) type Models = List<Reference, 2, 4>;

/// Characters of a text that is embedded or tokenized: all of them are cut into tokens, though a model reads the first
/// hundreds. A text of a million takes a tenth of a second.
pub(crate) const TEXT: RangeInclusive<usize> = 1..=1 << 20;
/// Texts in one request, whatever the server is set to: with 768 dimensions, 75 MB of vectors as JSON.
pub(crate) const TEXTS: RangeInclusive<usize> = 1..=8192;
/// Scores in one answer: queries times documents. 20 MB as JSON, and half a second of one core.
pub(crate) const SCORES: usize = 1 << 20;
/// Cells of all heatmaps of a job, its epochs times the square of its titles: 100 MB in its events.
pub(crate) const CELLS: usize = 5_000_000;
/// Texts that are compared, each with each.
pub(crate) const COMPARED: RangeInclusive<usize> = 2..=50;
/// Pairs of metadata, and characters of their keys and values, as OpenAI has them. A job's row holds them.
pub(crate) const METADATA: RangeInclusive<usize> = 0..=16;
pub(crate) const METADATA_KEY: RangeInclusive<usize> = 0..=64;
pub(crate) const METADATA_VALUE: RangeInclusive<usize> = 0..=512;
/// Characters of a name that a user gives to a model or alias.
pub(crate) const NAME: RangeInclusive<usize> = 1..=64;
/// Characters before the eight that OpenAI's route adds to a name.
pub(crate) const SUFFIX: RangeInclusive<usize> = 0..=*NAME.end() - 9;
/// Words that stand for scores.
pub(crate) const WORDS: RangeInclusive<usize> = 0..=1000;
/// Characters of an Idempotency-Key: a row of the database.
pub(crate) const IDEMPOTENCY_KEY: RangeInclusive<usize> = 1..=255;
/// Characters of fields of a form or query that are written as JSON.
pub(crate) const WRITTEN: RangeInclusive<usize> = 0..=4096;

/// Inference threads: beyond a machine's cores they only wait for each other.
pub(crate) const THREADS: RangeInclusive<u64> = 1..=1024;
/// Texts that may wait for the inference threads: a million of a thousand characters are 1 GB.
pub(crate) const WAITING: RangeInclusive<u64> = 1..=1 << 20;
/// Tuned models in memory: some MB each.
pub(crate) const LOADED: RangeInclusive<u64> = 1..=10_000;
/// Bytes of memory that a setting may give away: 1 TiB.
pub(crate) const MEMORY: RangeInclusive<u64> = 0..=1 << 40;
/// Bytes of an upload, on the disk: 64 GiB.
pub(crate) const UPLOAD: RangeInclusive<u64> = 1..=64 << 30;
/// Bytes of any other body, in memory, and with it some times as many of what is made of it: 256 MiB.
pub(crate) const BODY: RangeInclusive<u64> = 1..=256 << 20;
/// Open connections: two descriptors and some 20 kB each.
pub(crate) const CONNECTIONS: RangeInclusive<u64> = 1..=1 << 20;
/// Seconds of a wait that must come to an end: a day.
pub(crate) const SECONDS: RangeInclusive<u64> = 1..=86_400;
/// The same where none at all has a meaning.
pub(crate) const SECONDS_OR_NONE: RangeInclusive<u64> = 0..=86_400;

/// With what a refusal of a value out of bounds begins in serde's words.
pub(crate) const OUT_OF_RANGE: &str = "out of range: ";

/// Members of an object that clients send to every server: nobody reads them here, and no client has many.
const PASSED_OVER: RangeInclusive<usize> = 0..=64;

/// An object whose members are passed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PassedOver;

impl<'de> Deserialize<'de> for PassedOver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = std::collections::HashMap::<String, serde::de::IgnoredAny>::deserialize(deserializer)?.len();
        if PASSED_OVER.contains(&members) {
            Ok(Self)
        } else {
            Err(outside(members, PASSED_OVER.start(), PASSED_OVER.end()))
        }
    }
}

impl PartialSchema for PassedOver {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Object).max_properties(Some(*PASSED_OVER.end())).build().into()
    }
}

impl ToSchema for PassedOver {}

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Whole<const LEAST: u64, const MOST: u64>(u64);

impl<const LEAST: u64, const MOST: u64> Whole<LEAST, MOST> {
    pub(crate) const RANGE: RangeInclusive<u64> = LEAST..=MOST;

    /// One that is known when the program is built.
    pub(crate) const fn of(number: u64) -> Self {
        assert!(LEAST <= number && number <= MOST, "out of its bounds");
        Self(number)
    }

    pub(crate) fn new(number: u64) -> Option<Self> {
        (LEAST..=MOST).contains(&number).then_some(Self(number))
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }

    pub(crate) const fn size(self) -> usize {
        self.0 as usize
    }

    /// As the database counts.
    pub(crate) const fn signed(self) -> i64 {
        self.0 as i64
    }
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<const LEAST: u64, const MOST: u64>;
        impl<const LEAST: u64, const MOST: u64> Visitor<'_> for Number<LEAST, MOST> {
            type Value = Whole<LEAST, MOST>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "a whole number")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Whole::new(number).ok_or_else(|| outside(number, LEAST, MOST))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                let fits = u64::try_from(number).ok().and_then(Whole::new);
                fits.ok_or_else(|| outside(number, LEAST, MOST))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
                // JSON has one kind of numbers: 5.0 is a whole one.
                if number.fract() != 0.0 {
                    return Err(E::invalid_type(serde::de::Unexpected::Float(number), &self));
                }
                let fits = (number >= 0.0 && number < 2f64.powi(63)).then(|| Whole::new(number as u64)).flatten();
                fits.ok_or_else(|| outside(number, LEAST, MOST))
            }
        }
        deserializer.deserialize_u64(Number)
    }
}

fn outside<E: Error>(found: impl fmt::Display, least: impl fmt::Display, most: impl fmt::Display) -> E {
    E::custom(format!("{OUT_OF_RANGE}{found} is outside {least} to {most}"))
}

impl<const LEAST: u64, const MOST: u64> PartialSchema for Whole<LEAST, MOST> {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        let number = number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
        number.minimum(Some(LEAST)).maximum(Some(MOST)).build().into()
    }
}

impl<const LEAST: u64, const MOST: u64> ToSchema for Whole<LEAST, MOST> {
    fn name() -> Cow<'static, str> {
        format!("Whole{LEAST}To{MOST}").into()
    }
}

/// A part of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share(f64);

impl Share {
    pub(crate) const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&number) { Ok(Self(number)) } else { Err(outside(number, 0, 1)) }
    }
}

impl PartialSchema for Share {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0)).maximum(Some(1)).build().into()
    }
}

impl ToSchema for Share {
    fn name() -> Cow<'static, str> {
        "Share".into()
    }
}

/// A text of `LEAST` to `MOST` characters; a `FILLED` one has more than blanks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Text<const LEAST: usize, const MOST: usize, const FILLED: bool = false>(String);

impl<const LEAST: usize, const MOST: usize, const FILLED: bool> Text<LEAST, MOST, FILLED> {
    pub(crate) const RANGE: RangeInclusive<usize> = LEAST..=MOST;

    /// One that this server has made itself.
    pub(crate) fn known(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn into_inner(self) -> String {
        self.0
    }
}

impl<const LEAST: usize, const MOST: usize, const FILLED: bool> Deref for Text<LEAST, MOST, FILLED> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de, const LEAST: usize, const MOST: usize, const FILLED: bool> Deserialize<'de> for Text<LEAST, MOST, FILLED> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some(found) = length_outside(&text, &Self::RANGE) {
            return Err(outside(format_args!("a text of {found} characters"), LEAST, MOST));
        }
        if FILLED && text.trim().is_empty() {
            return Err(D::Error::custom("a text of blanks alone, expected one with something in it"));
        }
        Ok(Self(text))
    }
}

/// How many characters a text has where they are too many or too few.
pub(crate) fn length_outside(text: &str, range: &RangeInclusive<usize>) -> Option<usize> {
    // A character has one to four bytes, so that most texts need no counting.
    if text.len() <= *range.end() && text.len() >= range.start() * 4 {
        return None;
    }
    let count = text.chars().count();
    (!range.contains(&count)).then_some(count)
}

/// What a text has that is not blank, as schemas say it: to ECMA-262, U+0085 is no blank.
pub(crate) const FILLED: &str = r"[^\s\u0085]";

/// The schema of a text of so many characters.
pub(crate) fn text_schema(range: &RangeInclusive<usize>, filled: bool) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some(*range.end()));
    let text = text.min_length((*range.start() > 0).then_some(*range.start()));
    text.pattern(filled.then_some(FILLED))
}

impl<const LEAST: usize, const MOST: usize, const FILLED: bool> PartialSchema for Text<LEAST, MOST, FILLED> {
    fn schema() -> RefOr<Schema> {
        text_schema(&Self::RANGE, FILLED).build().into()
    }
}

impl<const LEAST: usize, const MOST: usize, const FILLED: bool> ToSchema for Text<LEAST, MOST, FILLED> {
    fn name() -> Cow<'static, str> {
        format!("Text{LEAST}To{MOST}").into()
    }
}

/// `LEAST` to `MOST` of something. What comes after the last is not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct List<T, const LEAST: usize, const MOST: usize>(Vec<T>);

impl<T, const LEAST: usize, const MOST: usize> List<T, LEAST, MOST> {
    pub(crate) fn into_inner(self) -> Vec<T> {
        self.0
    }
}

impl<T, const LEAST: usize, const MOST: usize> Deref for List<T, LEAST, MOST> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>, const LEAST: usize, const MOST: usize> Deserialize<'de> for List<T, LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const LEAST: usize, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const LEAST: usize, const MOST: usize> Visitor<'de> for Items<T, LEAST, MOST> {
            type Value = List<T, LEAST, MOST>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut read = Vec::new();
                while let Some(item) = items.next_element()? {
                    if read.len() == MOST {
                        return Err(outside("a longer list", LEAST, MOST));
                    }
                    read.push(item);
                }
                if read.len() < LEAST {
                    return Err(outside(format_args!("a list of {}", read.len()), LEAST, MOST));
                }
                Ok(List(read))
            }
        }
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

impl<T: PartialSchema, const LEAST: usize, const MOST: usize> PartialSchema for List<T, LEAST, MOST> {
    fn schema() -> RefOr<Schema> {
        let list = ArrayBuilder::new().items(T::schema()).max_items(Some(MOST));
        list.min_items((LEAST > 0).then_some(LEAST)).build().into()
    }
}

impl<T: PartialSchema, const LEAST: usize, const MOST: usize> ToSchema for List<T, LEAST, MOST> {
    fn name() -> Cow<'static, str> {
        format!("List{LEAST}To{MOST}").into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    #[test]
    fn a_whole_number_is_read_within_its_bounds_and_nowhere_else() {
        let read =
            |number: Value| from_value::<Whole<1, 50>>(number).map(Whole::get).map_err(|error| error.to_string());
        assert_eq!((read(json!(1)), read(json!(50)), read(json!(5.0))), (Ok(1), Ok(50), Ok(5)));
        let outside = [json!(0), json!(-1), json!(51), json!(u64::MAX), json!(1e308), json!(-1e308)];
        for number in outside {
            let error = read(number.clone()).unwrap_err();
            assert!(error.starts_with(OUT_OF_RANGE) && error.ends_with("is outside 1 to 50"), "{number}: {error}");
        }
        for other in [json!("5"), json!(1.5), json!(null), json!([5])] {
            assert!(read(other.clone()).is_err(), "{other}");
        }
        assert_eq!(from_value::<Seed>(json!((1_u64 << 53) - 1)).unwrap().get(), (1 << 53) - 1);
    }

    #[test]
    fn a_text_and_a_list_are_as_long_as_they_may_be_and_characters_are_counted() {
        let read = |text: &str| from_value::<Text<1, 3>>(json!(text)).is_ok();
        assert!(read("看護師") && read("a") && !read("") && !read("看護師長"));
        assert!(from_value::<Text<1, 9, true>>(json!(" \u{3000}")).is_err());
        let list = |list: Value| from_value::<List<u8, 2, 3>>(list).is_ok();
        assert!(list(json!([1, 2])) && list(json!([1, 2, 3])) && !list(json!([1])) && !list(json!([1, 2, 3, 4])));
        assert!(from_value::<Share>(json!(1)).is_ok() && from_value::<Share>(json!(1.01)).is_err());
    }
}
