//! The one unsafe module: tensors and the memory below them.
//!
//! # Mapped files
//!
//! A vocabulary's table is most of a model (262 MB of 279 in USE multilingual v3), and a batch reads
//! a few hundred of its rows. Mapped, it costs nothing to load, and the server and the trainer share
//! one copy of it in the page cache.
//!
//! What training changed of a model is mapped too: of many tuned models only those in use are in memory.
//!
//! # Numbers in place
//!
//! A step of Adam reads and writes each weight once if it is one loop; in tensor operations it is ten
//! passes over memory. [`numbers_mut`] gives such a loop the tensors' numbers.
#![expect(
    unsafe_code,
    reason = "mmap, a tensor over borrowed memory and a tensor's numbers have no safe form; argued below"
)]

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;
use tch::{Device, Kind, Tensor};

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

    pub(crate) fn size(&self) -> (i64, i64) {
        (self.matrix.size()[0], self.matrix.size()[1])
    }

    pub(crate) fn shallow_clone(&self) -> Self {
        Self { matrix: self.matrix.shallow_clone(), map: Arc::clone(&self.map) }
    }
}

/// A file as one row of float32 numbers, read when they are used. Its tensors may be kept longer than it is.
#[derive(Debug)]
pub(crate) struct MappedFloats {
    /// Of libtorch's own mapping, private to this process.
    all: Tensor,
}

impl MappedFloats {
    /// Maps a whole file, whose length is a multiple of four bytes.
    pub(crate) fn open(path: &str, bytes: usize) -> Result<Self, tch::TchError> {
        let count = (bytes / size_of::<f32>()) as i64;
        Ok(Self { all: Tensor::f_from_file(path, false, count, (Kind::Float, Device::Cpu))? })
    }

    /// The numbers in a range of bytes, as a tensor of some shape; `None` where they are no such tensor.
    pub(crate) fn tensor(&self, range: Range<usize>, shape: &[i64]) -> Option<Tensor> {
        let count: i64 = shape.iter().product();
        let fits =
            range.start.is_multiple_of(4) && range.len() as i64 == count * 4 && range.end <= self.all.numel() * 4;
        fits.then(|| self.all.narrow(0, range.start as i64 / 4, count).view(shape))
    }

    /// Takes the file's pages out of this process's memory. They come back, most often out of the system's cache of the
    /// file, as they are used.
    pub(crate) fn release(&self) {
        let bytes = self.all.numel() * size_of::<f32>();
        // SAFETY: the range is the mapping that `open` had libtorch make, which `all` keeps. Its pages are the file's own
        // where nobody has written to them, and reading them again gives the same numbers; where somebody had, his
        // numbers would be lost, which no serving process does. Either way the memory stays mapped and readable.
        // A failure leaves the pages where they are.
        let _ = unsafe { rustix::mm::madvise(self.all.data_ptr(), bytes, rustix::mm::Advice::LinuxDontNeed) };
    }

    pub(crate) fn shallow_clone(&self) -> Self {
        Self { all: self.all.shallow_clone() }
    }
}

/// The numbers of tensors, to be read and written in place. `None` unless each is float32, on the CPU and
/// in one piece, and no two of them overlap.
pub(crate) fn numbers_mut<const N: usize>(tensors: [&mut Tensor; N]) -> Option<[&mut [f32]; N]> {
    let plain = |tensor: &Tensor| {
        tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous() && !tensor.is_sparse()
    };
    let spans = tensors.each_ref().map(|tensor| {
        let start = tensor.data_ptr() as usize;
        start..start + tensor.numel() * size_of::<f32>()
    });
    let apart = |a: &Range<usize>, b: &Range<usize>| a.end <= b.start || b.end <= a.start;
    let disjoint = (0..N).all(|i| (0..i).all(|j| apart(&spans[i], &spans[j])));
    if !disjoint || !tensors.iter().all(|tensor| plain(tensor)) {
        return None;
    }
    Some(tensors.map(|tensor| {
        if tensor.numel() == 0 {
            return &mut [][..];
        }
        // SAFETY: a contiguous float32 tensor on the CPU has `numel` floats from `data_ptr` on, aligned and
        // initialised by libtorch. They live as long as the tensor, which stays borrowed as long as the slice. The slices
        // do not overlap, as was just checked. A shallow clone of the tensor may point to the same memory;
        // this is called by the optimizer, which has taken the weights over: until it returns, its process runs no
        // operation on them, and tensors in other threads are none of its own; and by the pass for inference, of tensors
        // that it has just made and given to nobody.
        unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f32>(), tensor.numel()) }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_only_of_plain_tensors_that_do_not_overlap() {
        let mut a = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]);
        let mut b = Tensor::from_slice(&[5.0_f32]);
        let [first, second] = numbers_mut([&mut a, &mut b]).unwrap();
        first[1] += second[0];
        assert_eq!(a.double_value(&[1]), 7.0);
        assert!(numbers_mut([&mut a.shallow_clone(), &mut a]).is_none(), "the same memory twice");
        assert!(numbers_mut([&mut a.reshape([2, 2]).tr()]).is_none(), "not in one piece");
        assert!(numbers_mut([&mut a.to_kind(Kind::Double)]).is_none(), "not float32");
    }
}
