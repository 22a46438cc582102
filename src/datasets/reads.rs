//! What is asked of datasets that are there: their pairs, their own files, what changed between two.

use std::collections::HashSet;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use super::{DatasetError, DatasetStore, RowsFound, RowsWanted, draft_name, rows, scores};
use crate::store::{self, Dataset};
use tables::annotate::{AnnotateError, Notes, Similarities, Words, annotate};
use tables::checks::{pair_key, text_key};
use tables::diff::{Diff, diff};
use tables::source::Input;
use tables::stored::StoredPair;
use tables::{Pair, Problems, Stop, stored};

impl From<AnnotateError> for DatasetError {
    fn from(error: AnnotateError) -> Self {
        match error {
            AnnotateError::Problems(problems) => Self::Problems(problems),
            AnnotateError::Io(error) => Self::File(error),
            AnnotateError::Workbook(error) => Self::File(std::io::Error::other(error)),
        }
    }
}

impl DatasetStore {
    /// Some of a dataset's pairs, from `offset`.
    pub async fn pairs(&self, dataset: &Dataset, offset: usize, limit: usize) -> Result<Vec<Pair>, DatasetError> {
        let found = self.rows(dataset, RowsWanted { offset, limit, ..RowsWanted::default() }).await?;
        Ok(found.rows.into_iter().map(|row| row.pair).collect())
    }

    /// The pairs that are wanted of a dataset, with their lines.
    pub async fn rows(&self, dataset: &Dataset, wanted: RowsWanted) -> Result<RowsFound, DatasetError> {
        let (file, total) = (self.pairs_file(dataset), dataset.rows as usize);
        self.look(move |stop| rows::find(&file, &wanted, total, stop)).await
    }

    /// A copy of a dataset's own file with what became of each row: a file that has no name any more, to be read from
    /// its beginning.
    pub async fn annotated(
        &self,
        dataset: &Dataset,
        similarities: Vec<Similarities>,
        words: Words,
    ) -> Result<std::fs::File, DatasetError> {
        let (input, pairs) = (Input::file(self.file(dataset)), self.pairs_file(dataset));
        let (choices, scores) = (dataset.choices()?, scores(dataset.purpose));
        let draft = self.folder.join(draft_name(&store::new_id("ds")));
        let annotate = move |stop: &Stop| {
            let input = input.until(stop);
            let kept = stored::pairs(BufReader::new(std::fs::File::open(pairs)?));
            let row = |pair: Result<StoredPair, Problems>| stop.check().and(Ok(pair?.pair.row));
            let kept = kept.map(row).collect::<Result<Vec<usize>, Problems>>()?;
            let mut file = std::fs::File::options().create_new(true).read(true).write(true).open(&draft)?;
            let _ = std::fs::remove_file(&draft);
            let mut out = BufWriter::with_capacity(1 << 18, &file);
            annotate(&input, &choices, scores, &Notes { words, kept: &kept, similarities: &similarities }, &mut out)?;
            out.flush()?;
            drop(out);
            file.rewind()?;
            Ok::<_, DatasetError>(file)
        };
        self.beside(annotate).await
    }

    /// What changed from one dataset to another.
    pub async fn diff(&self, before: &Dataset, after: &Dataset) -> Result<Diff, DatasetError> {
        let (before, after) = (self.pairs_file(before), self.pairs_file(after));
        let differ = move |stop: &Stop| {
            let open = |file: &Path| {
                let pairs = stored::pairs(BufReader::new(std::fs::File::open(file)?));
                Ok::<_, DatasetError>(pairs.map(|pair| stop.check().and(pair)))
            };
            diff(|| open(&before), || open(&after))
        };
        self.beside(differ).await
    }

    /// The keys of a benchmark's pairs, read once.
    pub async fn pair_keys(&self, dataset: &Dataset) -> Result<Arc<HashSet<u64>>, DatasetError> {
        let mut kept = self.keys.lock().await;
        if let Some((id, keys)) = &*kept
            && *id == dataset.dataset_id
        {
            return Ok(Arc::clone(keys));
        }
        let file = self.pairs_file(dataset);
        let read = move |stop: &Stop| {
            let pairs = stored::pairs(BufReader::new(std::fs::File::open(file)?));
            let key = |pair: Pair| pair_key(text_key(&pair.left), text_key(&pair.right));
            let keys = pairs.map(|pair| stop.check().and(Ok(key(pair?.pair))));
            Ok(keys.collect::<Result<HashSet<u64>, Problems>>()?)
        };
        let keys = Arc::new(self.look(read).await?);
        *kept = Some((dataset.dataset_id.clone(), Arc::clone(&keys)));
        Ok(keys)
    }
}
