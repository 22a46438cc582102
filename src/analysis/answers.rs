//! What models said lately of tables: computed once, however many ask, and to its end, whoever still waits.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::error::AnalysisError;

/// The dataset's id and the model's fingerprint: neither ever means another thing.
pub(super) type Key = (String, String);

/// What is kept of answers.
pub(super) trait Answer: Send + Sync + 'static {
    /// Bytes that all answers of this kind may take.
    const MOST_BYTES: u64;
    /// About how many an answer is expected to take.
    const USUAL_BYTES: u64;

    fn bytes(&self) -> usize;
}

#[derive(Clone)]
struct Bytes;

impl<T: Answer> Weighter<Key, Arc<T>> for Bytes {
    fn weight(&self, _: &Key, answer: &Arc<T>) -> u64 {
        answer.bytes() as u64
    }
}

/// Answers of one kind, bounded in bytes. What was not asked for longest goes first.
pub(super) struct Answers<T: Answer>(Cache<Key, Arc<T>, Bytes>);

impl<T: Answer> Default for Answers<T> {
    fn default() -> Self {
        Self(Cache::with_weighter((T::MOST_BYTES / T::USUAL_BYTES) as usize, T::MOST_BYTES, Bytes))
    }
}

impl<T: Answer> Answers<T> {
    /// Forgets all of them.
    pub(super) fn forget(&self) {
        self.0.clear();
    }

    /// The answer to a question: as it was kept, as somebody computes it just now, or what `work` says. Other questions
    /// do not wait for it.
    pub(super) async fn once(
        self: &Arc<Self>,
        key: Key,
        work: impl Future<Output = Result<T, AnalysisError>> + Send + 'static,
    ) -> Result<Arc<T>, AnalysisError> {
        let answers = Arc::clone(self);
        // A task of its own: a client that goes away takes nothing along that others wait for, or that it will ask again.
        let task = async move { answers.0.get_or_insert_async(&key, async { work.await.map(Arc::new) }).await };
        tokio::spawn(task).await?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::oneshot;

    use super::*;

    impl Answer for String {
        const MOST_BYTES: u64 = 100;
        const USUAL_BYTES: u64 = 10;

        fn bytes(&self) -> usize {
            self.len()
        }
    }

    fn key(dataset: &str) -> Key {
        (dataset.to_owned(), "fingerprint".to_owned())
    }

    async fn said(word: &str) -> Result<String, AnalysisError> {
        Ok(word.to_owned())
    }

    #[tokio::test]
    async fn an_answer_is_computed_once_however_many_ask() {
        let (answers, computed) = (Arc::new(Answers::default()), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let computed = Arc::clone(&computed);
            answers.once(key("a"), async move {
                computed.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                said("nurse").await
            })
        };
        let all = join_all((0..10).map(|_| ask())).await;
        assert!(all.into_iter().all(|answer| *answer.unwrap() == "nurse"));
        assert_eq!((ask().await.unwrap().as_str(), computed.load(Ordering::Relaxed)), ("nurse", 1));
    }

    #[tokio::test]
    async fn a_question_does_not_wait_for_another_and_is_answered_though_its_client_went_away() {
        let answers = Arc::new(Answers::default());
        let (begin, begun) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel::<()>();
        let slow = answers.once(key("slow"), async move {
            let _ = begin.send(());
            let _ = ended.await;
            said("slow").await
        });
        tokio::select! {
            _ = slow => panic!("an answer without an end"),
            begun = begun => begun.unwrap(),
        }
        assert_eq!(*answers.once(key("other"), said("quick")).await.unwrap(), "quick");
        // Whoever asks now waits for what was begun, and computes nothing.
        let again = answers.once(key("slow"), async { panic!("computed twice") });
        let (again, ()) = tokio::join!(again, async { end.send(()).unwrap() });
        assert_eq!(*again.unwrap(), "slow");
    }

    #[tokio::test]
    async fn what_failed_is_not_kept_and_what_does_not_fit_goes() {
        let answers = Arc::new(Answers::default());
        let failed = answers.once(key("a"), async { Err(AnalysisError::NothingToMine("no")) }).await;
        assert!(matches!(failed, Err(AnalysisError::NothingToMine("no"))));
        assert_eq!(*answers.once(key("a"), said("yes")).await.unwrap(), "yes");
        for dataset in 0..20 {
            answers.once(key(&dataset.to_string()), said("thirty bytes or there about: x")).await.unwrap();
        }
        assert!(answers.0.weight() <= 100);
        let long: String = "x".repeat(101);
        assert_eq!(answers.once(key("long"), async { Ok(long) }).await.unwrap().len(), 101);
        assert!(answers.0.weight() <= 100);
    }
}
