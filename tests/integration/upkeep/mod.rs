//! A data folder is looked after: copied, restored, looked at, emptied of what was deleted, kept from others.

mod backup;
mod deletion;
mod doctor;
mod owner;
mod upgrade;

use std::path::Path;
use std::process::{Command, Output};

use crate::app::PROGRAM;

/// Runs a command over a data folder.
fn shamisen(arguments: &[&str], data: &Path) -> Output {
    Command::new(PROGRAM).args(arguments).arg("--data").arg(data).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// All files below a folder, links followed.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
