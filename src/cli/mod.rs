//! The commands: each puts the parts together and leaves the work to them.

mod backup;
mod docs;
mod doctor;
mod eval;
mod export;
mod folder;
mod import;
mod key;
mod lock;
mod log;
mod model_name;
mod openapi;
mod pairs;
mod patience;
mod progress;
mod restore;
mod serve;
mod train;

use std::process::ExitCode;

use crate::config::{Command, ModelCommand};

/// Runs a command. Its errors are in words for the person at the terminal.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(config) => serve::serve(&config),
        Command::Train(config) => train::train(&config),
        Command::Model { command: ModelCommand::Import(config) } => import::import(&config),
        Command::Model { command: ModelCommand::Export(config) } => export::export(&config),
        Command::Openapi => openapi::openapi(),
        Command::Docs { page } => docs::docs(page),
        Command::Eval(config) => eval::eval(&config),
        Command::Pairs(config) => pairs::pairs(&config),
        Command::Backup(config) => backup::backup(&config),
        Command::Restore(config) => restore::restore(&config),
        Command::Doctor(config) => doctor::doctor(&config),
        Command::Key { command } => key::key(&command),
    }
}
