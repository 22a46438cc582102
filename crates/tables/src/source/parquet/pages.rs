//! A Parquet file's pages: counted before they are unpacked, and looked at before they are believed. The library makes
//! room for as much as a page says of itself, and a few bytes can say anything.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::bytes::Bytes;
use ::parquet::basic::Encoding;
use ::parquet::bloom_filter::Sbbf;
use ::parquet::column::page::{Page, PageMetadata, PageReader};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use ::parquet::file::reader::{ChunkReader, FileReader, Length, RowGroupReader};
use ::parquet::record::reader::RowIter;
use ::parquet::schema::types::{ColumnDescPtr, Type};

use super::super::Tally;
use super::delta::{Delta, unsigned};
use crate::problems::Problems;

/// Bytes of pages that may be in memory: of each column its dictionary and the page that is read.
const MOST_HELD: u64 = 512 << 20;

/// What a value of a dictionary takes in memory besides its bytes.
const VALUE: u64 = 32;

/// What is known of all pages of a file.
pub(super) struct Watch {
    tally: Mutex<Tally>,
    held: AtomicU64,
    /// The metadata was read; what is read from now on are pages.
    opened: AtomicBool,
    /// Why no more of the file is read.
    refused: Mutex<Option<Problems>>,
}

impl Watch {
    pub(super) fn new(tally: Tally) -> Arc<Self> {
        let (held, opened) = (AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { tally: Mutex::new(tally), held, opened, refused: Mutex::default() })
    }

    pub(super) fn opened(&self) {
        self.opened.store(true, Ordering::Relaxed);
    }

    /// Why it ended, where that was here.
    pub(super) fn refused(&self) -> Option<Problems> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse(&self, problems: Problems) -> ParquetError {
        let told = ParquetError::General(problems.what.clone());
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(problems);
        told
    }

    fn count(&self, bytes: u64) -> Result<()> {
        let counted = self.tally.lock().unwrap_or_else(PoisonError::into_inner).count(bytes);
        counted.map_err(|problems| self.refuse(problems))
    }

    /// A page takes another one's place in memory.
    fn hold(&self, before: u64, now: u64) -> Result<()> {
        let held = self.held.fetch_add(now, Ordering::Relaxed) + now - before;
        self.held.fetch_sub(before, Ordering::Relaxed);
        if held <= MOST_HELD {
            return Ok(());
        }
        Err(self.refuse(Problems::table(
            "unpacks_too_large",
            format!("Pages of the Parquet file that are read together have more than {} MiB.", MOST_HELD >> 20),
            "Write it with smaller pages (1 MiB is usual), or send the table as CSV UTF-8.",
        )))
    }
}

/// The file's bytes, on their way to the library.
pub(super) struct Chunks<R> {
    pub(super) bytes: R,
    pub(super) watch: Arc<Watch>,
}

impl<R: ChunkReader> Length for Chunks<R> {
    fn len(&self) -> u64 {
        self.bytes.len()
    }
}

impl<R: ChunkReader> ChunkReader for Chunks<R> {
    type T = Header<R::T>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let watch = self.watch.opened.load(Ordering::Relaxed).then(|| Arc::clone(&self.watch));
        Ok(Header { rest: self.bytes.get_read(start)?, begun: io::Cursor::default(), watch })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.saturating_add(length as u64) > self.bytes.len() {
            return Err(ParquetError::EOF("a part of the file is missing".to_owned()));
        }
        self.bytes.get_bytes(start, length)
    }
}

/// A page's header: how large it says that the page is counts before there is room made for it.
pub(super) struct Header<R> {
    rest: R,
    begun: io::Cursor<Vec<u8>>,
    /// Until the header was looked at.
    watch: Option<Arc<Watch>>,
}

/// The longest beginning of a header that is looked at: three fields of at most six bytes each.
const BEGINNING: u64 = 18;

impl<R: Read> Read for Header<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(watch) = self.watch.take() {
            self.rest.by_ref().take(BEGINNING).read_to_end(self.begun.get_mut())?;
            let size = unpacked_size(self.begun.get_ref());
            let size = size.ok_or_else(|| io::Error::other("a page does not say how large it is"))?;
            watch.count(size).map_err(io::Error::other)?;
        }
        match self.begun.read(out)? {
            0 => self.rest.read(out),
            some => Ok(some),
        }
    }
}

/// The second field of a page's header in Thrift's compact form, which comes after the page's type: three numbers in
/// zigzag come first, each behind a byte that says "the next field, an i32".
fn unpacked_size(header: &[u8]) -> Option<u64> {
    let mut bytes = header.iter().copied();
    let mut field = || (bytes.next()? == 0x15).then(|| unsigned(&mut bytes))?;
    field()?;
    let zigzag = field()?;
    // A negative size is refused by the library.
    Some(if zigzag & 1 == 0 { zigzag >> 1 } else { 0 })
}

