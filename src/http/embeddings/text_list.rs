//! The texts of a request: those that can be used, and of the others why not.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::bounds;
use crate::http::error::{ApiError, Code, Result};
use crate::http::reply::schema;
use crate::http::state::AppState;
use crate::ml::encoder::TruncationDirection;
use crate::serving::{EmbedError, Truncated, Vectors};

/// TEI's `truncation_direction`.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
pub(crate) enum Direction {
    /// The end of a long text is cut.
    #[default]
    #[serde(alias = "right")]
    Right,
    /// Its beginning.
    #[serde(alias = "left")]
    Left,
}

impl From<Direction> for TruncationDirection {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Right => Self::Right,
            Direction::Left => Self::Left,
        }
    }
}

/// What happens to a list in which a text cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnError {
    /// The request is refused.
    #[default]
    Fail,
    /// `null` stands in the text's place, and the others are answered.
    Null,
}

/// A text that has no vector.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TextError {
    /// Which of the request's texts, from 0.
    pub(crate) index: usize,
    /// `empty_text`, `text_too_long`, `out_of_range`, `token_ids_not_supported`, `wrong_type` or `not_finite`.
    #[schema(value_type = String)]
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

impl TextError {
    pub(super) fn new(index: usize, error: &ApiError) -> Self {
        let (code, detail) = error.told();
        Self { index, code, detail: detail.to_owned() }
    }
}

/// A text or several, as a body may hold them.
pub(crate) struct TextOrTexts;
/// One text.
pub(crate) struct OneText;
/// Pairs of texts.
pub(crate) struct TextPairs;

/// Describes a type that is read by hand.
macro_rules! described {
    ($kind:ty, $name:literal, $schema:path) => {
        impl PartialSchema for $kind {
            fn schema() -> RefOr<Schema> {
                $schema()
            }
        }

        impl ToSchema for $kind {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    };
}

described!(TextOrTexts, "Texts", schema::text_or_texts);
described!(OneText, "Text", schema::text);
described!(TextPairs, "TextPairs", schema::pairs_of_texts);

/// Texts that can be used, and what is wrong with the others, where these may be passed over.
#[derive(Debug, Default)]
pub(crate) struct TextList {
    pub(crate) usable: Vec<String>,
    /// Of each usable text, its place in the request, counted over all of its texts.
    places: Vec<usize>,
    errors: Vec<TextError>,
    /// The fields that they came in, each with the place of its first text.
    fields: Vec<(usize, String)>,
}

impl TextList {
    /// A text or a list of texts, each with something in it. `param` is the field's name. Where they are read
    /// leniently, a text that cannot be used fails alone.
    pub(crate) fn read(value: &Value, param: &str, lenient: bool) -> Result<Self> {
        let mut list = Self { fields: vec![(0, param.to_owned())], ..Self::default() };
        for (index, value) in listed(value, param)?.iter().enumerate() {
            match text(index, value, param) {
                Ok(text) => {
                    list.usable.push(text);
                    list.places.push(index);
                }
                Err(error) if lenient => list.errors.push(TextError::new(index, &error)),
                Err(error) => return Err(error),
            }
        }
        Ok(list)
    }

    /// How many texts there are, usable or not.
    pub(crate) fn count(&self) -> usize {
        self.places.len() + self.errors.len()
    }

    /// An error with the place of the text that it is about.
    pub(super) fn of_text(&self, error: EmbedError) -> ApiError {
        let EmbedError::Text { index, fault } = error else { return error.into() };
        let place = self.places.get(index).copied().unwrap_or(index);
        let error = ApiError::from(EmbedError::Text { index: place, fault });
        match self.pointer(index) {
            Some(pointer) => error.param(pointer),
            None => error,
        }
    }

    /// Where in the body the text is that is the `index`-th of the usable ones, as a JSON pointer.
    pub(crate) fn pointer(&self, index: usize) -> Option<String> {
        let place = *self.places.get(index)?;
        let (first, field) = self.fields.iter().rfind(|(first, _)| *first <= place)?;
        Some(format!("/{field}/{}", place - first))
    }

    /// How many of the first `count` texts can be used.
    pub(crate) fn usable_among(&self, count: usize) -> usize {
        self.places.partition_point(|&place| place < count)
    }

    pub(crate) fn append(&mut self, others: Self) {
        let before = self.count();
        self.usable.extend(others.usable);
        self.fields.extend(others.fields.into_iter().map(|(first, field)| (first + before, field)));
        self.places.extend(others.places.into_iter().map(|place| place + before));
        let behind = |error: TextError| TextError { index: error.index + before, ..error };
        self.errors.extend(others.errors.into_iter().map(behind));
    }

    /// A model's answer about the usable texts as one about all: each at its place, with an empty vector and no
    /// tokens where there is none, and all errors in the texts' order.
    pub(crate) fn spread(&self, mut answer: Vectors) -> (Vectors, Vec<TextError>) {
        let mut errors = self.errors.clone();
        let of_model = std::mem::take(&mut answer.errors).into_iter();
        // An error's place is told beside it.
        errors.extend(
            of_model.map(|(index, fault)| TextError::new(self.places[index], &ApiError::of_text("The text", fault))),
        );
        errors.sort_by_key(|error| error.index);
        if self.errors.is_empty() {
            return (answer, errors);
        }
        let (mut vectors, mut tokens) = (vec![Vec::new(); self.count()], vec![0; self.count()]);
        for ((&place, vector), read) in self.places.iter().zip(answer.vectors).zip(answer.tokens) {
            vectors[place] = vector;
            tokens[place] = read;
        }
        let cut = |text: Truncated| Truncated { index: self.places[text.index], ..text };
        let truncated = answer.truncated.into_iter().map(cut).collect();
        (Vectors { vectors, tokens, truncated, ..answer }, errors)
    }
}

/// Whether so many texts may be in one request.
pub(crate) fn few_enough(state: &AppState, texts: usize) -> Result<()> {
    let most = state.limits.max_texts;
    if texts > most {
        let requests = texts.div_ceil(most);
        return Err(ApiError::of(Code::TooManyInputs)
            .detail(format!("{texts} texts; {most} are allowed in one request."))
            .hint(format!("Split them into {requests} requests.")));
    }
    Ok(())
}

/// The same where every text must be usable.
pub(crate) fn texts(value: &Value, param: &str) -> Result<Vec<String>> {
    Ok(TextList::read(value, param, false)?.usable)
}

fn listed<'a>(value: &'a Value, param: &str) -> Result<&'a [Value]> {
    let values = match value {
        Value::Array(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    };
    if values.is_empty() {
        return Err(ApiError::about(Code::NoInputs, param, format!("{param:?} is empty.")));
    }
    Ok(values)
}

