//! Vectors as bytes: a client that parses a thousand of them as JSON waits longer for that than for the model.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use half::f16;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a vector's numbers are written as, little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Precision {
    /// IEEE 754, four bytes.
    #[default]
    Float32,
    /// IEEE 754, two bytes; a cosine changes by less than .001.
    Float16,
    /// One byte: the number times 127, rounded. For vectors of length 1.
    Int8,
}

impl Precision {
    /// A vector's bytes.
    pub(crate) fn bytes(self, vector: &[f32]) -> Vec<u8> {
        match self {
            Self::Float32 => vector.iter().copied().flat_map(f32::to_le_bytes).collect(),
            Self::Float16 => vector.iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()).collect(),
            Self::Int8 => vector.iter().flat_map(|number| ((number * 127.0).round() as i8).to_le_bytes()).collect(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Int8 => "int8",
        }
    }

    /// As NumPy calls it.
    fn descr(self) -> &'static str {
        match self {
            Self::Float32 => "<f4",
            Self::Float16 => "<f2",
            Self::Int8 => "|i1",
        }
    }
}

/// A form of a reply that is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The numbers one after another, shape and type in headers.
    Raw,
    /// A file of NumPy's: `numpy.load` reads it.
    Npy,
}

impl Form {
    const RAW: &str = "application/octet-stream";
    const NPY: &str = "application/x-npy";

    /// What a request's `Accept` asks for; JSON where it names neither.
    pub(crate) fn asked(headers: &HeaderMap) -> Option<Self> {
        let accept = headers.get(header::ACCEPT)?.to_str().ok()?;
        let mut kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
        // Of several the first that is known; what comes before JSON is preferred to it.
        kinds.find_map(|kind| match kind {
            Self::RAW => Some(Some(Self::Raw)),
            Self::NPY => Some(Some(Self::Npy)),
            "application/json" | "*/*" | "application/*" => Some(None),
            _ => None,
        })?
    }

    /// Vectors of one length as a reply.
    pub(crate) fn reply(self, vectors: &[Vec<f32>], precision: Precision) -> Response {
        let (rows, columns) = (vectors.len(), vectors.first().map_or(0, Vec::len));
        let numbers = vectors.iter().flat_map(|vector| precision.bytes(vector));
        let body: Vec<u8> = match self {
            Self::Raw => numbers.collect(),
            Self::Npy => npy_header(precision, rows, columns).bytes().into_iter().chain(numbers).collect(),
        };
        let kind = if self == Self::Raw { Self::RAW } else { Self::NPY };
        let shape = HeaderValue::from_str(&format!("{rows},{columns}"));
        let told = [
            (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
            (HeaderName::from_static("x-dtype"), HeaderValue::from_static(precision.name())),
            (HeaderName::from_static("x-shape"), shape.unwrap_or_else(|_| HeaderValue::from_static(""))),
        ];
        (HeaderMap::from_iter(told), body).into_response()
    }
}

/// What stands before the numbers of NumPy's format, version 1.0.
struct NpyHeader(String);

fn npy_header(precision: Precision, rows: usize, columns: usize) -> NpyHeader {
    let descr = precision.descr();
    NpyHeader(format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"))
}

impl NpyHeader {
    fn bytes(self) -> Vec<u8> {
        const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
        // The numbers begin at a multiple of 64; the header ends with a line break.
        let before = MAGIC.len() + 2 + self.0.len() + 1;
        let length = before.next_multiple_of(64) - MAGIC.len() - 2;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend(self.0.bytes());
        bytes.resize(MAGIC.len() + 2 + length - 1, b' ');
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_little_endian_in_each_precision() {
        let vector = [1.0, -0.5];
        assert_eq!(Precision::Float32.bytes(&vector), [0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf]);
        assert_eq!(Precision::Float16.bytes(&vector), [0, 0x3c, 0, 0xb8]);
        assert_eq!(Precision::Int8.bytes(&vector), [127, (-64_i8).to_le_bytes()[0]]);
    }

    #[test]
    fn numpys_header_ends_where_numbers_may_begin() {
        let header = npy_header(Precision::Float16, 3, 512).bytes();
        assert_eq!((header.len() % 64, header.last()), (0, Some(&b'\n')));
        assert_eq!(usize::from(u16::from_le_bytes([header[8], header[9]])), header.len() - 10);
        assert!(String::from_utf8_lossy(&header).contains("'descr': '<f2', 'fortran_order': False, 'shape': (3, 512)"));
    }

    #[test]
    fn a_client_is_answered_in_the_first_form_that_it_names() {
        let asked = |accept: &'static str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            Form::asked(&headers)
        };
        assert_eq!(asked("application/octet-stream"), Some(Form::Raw));
        assert_eq!(asked("text/html, application/x-npy;q=0.9, */*"), Some(Form::Npy));
        assert_eq!([asked("*/*"), asked("application/json, application/octet-stream"), asked("text/html")], [None; 3]);
    }
}
