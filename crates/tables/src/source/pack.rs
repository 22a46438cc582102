//! Where a table's bytes come from, unpacked, and never more of them than was promised.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use super::{Compression, Input, Place};
use crate::problems::Problems;
use crate::stop::Stop;

/// Bytes that a file may have when it is unpacked.
pub(super) const MOST_UNPACKED: u64 = 2 << 30;

/// How many times its packed size a file may unpack to. Text packs by 3 to 20; a bomb by 1,000.
pub(super) const MOST_RATIO: u64 = 200;

/// Unpacked bytes that are allowed whatever the ratio.
const RATIO_SLACK: u64 = 1 << 20;

/// log2 of the memory that a zstd frame may ask for: 64 MiB.
const ZSTD_WINDOW: u32 = 26;

/// Bytes that are asked for at once.
pub(super) const BUFFER: usize = 1 << 16;

pub(super) type Stream = Box<dyn Read + Send>;

/// Where a table's bytes are, to be read from the beginning as often as it takes.
#[derive(Clone)]
pub(super) enum Origin {
    /// On disk or in memory.
    Input(Input),
    /// Made as they are read: for tests of what is too large to be kept.
    #[cfg(test)]
    Made(Arc<dyn Fn() -> Stream + Send + Sync>),
}

impl Origin {
    fn open(&self) -> io::Result<Stream> {
        match self {
            Self::Input(Input { place: Place::File(path), .. }) => Ok(Box::new(File::open(path)?)),
            Self::Input(Input { place: Place::Bytes(bytes), .. }) => Ok(Box::new(Cursor::new(Arc::clone(bytes)))),
            #[cfg(test)]
            Self::Made(make) => Ok(make()),
        }
    }

    pub(super) fn stop(&self) -> &Stop {
        match self {
            Self::Input(input) => input.stop(),
            #[cfg(test)]
            Self::Made(_) => {
                static NEVER: Stop = Stop::NEVER;
                &NEVER
            }
        }
    }

    /// Bytes of the file as it is, packed or not.
    pub(super) fn size(&self) -> io::Result<u64> {
        match self {
            Self::Input(Input { place: Place::File(path), .. }) => Ok(std::fs::metadata(path)?.len()),
            Self::Input(Input { place: Place::Bytes(bytes), .. }) => Ok(bytes.len() as u64),
            // As large as it takes.
            #[cfg(test)]
            Self::Made(_) => Ok(MOST_UNPACKED),
        }
    }

    /// The bytes as they are, and what they are packed in.
    pub(super) fn packed(&self) -> Result<Option<Compression>, Problems> {
        let magic = head(&mut *self.open().map_err(told)?, 4)?;
        Ok(match magic.as_slice() {
            [0x1f, 0x8b, 8, ..] => Some(Compression::Gzip),
            // Or a skippable frame before the first real one.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Compression::Zstd),
            _ => None,
        })
    }

    /// The unpacked bytes from the beginning. Where they pass a limit or the packing is damaged, the stream's
    /// error holds the [`Problems`].
    pub(super) fn unpacked(&self, compression: Option<Compression>) -> Result<Stream, Problems> {
        let packed = self.open().map_err(told)?;
        let taken = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner: packed, taken: Arc::clone(&taken), stop: self.stop().clone() };
        let counted = BufReader::with_capacity(BUFFER, counted);
        let inner: Stream = match compression {
            None => return Ok(Box::new(counted)),
            Some(Compression::Gzip) => Box::new(MultiGzDecoder::new(counted)),
            Some(Compression::Zstd) => {
                let mut decoder = zstd::Decoder::with_buffer(counted).map_err(told)?;
                decoder.window_log_max(ZSTD_WINDOW).map_err(told)?;
                Box::new(decoder)
            }
        };
        Ok(Box::new(Unpacking { inner, taken, given: 0 }))
    }
}

/// Counts what is taken from a file, for as long as anybody wants it.
struct Counted<R> {
    inner: R,
    taken: Arc<AtomicU64>,
    stop: Stop,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.stop.check().map_err(io::Error::other)?;
        let count = self.inner.read(out)?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Stops where a file unpacks to more than is allowed.
struct Unpacking {
    inner: Stream,
    taken: Arc<AtomicU64>,
    given: u64,
}

impl Read for Unpacking {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out).map_err(damaged)?;
        self.given += count as u64;
        let taken = self.taken.load(Ordering::Relaxed);
        if self.given > MOST_UNPACKED || self.given > taken.saturating_mul(MOST_RATIO) + RATIO_SLACK {
            return Err(io::Error::other(too_large()));
        }
        Ok(count)
    }
}

/// A file that stands for more than is allowed.
pub(super) fn too_large() -> Problems {
    Problems::table(
        "unpacks_too_large",
        format!(
            "The file unpacks to more than {MOST_RATIO} times its size, or to more than {} GiB.",
            MOST_UNPACKED >> 30
        ),
        "Unpack it yourself, look at what is in it, and send the table, or a part of it.",
    )
}

/// What went wrong in unpacking: the [`Problems`] of who reads the packed bytes, or a damage.
fn damaged(error: io::Error) -> io::Error {
    if error.get_ref().is_some_and(|inner| inner.is::<Problems>()) {
        return error;
    }
    let what = if error.kind() == io::ErrorKind::UnexpectedEof {
        "The packed file ends in the middle: a part of it is missing.".to_owned()
    } else {
        format!("The packed file is damaged: {error}.")
    };
    let hint = "Pack it again, or copy or download it again, and send the whole file.";
    io::Error::other(Problems::table("pack_damaged", what, hint))
}

/// The first bytes of a stream, fewer where it ends before.
pub(super) fn head(stream: &mut dyn Read, most: usize) -> Result<Vec<u8>, Problems> {
    let mut head = Vec::new();
    stream.take(most as u64).read_to_end(&mut head).map_err(told)?;
    Ok(head)
}

/// What a stream's error tells: the [`Problems`] it carries, or what the system says.
pub(super) fn told(error: io::Error) -> Problems {
    let said = error.to_string();
    match error.into_inner().and_then(|inner| inner.downcast::<Problems>().ok()) {
        Some(problems) => *problems,
        None => Problems::table(
            "unreadable",
            format!("The file cannot be read: {said}."),
            "Check that it is whole, and send it again.",
        ),
    }
}
