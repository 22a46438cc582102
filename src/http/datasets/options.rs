//! What a client may say about how its table is read: fields of a query, parts of a form, or members of a JSON body,
//! under the same names everywhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::bounds::{self, HeaderRow, Heading, Label, OUT_OF_RANGE, Word};
use crate::http::datasets::wishes::{
    DelimiterWish, FixesText, FixesWish, LARGEST_SCORE, MappingWish, ScaleWish, WordsWish, Written,
};
use crate::http::error::{ApiError, Result};
use crate::http::extract;
use crate::store::Purpose;
use tables::TableKind;
use tables::choices::{
    Column, Encoding, FileFormat, FileOptions, Fix, LowestMeans, Mapping, OnBadRow, Scale, TableOptions,
};

/// How a table is to be read, as far as the client says so. What it does not say is found out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
#[schema(as = Wishes)]
pub(crate) struct OptionsBody {
    /// How the file is written.
    #[serde(deserialize_with = "value")]
    #[param(inline)]
    pub(crate) format: Option<FileFormat>,
    /// How text became bytes.
    #[serde(deserialize_with = "value")]
    #[param(inline)]
    pub(crate) encoding: Option<Encoding>,
    /// What stands between cells: `,`, `;`, `|`, a tab or the word `tab`.
    #[serde(deserialize_with = "delimiter")]
    #[schema(inline, value_type = Option<DelimiterWish>)]
    #[param(inline, value_type = Option<DelimiterWish>)]
    pub(crate) delimiter: Option<char>,
    /// Whether the first row names the columns.
    #[serde(deserialize_with = "value")]
    pub(crate) header: Option<bool>,
    /// The row that names the columns, as a spreadsheet counts it, where others stand above it.
    #[serde(deserialize_with = "value")]
    #[schema(inline, value_type = Option<HeaderRow>)]
    #[param(inline, value_type = Option<HeaderRow>)]
    pub(crate) header_row: Option<HeaderRow>,
    /// Which sheet of a workbook is read.
    #[serde(deserialize_with = "value")]
    #[schema(inline)]
    #[param(inline)]
    pub(crate) sheet: Option<Heading>,
    /// Which column is what, by its name or its number from 1; JSON.
    #[serde(deserialize_with = "mapping")]
    #[schema(inline, value_type = Option<MappingWish>)]
    #[param(inline, value_type = Option<MappingWish>, example = r#"{"text_a":"職種A","text_b":2,"score":"点数"}"#)]
    pub(crate) mapping: Option<Mapping>,
    /// What the rows are.
    #[serde(deserialize_with = "value")]
    #[param(inline)]
    pub(crate) kind: Option<TableKind>,
    /// The scores' own scale, from what means nothing in common to what means the same: `0-5`, `-1..1`, `1-0` for a
    /// distance, or JSON.
    #[serde(deserialize_with = "scale")]
    #[schema(inline, value_type = Option<ScaleWish>)]
    #[param(inline, value_type = Option<Written>, example = "0-5")]
    pub(crate) scale: Option<Scale>,
    /// What words and marks stand for, 0 to 1; JSON.
    #[serde(deserialize_with = "words")]
    #[schema(inline, value_type = Option<WordsWish>)]
    #[param(inline, value_type = Option<WordsWish>, example = r#"{"○":1.0,"×":0.0}"#)]
    pub(crate) words: Option<BTreeMap<String, f64>>,
    /// What the lowest score says, and so which cosine each score asks for.
    #[serde(deserialize_with = "value")]
    #[param(inline)]
    pub(crate) lowest_means: Option<LowestMeans>,
    /// Fixes of findings: names with commas between, or a JSON list.
    #[serde(deserialize_with = "fixes")]
    #[schema(inline, value_type = Option<FixesWish>)]
    #[param(inline, value_type = Option<FixesText>, example = "drop_repeats,trim_texts")]
    pub(crate) apply: BTreeSet<Fix>,
    /// What becomes of rows that cannot be used: `fail` unless said.
    #[serde(deserialize_with = "value")]
    #[param(inline)]
    pub(crate) on_bad_row: Option<OnBadRow>,
}

/// What a table is called, and what it is for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
#[schema(as = Label)]
pub(crate) struct DatasetMeta {
    /// What lists show; by default the file's name.
    #[serde(deserialize_with = "value")]
    #[schema(inline)]
    #[param(inline)]
    pub(crate) name: Option<Label>,
    /// The table measures general ability and is never trained on; its scores keep their own scale.
    #[serde(deserialize_with = "value")]
    pub(crate) benchmark: Option<bool>,
}

