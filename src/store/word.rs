//! Enums of other rooms in columns of text: as serde writes them.

use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Type};
use tables::TableKind;
use tables::choices::{FileFormat, LowestMeans};

/// A column's word. One that this program does not know is an error, and never a default in silence.
pub struct Word<T>(T);

impl<DB: Database, T> Type<DB> for Word<T>
where
    String: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        String::type_info()
    }

    fn compatible(ty: &DB::TypeInfo) -> bool {
        String::compatible(ty)
    }
}

impl<'r, DB: Database, T: DeserializeOwned> Decode<'r, DB> for Word<T>
where
    String: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        let word = Option::<String>::decode(value)?;
        Ok(Self(serde_json::from_value(word.map_or(Value::Null, Value::from))?))
    }
}

macro_rules! words {
    ($($kind:ty),*) => {$(
        impl From<Word<$kind>> for $kind {
            fn from(word: Word<$kind>) -> Self {
                word.0
            }
        }
    )*};
}
words!(FileFormat, TableKind, Option<LowestMeans>);
