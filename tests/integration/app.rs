//! A server as users run it: the real binary on a free port, over a data folder of its own.

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::api::Api;
use crate::{fixtures, tiny};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_shamisen");

pub(crate) struct App {
    child: Child,
    /// Held open, so that the server can write to it.
    _stdout: BufReader<ChildStdout>,
    pub(crate) data: TempDir,
    api: Api,
}

impl App {
    /// A server whose model is tiny, for claims that are not about numbers.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// The same with arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self::over(TempDir::new().unwrap(), arguments)
    }

    /// A server whose model is Universal Sentence Encoder.
    pub(crate) fn real() -> Self {
        Self::real_with(&[])
    }

    /// The same with arguments.
    pub(crate) fn real_with(arguments: &[&str]) -> Self {
        Self::over(fixtures::real_data(), arguments)
    }

    /// A server over a folder that an earlier one may have left behind; one without models gets the tiny one.
    pub(crate) fn over(data: TempDir, arguments: &[&str]) -> Self {
        std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        Self::logging(data, arguments, Stdio::inherit())
    }

    /// The same, with a place for its log.
    pub(crate) fn logging(data: TempDir, arguments: &[&str], log: Stdio) -> Self {
        let (child, stdout, address) = serve(Command::new(PROGRAM), data.path(), arguments, log);
        Self { child, _stdout: stdout, data, api: Api::at(address) }
    }

    /// Ends the server as a power cut would, and leaves its folder.
    pub(crate) fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.data, TempDir::new().unwrap())
    }

    /// Ends the server politely; its folder and its exit status.
    pub(crate) fn stop(self) -> (TempDir, std::process::ExitStatus) {
        self.terminate();
        self.ended()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for the server's end; its folder and its exit status.
    pub(crate) fn ended(mut self) -> (TempDir, std::process::ExitStatus) {
        let status = self.child.wait().unwrap();
        (std::mem::replace(&mut self.data, TempDir::new().unwrap()), status)
    }
}

impl Deref for App {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server by a command that ends in it and waits until it is ready; its address.
pub(crate) fn serve(
    mut command: Command,
    data: &Path,
    arguments: &[&str],
    log: Stdio,
) -> (Child, BufReader<ChildStdout>, String) {
    if !data.join("models").exists() {
        tiny::put_into(data);
    }
    let mut child = command
        .args(["serve", "--port", "0", "--data"])
        .arg(data)
        .args(arguments)
        .env_remove("SHAMISEN_STS")
        .env("SHAMISEN_LOG", "warn")
        .env("SHAMISEN_STOP_WAIT", "0")
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let mut address = String::new();
    // It listens before its models are loaded, and says when they are.
    while !line.contains("is ready") {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "the server ended before it was ready");
        if let Some((_, rest)) = line.split_once("listens on ") {
            address = rest.split('/').take(3).collect::<Vec<_>>().join("/");
        }
    }
    (child, stdout, address)
}

/// The repository's example pairs.
pub(crate) fn example() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/occupations.csv")).unwrap()
}

/// The first `rows` of the example pairs.
pub(crate) fn few(rows: usize) -> Vec<u8> {
    let text = String::from_utf8(example()).unwrap();
    text.lines().take(rows + 1).flat_map(|line| [line, "\n"]).collect::<String>().into_bytes()
}

/// Pairs whose texts stand in different rows of the example pairs, for a benchmark that no row of them trains.
pub(crate) fn strangers(rows: usize) -> Vec<u8> {
    let text = String::from_utf8(example()).unwrap();
    let texts: Vec<&str> = text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    let pair = |row: usize| format!("{},{},{}\n", texts[row], texts[texts.len() - 1 - row], row % 6);
    let pairs: String = (0..rows).map(pair).collect();
    format!("sentence1,sentence2,score\n{pairs}").into_bytes()
}
