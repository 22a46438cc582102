//! The one unsafe module: tensors and the memory below them.
//!
//! # Mapped files
//!
//! A vocabulary's table is most of a model (262 MB of 279 in USE multilingual v3), and a batch reads
//! a few hundred of its rows. A trainer or a command maps it. The server copies it: whoever writes into the file
//! under a mapping changes answers, and whoever truncates it ends the process and all its requests.
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
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use memmap2::{Advice, Mmap, MmapMut, UncheckedAdvice};
use tch::{Device, Kind, Tensor};

pub(crate) fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the bytes may not change while they are mapped. Model files are written once under
    // another name, renamed into place and never written again; the bytes of one that is removed
    // stay until the mapping ends. A foreign process that truncates a model file ends this one, as it would any
    // program that maps its files; the server, in which others would suffer from that, serves from `copy`.
    unsafe { Mmap::map(file) }
}

/// A whole file in memory of this process, from where it can only be read.
pub(crate) fn copy(file: &mut File, bytes: u64) -> std::io::Result<Mmap> {
    let bytes = usize::try_from(bytes).map_err(std::io::Error::other)?;
    let mut copy = MmapMut::map_anon(bytes)?;
    // Rows are read here and there: large pages are found faster. Where there are none, small ones do.
    let _ = copy.advise(Advice::HugePage);
    file.read_exact(&mut copy)?;
    copy.make_read_only()
}

/// A multiple of the pages of any machine.
const PAGE: usize = 1 << 16;

/// Gives the memory of a [`copy`] back, but for a range of it. What is outside of that reads as zeros afterwards.
pub(crate) fn keep_only(copy: &mut Mmap, kept: Range<usize>) {
    let before = kept.start / PAGE * PAGE;
    let behind = kept.end.next_multiple_of(PAGE);
    for (start, length) in [(0, before), (behind, copy.len().saturating_sub(behind))] {
        if length > 0 {
            // SAFETY: nobody reads these bytes now or holds on to them: the map is borrowed as the only one. They are
            // this process's own and stay mapped and readable, so that whoever reads them later reads zeros. The
            // range is in the map, begins with a page and ends with one or with the map, so that no byte of `kept`
            // is in it. A failure leaves the memory where it is.
            let _ = unsafe { copy.unchecked_advise_range(UncheckedAdvice::DontNeed, start, length) };
        }
    }
}

/// A float32 matrix `(rows, columns)` whose numbers lie in a mapped file or a copy of one. It can only be read.
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
    use std::io::{Seek, Write};

    use super::*;

    #[test]
    fn a_copy_is_not_changed_by_who_changes_the_file_and_keeps_what_is_wanted() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..5 * PAGE + 123).map(|place| (place % 251) as u8).collect();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        let mut copied = copy(&mut file, bytes.len() as u64).unwrap();
        file.set_len(0).unwrap();
        assert!(copied[..] == bytes[..]);
        let kept = PAGE + 17..3 * PAGE + 5;
        keep_only(&mut copied, kept.clone());
        assert!(copied[kept.clone()] == bytes[kept]);
        assert!(copied[..PAGE].iter().chain(&copied[4 * PAGE..5 * PAGE]).all(|&byte| byte == 0));
    }

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
