//! The one unsafe module: a tensor over a file that is mapped into memory.
//!
//! A vocabulary's table is most of a model (262 MB of 279 in USE multilingual v3), and a batch reads
//! a few hundred of its rows. Mapped, it costs nothing to load, and the server and the trainer share
//! one copy of it in the page cache.
#![expect(unsafe_code, reason = "mmap and a tensor over borrowed memory have no safe form; argued below")]

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;
use tch::{Device, Kind, Tensor};

/// Maps a file for reading.
///
/// # Errors
/// What the system says.
pub(crate) fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the bytes may not change while they are mapped. Model files are written once under
    // another name, renamed into place and never written again; the bytes of one that is removed
    // stay until the mapping ends. A foreign process that truncates a model file ends this one, as it would any
    // program that maps its files.
    unsafe { Mmap::map(file) }
}

/// A float32 matrix `(rows, columns)` whose numbers lie in a mapped file. It can only be read.
#[derive(Debug)]
pub(crate) struct MappedMatrix {
    /// Must be dropped before the map it points into.
    matrix: Tensor,
    map: Arc<Mmap>,
}

impl MappedMatrix {
    /// A view of `range` of the map, or `None` where the range is no such matrix.
    pub(crate) fn new(map: Arc<Mmap>, range: Range<usize>, rows: i64, columns: i64) -> Option<Self> {
        let bytes = map.get(range)?;
        let aligned = bytes.as_ptr().align_offset(align_of::<f32>()) == 0;
        let expected = rows.checked_mul(columns)?.checked_mul(4)?;
        if !aligned || i64::try_from(bytes.len()).ok()? != expected {
            return None;
        }
        // SAFETY: the pointer is aligned and good for rows x columns floats, as was just checked; it
        // outlives the tensor, since `map` stands beside it here and in every shallow clone; and
        // nothing writes through it: the tensor leaves this type only as freshly gathered rows.
        let matrix =
            unsafe { Tensor::from_blob(bytes.as_ptr(), &[rows, columns], &[columns, 1], Kind::Float, Device::Cpu) };
        Some(Self { matrix, map })
    }

    /// The rows of the given numbers: `(N,)` int64 to `(N, columns)`, a copy.
    pub(crate) fn rows(&self, numbers: &Tensor) -> Tensor {
        self.matrix.index_select(0, numbers)
    }

    /// Rows and columns.
    pub(crate) fn size(&self) -> (i64, i64) {
        (self.matrix.size()[0], self.matrix.size()[1])
    }

    pub(crate) fn shallow_clone(&self) -> Self {
        Self { matrix: self.matrix.shallow_clone(), map: Arc::clone(&self.map) }
    }
}
