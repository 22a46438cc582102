//! Servers that tests share. Who uses one neither counts what it holds nor changes what others rely on, and posts no
//! job: others would wait for it.

use std::io::BufReader;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::api::Api;
use crate::app::{PROGRAM, example, serve, strangers};
use crate::fixtures::{MINILM_FOLDER, real_data};

/// Ends the server and removes its folder when this process has ended, however that came about.
const KEEPER: &str = r#""$0" "$@" & cat > /dev/null; kill -9 $!; wait $!; rm -rf "$SHAMISEN_DATA""#;

struct Server {
    address: String,
    data: PathBuf,
    /// Held open: the keeper waits for its standard input to end, and the server writes to its output.
    _keeper: (Child, BufReader<ChildStdout>),
}

impl Server {
    fn over(data: TempDir) -> Self {
        let data = data.keep();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, PROGRAM]).env("SHAMISEN_DATA", &data).stdin(Stdio::piped());
        let (child, stdout, address) = serve(keeper, &data, &[], Stdio::inherit());
        Self { address, data, _keeper: (child, stdout) }
    }
}

static TINY: LazyLock<Server> = LazyLock::new(|| Server::over(TempDir::new().unwrap()));
static REAL: LazyLock<Server> = LazyLock::new(|| {
    let data = real_data();
    std::os::unix::fs::symlink(&*MINILM_FOLDER, data.path().join("models/all-minilm-l6-v2")).unwrap();
    Server::over(data)
});

/// The server with the tiny model.
pub(crate) fn tiny() -> Api {
    Api::at(TINY.address.clone())
}

/// The server with Universal Sentence Encoder, and all-MiniLM-L6-v2 beside it.
pub(crate) fn real() -> Api {
    Api::at(REAL.address.clone())
}

/// The server with Universal Sentence Encoder, which was tuned on the example pairs.
pub(crate) struct Tuned {
    api: Api,
    /// The server's data folder.
    pub(crate) data: &'static Path,
    /// The job as it ended.
    pub(crate) job: &'static Value,
}

impl Tuned {
    /// The tuned model's id.
    pub(crate) fn model(&self) -> &'static str {
        self.job["model"].as_str().unwrap()
    }

    /// The tuned model's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.data.join("models").join(self.model())
    }
}

impl Deref for Tuned {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

/// The tuned model's name.
pub(crate) const MINE: &str = "職種";

/// The job with it: two epochs over the example pairs, 75 of which validate, measured by a benchmark of 40 pairs.
static JOB: LazyLock<Value> = LazyLock::new(|| {
    // A test may wait for this on a runtime of its own.
    let job = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let api = real();
            let benchmark = api.post_csv("/datasets?benchmark=true&name=general", strangers(40)).await.text("id");
            let config = r#"{"epochs": 2, "split": "random"}"#;
            let fields = [
                ("config", config),
                ("benchmark_id", &*benchmark),
                ("name", MINE),
                ("alias", "live"),
                ("alias_if", "win"),
            ];
            let id = api.post_job(example(), &fields).await.text("id");
            api.finished(&id).await
        })
    });
    let job = job.join().expect("the job is posted");
    assert_eq!(job["status"], "succeeded", "{job}");
    job
});

pub(crate) fn tuned() -> Tuned {
    Tuned { api: real(), job: &JOB, data: &REAL.data }
}
