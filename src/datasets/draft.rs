//! A table on its way onto the disk.

use std::io::Write;
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

use crate::ml::sha256::Sha256Hex;
use crate::store;
use tables::source::Input;

/// Of a table's first bytes, so many are kept: they tell how it is written.
const HEAD: usize = 256;
/// Bytes that are gathered before they go to the disk.
const AT_ONCE: usize = 1 << 20;

/// A file that is being written while its SHA-256 is taken. What is not finished is removed.
#[derive(Debug)]
pub struct Draft {
    file: BufWriter<File>,
    hash: Sha256Hex,
    received: Received,
}

/// A table on disk that belongs to no dataset yet. Its file goes when this goes, unless a dataset took it.
#[derive(Debug)]
pub struct Received {
    pub(super) path: PathBuf,
    /// Of its bytes, in hex.
    pub sha256: String,
    pub bytes: u64,
    /// The first of them.
    pub head: Vec<u8>,
}

/// The same on a thread that may block.
#[derive(Debug)]
pub(crate) struct BlockingDraft {
    file: std::io::BufWriter<std::fs::File>,
    hash: Sha256Hex,
    received: Received,
}

impl Draft {
    pub(super) async fn create(folder: &Path) -> std::io::Result<Self> {
        let received = Received::nothing(folder);
        let file = File::create_new(&received.path).await?;
        Ok(Self { file: BufWriter::with_capacity(AT_ONCE, file), hash: Sha256Hex::default(), received })
    }

    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.received.count(bytes);
        self.hash.update(bytes);
        self.file.write_all(bytes).await
    }

    pub fn bytes(&self) -> u64 {
        self.received.bytes
    }

    /// What was written, to be read again and then removed: it need not outlive a crash, and its SHA-256 is not wanted.
    pub async fn set_aside(mut self) -> std::io::Result<Received> {
        self.file.flush().await?;
        Ok(self.received)
    }

    /// Sees all bytes onto the disk.
    pub async fn finish(mut self) -> std::io::Result<Received> {
        self.file.flush().await?;
        self.file.get_ref().sync_all().await?;
        self.received.sha256 = self.hash.finish();
        Ok(self.received)
    }
}

impl BlockingDraft {
    pub(super) fn create(folder: &Path) -> std::io::Result<Self> {
        let received = Received::nothing(folder);
        let file = std::fs::File::create_new(&received.path)?;
        Ok(Self { file: std::io::BufWriter::with_capacity(AT_ONCE, file), hash: Sha256Hex::default(), received })
    }

    /// Sees all bytes onto the disk.
    pub(crate) fn finish(mut self) -> std::io::Result<Received> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        self.received.sha256 = self.hash.finish();
        Ok(self.received)
    }
}

impl Write for BlockingDraft {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.received.count(bytes);
        self.hash.update(bytes);
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Received {
    fn nothing(folder: &Path) -> Self {
        let path = folder.join(format!("{}.draft", store::new_id("ds")));
        Self { path, sha256: String::new(), bytes: 0, head: Vec::new() }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.head.extend_from_slice(&bytes[..bytes.len().min(HEAD - self.head.len())]);
        self.bytes += bytes.len() as u64;
    }

    pub(crate) fn open(&self) -> std::io::Result<std::fs::File> {
        std::fs::File::open(&self.path)
    }

    pub fn input(&self) -> Input {
        Input::file(self.path.clone())
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        // A file that a dataset took has another name. What stays behind is removed at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Pairs on disk that belong to no dataset yet. Their file goes when this goes, unless a dataset took it.
#[derive(Debug)]
pub struct PairsDraft(pub(super) PathBuf);

impl Drop for PairsDraft {
    fn drop(&mut self) {
        // As above.
        let _ = std::fs::remove_file(&self.0);
    }
}
