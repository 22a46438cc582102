//! Schemas that no type gives by itself.

use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};

fn plain(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

pub(crate) fn text_or_texts() -> RefOr<Schema> {
    let texts = ArrayBuilder::new().items(plain(Type::String)).min_items(Some(1));
    Schema::OneOf(OneOfBuilder::new().item(plain(Type::String)).item(texts).build()).into()
}

/// The same, or a text that is compared with others.
pub(crate) fn texts_or_comparison() -> RefOr<Schema> {
    let comparison = plain(Type::Object)
        .property("source_sentence", plain(Type::String))
        .property("sentences", ArrayBuilder::new().items(plain(Type::String)).min_items(Some(1)))
        .required("source_sentence")
        .required("sentences");
    Schema::OneOf(OneOfBuilder::new().item(text_or_texts()).item(comparison).build()).into()
}

/// A vector as numbers, or as base64 of little-endian float32.
pub(crate) fn vector() -> RefOr<Schema> {
    let numbers = ArrayBuilder::new().items(plain(Type::Number));
    Schema::OneOf(OneOfBuilder::new().item(numbers).item(plain(Type::String)).build()).into()
}

pub(crate) fn number_or_auto() -> RefOr<Schema> {
    let auto = plain(Type::String).enum_values(Some(["auto"]));
    Schema::OneOf(OneOfBuilder::new().item(plain(Type::Number)).item(auto).build()).into()
}

pub(crate) fn file() -> RefOr<Schema> {
    let bytes = plain(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
    Schema::Object(bytes.build()).into()
}
