//! Schemas that no type gives by itself.

use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};

use crate::bounds::{self, TEXTS};
use crate::ml::train::Range;

fn plain(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

/// A text that is embedded.
pub(crate) fn text() -> RefOr<Schema> {
    bounds::text_schema(&bounds::TEXT, true).build().into()
}

/// As many texts as one request may have.
fn texts() -> ArrayBuilder {
    ArrayBuilder::new().items(text()).min_items(Some(*TEXTS.start())).max_items(Some(*TEXTS.end()))
}

pub(crate) fn text_or_texts() -> RefOr<Schema> {
    Schema::OneOf(OneOfBuilder::new().item(text()).item(texts()).build()).into()
}

/// Texts, or objects with one.
pub(crate) fn documents() -> RefOr<Schema> {
    let with_text = ObjectBuilder::new().schema_type(Type::Object).property("text", text()).required("text");
    let document = OneOfBuilder::new().item(text()).item(with_text);
    ArrayBuilder::new().items(document).min_items(Some(*TEXTS.start())).max_items(Some(*TEXTS.end())).build().into()
}

pub(crate) fn pairs_of_texts() -> RefOr<Schema> {
    let pair = ArrayBuilder::new().items(text()).min_items(Some(2)).max_items(Some(2));
    ArrayBuilder::new().items(pair).min_items(Some(1)).max_items(Some(TEXTS.end() / 2)).build().into()
}

/// What can only be left out or null.
pub(crate) fn null() -> RefOr<Schema> {
    plain(Type::Null).build().into()
}

/// A vector as numbers, or as base64 of little-endian float32.
pub(crate) fn vector() -> RefOr<Schema> {
    let numbers = ArrayBuilder::new().items(plain(Type::Number));
    Schema::OneOf(OneOfBuilder::new().item(numbers).item(plain(Type::String)).build()).into()
}

pub(crate) fn number_or_auto() -> RefOr<Schema> {
    or_auto(plain(Type::Number))
}

/// A setting's number, `"auto"` or null.
pub(crate) fn setting_or_auto(kind: Type, range: &Range) -> RefOr<Schema> {
    let number = plain(kind).maximum(Some(range.most));
    let number =
        if range.above { number.exclusive_minimum(Some(range.least)) } else { number.minimum(Some(range.least)) };
    or_auto(number)
}

fn or_auto(number: ObjectBuilder) -> RefOr<Schema> {
    let auto = plain(Type::String).enum_values(Some(["auto"]));
    Schema::OneOf(OneOfBuilder::new().item(number).item(auto).item(plain(Type::Null)).build()).into()
}

pub(crate) fn file() -> RefOr<Schema> {
    let bytes = plain(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
    Schema::Object(bytes.build()).into()
}