/// The file as the library's rows want it.
pub(super) struct File {
    pub(super) file: Box<dyn FileReader>,
    pub(super) watch: Arc<Watch>,
}

impl FileReader for File {
    fn metadata(&self) -> &ParquetMetaData {
        self.file.metadata()
    }

    fn num_row_groups(&self) -> usize {
        self.file.num_row_groups()
    }

    fn get_row_group(&self, place: usize) -> Result<Box<dyn RowGroupReader + '_>> {
        Ok(Box::new(Group { group: self.file.get_row_group(place)?, watch: &self.watch }))
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_file(projection, self)
    }
}

struct Group<'a> {
    group: Box<dyn RowGroupReader + 'a>,
    watch: &'a Arc<Watch>,
}

impl RowGroupReader for Group<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.group.metadata()
    }

    fn num_columns(&self) -> usize {
        self.group.num_columns()
    }

    fn get_column_page_reader(&self, place: usize) -> Result<Box<dyn PageReader>> {
        let column = self.metadata().schema_descr().column(place);
        let (pages, watch) = (self.group.get_column_page_reader(place)?, Arc::clone(self.watch));
        Ok(Box::new(Pages { pages, watch, column, held: [0, 0] }))
    }

    fn get_column_bloom_filter(&self, place: usize) -> Option<&Sbbf> {
        self.group.get_column_bloom_filter(place)
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

/// A column's pages.
struct Pages {
    pages: Box<dyn PageReader>,
    watch: Arc<Watch>,
    column: ColumnDescPtr,
    /// What its dictionary and its page take.
    held: [u64; 2],
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.watch.held.fetch_sub(self.held.iter().sum(), Ordering::Relaxed);
    }
}

impl Pages {
    /// Refuses a page that says of itself what it does not hold.
    fn look_at(&mut self, page: &Page) -> Result<()> {
        let mut takes = page.buffer().len() as u64;
        let values = u64::from(page.num_values());
        match page {
            // A value takes a byte at least; a dictionary of booleans nobody writes.
            Page::DictionaryPage { .. } if values > takes => return Err(contradicts()),
            Page::DictionaryPage { .. } => takes += values * VALUE,
            Page::DataPage { .. } | Page::DataPageV2 { .. } => takes += self.of_deltas(page).ok_or_else(contradicts)?,
        }
        let place = usize::from(page.is_data_page());
        let before = std::mem::replace(&mut self.held[place], takes);
        self.watch.hold(before, takes)
    }

    /// Bytes that the texts of a page take besides the page, where each says how much of the one before it begins with;
    /// `None` for a page that contradicts itself.
    fn of_deltas(&self, page: &Page) -> Option<u64> {
        if !matches!(page.encoding(), Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY) {
            return Some(0);
        }
        let most = u64::from(page.num_values());
        let values = values(page, &self.column)?;
        // Where all are null there are none.
        if values.is_empty() {
            return Some(0);
        }
        let mut lengths = Delta::new(values, most)?;
        if page.encoding() == Encoding::DELTA_LENGTH_BYTE_ARRAY {
            return Some(0);
        }
        let prefixes = lengths.by_ref().try_fold(0_u64, |sum, length| sum.checked_add(u64::try_from(length).ok()?))?;
        Delta::new(lengths.rest()?, most)?;
        self.watch.count(prefixes).ok()?;
        Some(prefixes)
    }
}

/// The part of a data page that holds values, behind the levels.
fn values<'a>(page: &'a Page, column: &ColumnDescPtr) -> Option<&'a [u8]> {
    match page {
        Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
            buf.get((*def_levels_byte_len as usize).checked_add(*rep_levels_byte_len as usize)?..)
        }
        Page::DataPage { buf, def_level_encoding: Encoding::RLE, .. } if column.max_def_level() > 0 => {
            let (length, rest) = buf.split_first_chunk::<4>()?;
            rest.get(u32::from_le_bytes(*length) as usize..)
        }
        // Packed levels, which nobody has written for years.
        Page::DataPage { .. } if column.max_def_level() > 0 => None,
        _ => Some(&page.buffer()[..]),
    }
}

fn contradicts() -> ParquetError {
    ParquetError::General("a page contradicts itself".to_owned())
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            self.look_at(page)?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pages_header_says_how_large_it_is() {
        // A data page (0) of 300 bytes, packed to 20.
        assert_eq!(unpacked_size(&[0x15, 0x00, 0x15, 0xd8, 0x04, 0x15, 0x28]), Some(300));
        // -1, and a header that begins with another field.
        assert_eq!(unpacked_size(&[0x15, 0x00, 0x15, 0x01, 0x15, 0x28]), Some(0));
        assert_eq!(unpacked_size(&[0x25, 0x00, 0x15, 0xd8, 0x04]), None);
        assert_eq!(unpacked_size(&[0x15, 0x00, 0x15, 0xff]), None);
    }
}
