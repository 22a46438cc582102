//! How what is said about a table looks in the API's description.

use serde_json::Value;
use tables::choices::Fix;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::bounds::{self, Heading, Text, Word};

/// A scale as JSON has it: `"0-5"`, or an object.
pub(crate) struct ScaleWish;

/// How large a score may be, either way.
pub(crate) const LARGEST_SCORE: f64 = 1e12;

impl PartialSchema for ScaleWish {
    fn schema() -> RefOr<Schema> {
        let score = || {
            let number = ObjectBuilder::new().schema_type(Type::Number);
            number.minimum(Some(-LARGEST_SCORE)).maximum(Some(LARGEST_SCORE))
        };
        let scale = ObjectBuilder::new().property("lowest", score()).property("highest", score());
        let scale = scale.required("lowest").required("highest");
        Schema::OneOf(OneOfBuilder::new().item(Word::schema()).item(scale).build()).into()
    }
}

impl ToSchema for ScaleWish {}

/// Fixes as JSON has them: `"drop_repeats,trim_texts"`, or a list.
pub(crate) struct FixesWish;

impl PartialSchema for FixesWish {
    fn schema() -> RefOr<Schema> {
        let list = ArrayBuilder::new().items(Fix::schema()).max_items(Some(100));
        Schema::OneOf(OneOfBuilder::new().item(FixesText::schema()).item(list).build()).into()
    }
}

impl ToSchema for FixesWish {}

/// The same as names with commas between.
pub(crate) struct FixesText;

impl PartialSchema for FixesText {
    fn schema() -> RefOr<Schema> {
        let fixes = serde_json::to_value(Fix::schema()).unwrap_or_default();
        let names = fixes["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let one = format!("({})", names.collect::<Vec<_>>().join("|"));
        let names = bounds::text_schema(&Written::RANGE, false);
        names.pattern(Some(format!("^({one}(,{one})*)?$"))).build().into()
    }
}

impl ToSchema for FixesText {}

/// What is written as JSON or words in a query.
pub(crate) type Written = Text<0, { *bounds::WRITTEN.end() }>;

/// What stands between cells.
pub(crate) struct DelimiterWish;

impl PartialSchema for DelimiterWish {
    fn schema() -> RefOr<Schema> {
        let words = [",", ";", "|", "\t", "\\t", "tab", ""];
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build().into()
    }
}

impl ToSchema for DelimiterWish {}

/// Which column is what.
pub(crate) struct MappingWish;

impl PartialSchema for MappingWish {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(1000));
        let null = ObjectBuilder::new().schema_type(Type::Null);
        let column = OneOfBuilder::new().item(number).item(Heading::schema()).item(null).build();
        let mapping = ["text_a", "text_b", "negative", "score", "text", "label"]
            .into_iter()
            .fold(ObjectBuilder::new(), |mapping, name| mapping.property(name, Schema::OneOf(column.clone())));
        mapping.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false))).build().into()
    }
}

impl ToSchema for MappingWish {}

/// What words stand for.
pub(crate) struct WordsWish;

impl PartialSchema for WordsWish {
    fn schema() -> RefOr<Schema> {
        let value = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0)).maximum(Some(1)).build();
        let words = ObjectBuilder::new().additional_properties(Some(Schema::from(value)));
        let words = words.property_names(Some(Schema::from(bounds::text_schema(&Word::RANGE, false).build())));
        words.max_properties(Some(*bounds::WORDS.end())).build().into()
    }
}

impl ToSchema for WordsWish {}