fn text(index: usize, value: &Value, param: &str) -> Result<String> {
    match value {
        Value::String(text) if text.trim().is_empty() => Err(ApiError::of(Code::EmptyText)
            .param(format!("/{param}/{index}"))
            .detail(format!("Text {index} of {param:?} (counted from 0) is empty."))),
        Value::String(text) => match bounds::length_outside(text, &bounds::TEXT) {
            None => Ok(text.clone()),
            Some(found) => Err(ApiError::out_of_range(
                format!("/{param}/{index}"),
                &format!("a text of {found} characters is outside {} to {}", bounds::TEXT.start(), bounds::TEXT.end()),
            )),
        },
        Value::Number(_) | Value::Array(_) => {
            Err(ApiError::of(Code::TokenIdsNotSupported).param(format!("/{param}/{index}")))
        }
        _ => Err(ApiError::of(Code::WrongType)
            .param(format!("/{param}/{index}"))
            .detail(format!("Text {index} of {param:?} (counted from 0) is no string."))
            .hint("Send strings.")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_that_follow_each_other_count_their_texts_on() {
        let mut list = TextList::read(&json!(["", "nurse"]), "queries", true).unwrap();
        list.append(TextList::read(&json!(["welder", 7, "cook"]), "documents", true).unwrap());
        assert_eq!(list.usable, ["nurse", "welder", "cook"]);
        assert_eq!((list.places.as_slice(), list.count(), list.usable_among(2)), (&[1, 2, 4][..], 5, 1));
        assert_eq!((list.pointer(0).unwrap(), list.pointer(2).unwrap()), ("/queries/1".into(), "/documents/2".into()));
        let told: Vec<(usize, &str)> = list.errors.iter().map(|error| (error.index, error.code)).collect();
        assert_eq!(told, [(0, "empty_text"), (3, "token_ids_not_supported")]);
        assert!(list.errors[1].detail.contains("text, it got numbers"), "{:?}", list.errors[1]);
    }

    #[test]
    fn a_strict_list_is_refused_by_its_first_bad_text_and_an_empty_one_always() {
        assert!(TextList::read(&json!(["nurse", ""]), "texts", false).is_err());
        assert!(TextList::read(&json!([]), "texts", true).is_err());
    }
}
