//! Rows that hold several pairs: a query with lists of texts that belong to it and of others, a list of texts with one
//! score, several columns of negatives. Each becomes as many rows as it stands for.

use serde_json::value::RawValue;
use unicode_normalization::UnicodeNormalization;

use super::{Fault, Row};

/// Rows that one is made of, at most.
pub(crate) const MOST: usize = 16;

type Fields = Vec<(String, Box<RawValue>)>;

/// An object's fields, unfolded; those of an object without lists as they are.
pub(super) fn unfold(fields: Fields) -> Vec<Fields> {
    let fields = match fields.as_slice() {
        [(name, set)] if name == "set" => match (object(set), list(set)) {
            (Some(inner), _) => inner,
            (None, Some(_)) => vec![("texts".to_owned(), set.clone())],
            _ => fields,
        },
        _ => fields,
    };
    if let Some(place) = fields.iter().position(|(name, value)| name == "texts" && list(value).is_some()) {
        return of_texts(fields, place);
    }
    let is =
        |field: &(String, Box<RawValue>), names: &[&str]| names.contains(&&*key(&field.0)) && list(&field.1).is_some();
    let positives = fields.iter().position(|field| is(field, &["pos", "positive", "positives", "positivepassages"]));
    let negatives = fields.iter().position(|field| {
        is(field, &["neg", "negative", "negatives", "negativepassages", "hardneg", "hardnegative", "hardnegatives"])
    });
    if positives.is_none() && negatives.is_none() {
        return vec![fields];
    }
    let texts = |place: Option<usize>| place.and_then(|place| list(&fields[place].1)).unwrap_or_default();
    let (near, far) = (texts(positives), texts(negatives));
    let others = fields.iter().enumerate().filter(|(place, _)| Some(*place) != positives && Some(*place) != negatives);
    let others: Fields = others.map(|(_, field)| field.clone()).collect();
    let at = |texts: &[Box<RawValue>], row: usize| texts.get(row % texts.len().max(1)).cloned();
    let row = |row: usize| {
        let near = positives.and_then(|_| at(&near, row)).map(|text| ("positive".to_owned(), text));
        let far = negatives.and_then(|_| at(&far, row)).map(|text| ("negative".to_owned(), text));
        others.iter().cloned().chain(near).chain(far).collect()
    };
    (0..near.len().max(far.len()).clamp(1, MOST)).map(row).collect()
}

/// Two texts are a pair, of more the second belongs to the first and the others do not.
fn of_texts(mut fields: Fields, place: usize) -> Vec<Fields> {
    let (_, value) = fields.remove(place);
    let texts = list(&value).unwrap_or_default();
    let names = match texts.len() {
        0..=2 if !fields.is_empty() => ["text1", "text2"],
        _ => ["anchor", "positive"],
    };
    let negatives: Vec<Option<&Box<RawValue>>> =
        if texts.len() > 2 { texts[2..].iter().take(MOST).map(Some).collect() } else { vec![None] };
    let row = |negative: Option<&Box<RawValue>>| {
        let pair = names.iter().zip(&texts).map(|(name, text)| ((*name).to_owned(), text.clone()));
        let negative = negative.map(|text| ("negative".to_owned(), text.clone()));
        pair.chain(negative).chain(fields.iter().cloned()).collect()
    };
    negatives.into_iter().map(row).collect()
}

fn object(value: &RawValue) -> Option<Fields> {
    if !value.get().starts_with('{') {
        return None;
    }
    let map: std::collections::BTreeMap<String, Box<RawValue>> = serde_json::from_str(value.get()).ok()?;
    Some(map.into_iter().collect())
}

/// A list's texts; of objects with a text, as collections of passages have them, the text.
fn list(value: &RawValue) -> Option<Vec<Box<RawValue>>> {
    if !value.get().starts_with('[') {
        return None;
    }
    let values: Vec<Box<RawValue>> = serde_json::from_str(value.get()).ok()?;
    let text = |value: Box<RawValue>| match object(&value) {
        Some(fields) => fields.into_iter().find(|(name, _)| name == "text").map_or(value, |(_, text)| text),
        None => value,
    };
    Some(values.into_iter().map(text).collect())
}

fn key(name: &str) -> String {
    let folded = name.nfkc().flat_map(char::to_lowercase);
    folded.filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-')).collect()
}

/// Columns of negatives of which there are several: `negative_1`, `negative_2`.
pub(super) fn negatives(header: &[String]) -> Option<Vec<usize>> {
    let is = |name: &str| {
        let name = key(name);
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        matches!(stem, "negative" | "neg" | "hardnegative" | "hardneg" | "負例")
    };
    let places: Vec<usize> = (0..header.len()).filter(|&place| is(&header[place])).collect();
    (places.len() > 1).then_some(places)
}

/// A row for each of its negatives, which all stand in the first one's column.
pub(super) fn of_negatives(row: Result<Row, Fault>, places: &[usize]) -> Vec<Result<Row, Fault>> {
    let row = match row {
        Ok(row) => row,
        fault => return vec![fault],
    };
    let filled = places.iter().filter_map(|&place| row.cells.get(place)).filter(|cell| !cell.trim().is_empty());
    let filled: Vec<String> = filled.take(MOST).cloned().collect();
    let without = |negative: Option<&String>| {
        let mut one = row.clone();
        if let (Some(negative), Some(cell)) = (negative, one.cells.get_mut(places[0])) {
            cell.clone_from(negative);
        }
        for &place in places[1..].iter().rev() {
            if place < one.cells.len() {
                one.cells.remove(place);
            }
            one.dates.retain(|date| *date != place);
            one.dates.iter_mut().filter(|date| **date > place).for_each(|date| *date -= 1);
            one.unreadable.retain(|(cell, _)| *cell != place);
            one.unreadable.iter_mut().filter(|(cell, _)| *cell > place).for_each(|(cell, _)| *cell -= 1);
        }
        one
    };
    if filled.is_empty() {
        return vec![Ok(without(None))];
    }
    filled.iter().map(|negative| Ok(without(Some(negative)))).collect()
}
