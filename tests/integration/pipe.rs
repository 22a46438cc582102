//! A file of a server's that gives what the test writes, when it writes it.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_setfl, mknodat, open};

use crate::app::App;
use crate::wire::STUCK;

pub(crate) struct Pipe(PathBuf);

impl Pipe {
    /// In the place of a dataset's pairs: whoever asks for its rows waits for them.
    pub(crate) fn in_place_of_pairs(app: &App, dataset: &str) -> Self {
        let path = app.data.path().join("datasets").join(format!("{dataset}.pairs"));
        std::fs::remove_file(&path).unwrap();
        mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        Self(path)
    }

    /// Its other end, once the server reads it.
    pub(crate) async fn once_read(self) -> File {
        let opened = async {
            loop {
                // Refused while nobody reads.
                if let Ok(end) = open(&self.0, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()) {
                    fcntl_setfl(&end, OFlags::empty()).unwrap();
                    return File::from(end);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(STUCK, opened).await.expect("the server reads it")
    }
}