/// The names of [`OptionsBody`].
pub(crate) const READING: [&str; 13] = [
    "mapping",
    "format",
    "encoding",
    "delimiter",
    "header",
    "header_row",
    "sheet",
    "kind",
    "scale",
    "words",
    "lowest_means",
    "apply",
    "on_bad_row",
];
/// The names of [`DatasetMeta`].
pub(crate) const META: [&str; 2] = ["name", "benchmark"];

impl OptionsBody {
    /// The same as a reader takes them.
    pub(crate) fn choices(self) -> TableOptions {
        TableOptions {
            read_as: FileOptions {
                format: self.format,
                encoding: self.encoding,
                delimiter: self.delimiter,
                header: self.header,
                header_row: self.header_row.map(HeaderRow::size),
                sheet: self.sheet.map(Heading::into_inner),
            },
            mapping: self.mapping.unwrap_or_default(),
            kind: self.kind,
            scale: self.scale,
            words: self.words.unwrap_or_default(),
            lowest_means: self.lowest_means,
            apply: self.apply,
            on_bad_row: self.on_bad_row.unwrap_or_default(),
        }
    }
}

impl DatasetMeta {
    pub(crate) fn purpose(&self) -> Purpose {
        if self.benchmark == Some(true) { Purpose::Benchmark } else { Purpose::Training }
    }
}

/// Reads fields as they were sent, or says which one is not as it should be.
pub(crate) fn read<T: DeserializeOwned>(fields: &Map<String, Value>) -> Result<T> {
    serde_path_to_error::deserialize(&Value::Object(fields.clone())).map_err(|error| {
        let place = error.path().to_string();
        extract::data_error(&error.into_inner().to_string(), &place)
    })
}

/// Refuses a field of another name than these, with the nearest of them.
pub(crate) fn only_known<'a>(fields: impl IntoIterator<Item = &'a String>, known: &[&[&str]]) -> Result<()> {
    let known: Vec<&str> = known.concat();
    match fields.into_iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(ApiError::unknown_field(name, &known)),
        None => Ok(()),
    }
}

/// A value: as it stands in JSON, or as text that is one or is written as JSON. Blank text says nothing.
fn value<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> std::result::Result<Option<T>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => {
            let plain = T::deserialize(Value::String(text.clone()));
            match plain {
                Ok(value) => Ok(Some(value)),
                Err(plain) => serde_json::from_str(&text).map(Some).map_err(|json| {
                    // What was meant as JSON is told as such.
                    let meant = text.trim_start().starts_with(['{', '[']);
                    let error = if meant { json } else { plain };
                    D::Error::custom(error.to_string().split(" at line ").next().unwrap_or_default())
                }),
            }
        }
        value => T::deserialize(value).map(Some).map_err(D::Error::custom),
    }
}

/// Columns by numbers that a table may have, or by names.
fn mapping<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Mapping>, D::Error> {
    let mapping: Option<Mapping> = value(deserializer)?;
    let columns =
        mapping.iter().flat_map(|m| [&m.text_a, &m.text_b, &m.negative, &m.score, &m.text, &m.label]).flatten();
    for column in columns {
        let what = match column {
            Column::Number(1..=1000) => None,
            Column::Number(number) => Some(format!("the column {number} is outside 1 to 1000")),
            Column::Name(name) => bounds::length_outside(name, &Heading::RANGE)
                .map(|found| format!("a column's name of {found} characters is outside 1 to {}", Heading::RANGE.end())),
        };
        if let Some(what) = what {
            return Err(D::Error::custom(format!("{OUT_OF_RANGE}{what}")));
        }
    }
    Ok(mapping)
}

/// Words that stand for scores, as many as may be.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<BTreeMap<String, f64>>, D::Error> {
    let words: Option<BTreeMap<String, f64>> = value(deserializer)?;
    let words_or_none = words.iter().flatten();
    if words.as_ref().is_some_and(|words| !bounds::WORDS.contains(&words.len())) {
        return Err(D::Error::custom(format!("{OUT_OF_RANGE}more than {} words", bounds::WORDS.end())));
    }
    for (word, value) in words_or_none {
        if !(0.0..=1.0).contains(value) {
            let what = format!("{word:?} is to stand for {value}, which is outside 0 to 1");
            return Err(D::Error::custom(format!("{OUT_OF_RANGE}{what}")));
        }
        if let Some(found) = bounds::length_outside(word, &Word::RANGE) {
            let what = format!("a word of {found} characters is outside 0 to {}", Word::RANGE.end());
            return Err(D::Error::custom(format!("{OUT_OF_RANGE}{what}")));
        }
    }
    Ok(words)
}

