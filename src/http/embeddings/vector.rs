//! How vectors are written: numbers in JSON, base64 in JSON, or bytes. A client that reads numbers out of text spends
//! longer on it than the model on the text.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use half::f16;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::http::error::{ApiError, Code, Result};
use crate::http::reply::schema;

/// How vectors stand in JSON.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncodingFormat {
    /// A list of numbers.
    #[default]
    Float,
    /// The numbers of `output_dtype`, little-endian, one after another, in base64.
    Base64,
}

/// What a vector's numbers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dtype {
    /// As the model makes them.
    #[default]
    #[serde(alias = "float", alias = "f32")]
    Float32,
    /// Half as many bytes; three digits are right.
    #[serde(alias = "f16")]
    Float16,
    /// A quarter: the numbers times 127, rounded. For vectors of length 1 alone.
    Int8,
}

/// By what the numbers of `int8` are greater.
const SCALE: f32 = 127.0;

impl Dtype {
    /// Whether vectors that are not of length 1 can be written so.
    pub(crate) fn check(self, raw: bool) -> Result<()> {
        if self == Self::Int8 && raw {
            let detail = "int8 has numbers from -1 to 1, and vectors that are not normalized have others.";
            return Err(ApiError::about(Code::FormUnclear, "output_dtype", detail)
                .hint("Leave normalize out, or ask for float16."));
        }
        Ok(())
    }

    /// Little-endian.
    fn bytes(self, vector: &[f32]) -> Vec<u8> {
        match self {
            Self::Float32 => vector.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Self::Float16 => vector.iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()).collect(),
            Self::Int8 => vector.iter().flat_map(|number| scaled(*number).to_le_bytes()).collect(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Int8 => "int8",
        }
    }

    /// As numpy writes it.
    fn of_numpy(self) -> &'static str {
        match self {
            Self::Float32 => "<f4",
            Self::Float16 => "<f2",
            Self::Int8 => "|i1",
        }
    }
}

fn scaled(number: f32) -> i8 {
    // What is beyond the range is its end.
    (number * SCALE).round() as i8
}

/// A vector in JSON.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Vector {
    Float(Vec<f32>),
    Int8(Vec<i8>),
    Base64(String),
}

impl Vector {
    pub(crate) fn of(vector: Vec<f32>, format: EncodingFormat, dtype: Dtype) -> Self {
        match (format, dtype) {
            (EncodingFormat::Base64, dtype) => Self::Base64(BASE64.encode(dtype.bytes(&vector))),
            (EncodingFormat::Float, Dtype::Float32) => Self::Float(vector),
            (EncodingFormat::Float, Dtype::Float16) => {
                Self::Float(vector.into_iter().map(|number| f16::from_f32(number).to_f32()).collect())
            }
            (EncodingFormat::Float, Dtype::Int8) => Self::Int8(vector.into_iter().map(scaled).collect()),
        }
    }
}

impl PartialSchema for Vector {
    fn schema() -> RefOr<Schema> {
        schema::vector()
    }
}

impl ToSchema for Vector {
    fn name() -> Cow<'static, str> {
        "Vector".into()
    }
}

/// Vectors as a reply's whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matrix {
    /// Row after row.
    Bytes,
    /// A file of numpy.
    Npy,
}

impl Matrix {
    /// What a client accepts, where the first that is known is no JSON.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let kinds = accepted.flat_map(|value| value.split(','));
        kinds
            .filter_map(|kind| match kind.split(';').next()?.trim().to_ascii_lowercase().as_str() {
                "application/octet-stream" => Some(Some(Self::Bytes)),
                "application/x-npy" | "application/npy" => Some(Some(Self::Npy)),
                "application/json" | "application/*" | "*/*" => Some(None),
                _ => None,
            })
            .next()
            .flatten()
    }

    /// The reply of vectors that all are there.
    pub(crate) fn reply(self, vectors: &[Vec<f32>], dtype: Dtype) -> Response {
        let (rows, columns) = (vectors.len(), vectors.first().map_or(0, Vec::len));
        let numbers = vectors.iter().flat_map(|vector| dtype.bytes(vector));
        let (kind, bytes): (_, Vec<u8>) = match self {
            Self::Bytes => ("application/octet-stream", numbers.collect()),
            Self::Npy => ("application/x-npy", npy_head(dtype, rows, columns).into_iter().chain(numbers).collect()),
        };
        let mut response = Body::from(bytes).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(HeaderName::from_static("x-vectors-dtype"), HeaderValue::from_static(dtype.name()));
        if let Ok(shape) = HeaderValue::from_str(&format!("{rows},{columns}")) {
            headers.insert(HeaderName::from_static("x-vectors-shape"), shape);
        }
        if dtype == Dtype::Int8 {
            headers.insert(HeaderName::from_static("x-vectors-scale"), HeaderValue::from_static("127"));
        }
        response
    }
}

/// What stands before the numbers in a file of numpy's format 1.0; a multiple of 64 bytes.
fn npy_head(dtype: Dtype, rows: usize, columns: usize) -> Vec<u8> {
    const BEFORE: usize = 10;
    let mut told =
        format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}", dtype.of_numpy());
    while !(BEFORE + told.len() + 1).is_multiple_of(64) {
        told.push(' ');
    }
    told.push('\n');
    let length = told.len() as u16;
    [b"\x93NUMPY\x01\x00".as_slice(), &length.to_le_bytes(), told.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_written_in_each_kind_of_numbers() {
        let vector = [1.0_f32, -0.5, 0.25];
        assert_eq!(Dtype::Float32.bytes(&vector), [0, 0, 128, 63, 0, 0, 0, 191, 0, 0, 128, 62]);
        assert_eq!(Dtype::Float16.bytes(&vector), [0, 60, 0, 184, 0, 52]);
        assert_eq!(Dtype::Int8.bytes(&vector), [127, (-64_i8) as u8, 32]);
    }

    #[test]
    fn a_head_of_numpy_ends_where_its_format_says() {
        let head = npy_head(Dtype::Float16, 2, 384);
        assert_eq!((head.len() % 64, head.last()), (0, Some(&b'\n')));
        assert_eq!(usize::from(u16::from_le_bytes([head[8], head[9]])), head.len() - 10);
        assert!(
            String::from_utf8_lossy(&head).contains("{'descr': '<f2', 'fortran_order': False, 'shape': (2, 384), }")
        );
    }

    #[test]
    fn the_first_kind_that_is_known_is_written() {
        let of = |accept: &'static str| {
            Matrix::accepted(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]))
        };
        assert_eq!(of("application/octet-stream"), Some(Matrix::Bytes));
        assert_eq!(of("text/html, application/x-npy;q=0.9, */*"), Some(Matrix::Npy));
        assert_eq!(of("application/json, application/octet-stream"), None);
        assert_eq!((of("*/*"), of("")), (None, None));
    }
}