fn delimiter<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<char>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    match text.as_str() {
        "" => Ok(None),
        "," => Ok(Some(',')),
        ";" => Ok(Some(';')),
        "|" => Ok(Some('|')),
        "\t" | "\\t" | "tab" => Ok(Some('\t')),
        other => {
            let other: String = other.chars().filter(|c| *c != '`').take(40).collect();
            Err(D::Error::custom(format!("unknown variant `{other}`, expected one of `,`, `;`, `|`, `tab`")))
        }
    }
}

fn scale<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Scale>, D::Error> {
    let given = Value::deserialize(deserializer)?;
    let scale = match &given {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) if !text.trim_start().starts_with('{') => range(text),
        Value::String(text) => serde_json::from_str(text).ok(),
        other => Scale::deserialize(other).ok(),
    };
    let fits = |score: f64| (-LARGEST_SCORE..=LARGEST_SCORE).contains(&score);
    // Whether an object's lowest is below its highest, the table's reader says.
    let usable = |scale: &Scale| fits(scale.lowest) && fits(scale.highest);
    match scale.filter(usable) {
        Some(scale) => Ok(Some(scale)),
        None => {
            let given: String = given.to_string().chars().take(60).collect();
            Err(D::Error::custom(format!(
                "{given} is no scale; write the lowest and the highest score, as 0-5 or -1..1"
            )))
        }
    }
}

fn ordered(lowest: f64, highest: f64) -> Option<Scale> {
    (lowest < highest).then_some(Scale { lowest, highest })
}

/// `0-5`, `-1..1`, `1–5`.
fn range(text: &str) -> Option<Scale> {
    let text = text.trim();
    let number = |text: &str| text.trim().parse::<f64>().ok();
    if let Some((lowest, highest)) = text.split_once("..") {
        return ordered(number(lowest)?, number(highest)?);
    }
    // A dash that stands first is a sign.
    let (place, dash) = text.char_indices().skip(1).find(|(_, c)| matches!(c, '-' | '–' | '~' | '〜' | '～'))?;
    ordered(number(&text[..place])?, number(&text[place + dash.len_utf8()..])?)
}

fn fixes<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<BTreeSet<Fix>, D::Error> {
    let names = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(BTreeSet::new()),
        Value::String(text) if text.trim_start().starts_with('[') => {
            serde_json::from_str(&text).map_err(D::Error::custom)?
        }
        Value::String(text) => {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(Value::from).collect::<Vec<_>>().into()
        }
        list => list,
    };
    BTreeSet::deserialize(names).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(fields: &Value) -> Result<OptionsBody> {
        read(fields.as_object().unwrap())
    }

    #[test]
    fn a_query_a_form_and_json_say_the_same() {
        let text = options(&json!({
            "mapping": r#"{"text_a":"職種A","text_b":2}"#, "header": "true", "encoding": "windows-31j", "delimiter": "tab",
            "scale": "0-5", "words": r#"{"○":1}"#, "lowest_means": "unrelated", "apply": "trim_texts, drop_repeats",
            "sheet": "2024", "on_bad_row": "skip", "kind": "",
        }));
        let json = options(&json!({
            "mapping": { "text_a": "職種A", "text_b": 2 }, "header": true, "encoding": "windows-31j", "delimiter": "\t",
            "scale": { "lowest": 0, "highest": 5 }, "words": { "○": 1.0 }, "lowest_means": "unrelated",
            "apply": ["drop_repeats", "trim_texts"], "sheet": "2024", "on_bad_row": "skip", "kind": null,
        }));
        assert_eq!(text.unwrap(), json.unwrap());
    }

    #[test]
    fn a_scale_is_read_as_people_write_it() {
        for (text, lowest, highest) in
            [("0-5", 0.0, 5.0), ("-1..1", -1.0, 1.0), ("1–5", 1.0, 5.0), ("-1 - 1", -1.0, 1.0)]
        {
            assert_eq!(range(text), Some(Scale { lowest, highest }), "{text}");
        }
        for wrong in ["5-0", "0", "a-b", "{}"] {
            let error = options(&json!({ "scale": wrong })).unwrap_err();
            assert!(error.told().1.contains("0-5"), "{wrong}: {error:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_the_field_and_the_nearest_value() {
        let told = |fields: Value| options(&fields).unwrap_err().told().1.to_owned();
        assert!(told(json!({ "encoding": "windows-31" })).contains("did you mean \"windows-31j\"?"));
        assert!(told(json!({ "apply": "drop_repeat" })).contains("did you mean \"drop_repeats\"?"));
        assert!(told(json!({ "mapping": "{\"text_c\":1}" })).contains("text_c"));
        let error = only_known([&"maping".to_owned()], &[&READING, &META]).unwrap_err();
        assert!(error.told().1.contains("did you mean \"mapping\"?"));
    }
}
