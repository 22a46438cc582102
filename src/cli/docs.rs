//! `shamisen docs`: the pages of docs/ that the program writes itself.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory};

use crate::config::{Cli, DocsPage};
use crate::http;

const HEAD: &str = "\
<!-- `make docs` writes this page out of src/config.rs: change that. -->

# Settings

Every command with its flags, as `shamisen COMMAND --help` tells them. Where a flag has a variable, either will do, and the flag goes
first. [operations.md](operations.md) tells how they are used, [training.md](training.md) the settings of a training run.
";

const FOOT: &str = "
## With the feature `otel`

`cargo build --release --features otel` gives `shamisen serve` the flag `--otlp-endpoint` (`SHAMISEN_OTLP_ENDPOINT`): the
OpenTelemetry collector that gets a span for each request (OTLP over HTTP), as in `http://127.0.0.1:4318`.

## Of the set-up and the tests

| variable | what |
|---|---|
| `SHAMISEN_CACHE` | the folder that `make deps` fetches into; `~/.cache/shamisen` unless said |
| `SHAMISEN_TEST_DATA` | the folder of public data that some tests ask for; they say so where it is missing |
";

/// Flags that only a feature brings; they are told in the foot, so that the page is the same whatever was built.
const OF_FEATURES: [&str; 1] = ["otlp_endpoint"];

pub(super) fn docs(page: DocsPage) -> anyhow::Result<ExitCode> {
    let text = match page {
        DocsPage::Api => http::api_page(),
        DocsPage::Settings => settings(),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn settings() -> String {
    let mut page = HEAD.to_owned();
    section(&Cli::command(), &mut page);
    page + FOOT
}

/// A command's flags in a table, and those of the commands below it.
fn section(command: &Command, page: &mut String) {
    let path = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let shown = |argument: &&Arg| !argument.is_hide_set() && !OF_FEATURES.contains(&argument.get_id().as_str());
    let rows: Vec<String> = command.get_arguments().filter(shown).map(row).collect();
    if !command.has_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = write!(page, "\n## {path}\n\n{}\n", sentence(&about));
    }
    if !rows.is_empty() {
        let _ = write!(page, "\n| flag | variable | default | what |\n|---|---|---|---|\n{}", rows.concat());
    }
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        section(&below.clone().bin_name(format!("{path} {}", below.get_name())), page);
    }
}

fn row(argument: &Arg) -> String {
    let takes_value = argument.get_action().takes_values();
    let name = argument.get_id().as_str().to_uppercase();
    let value = argument.get_value_names().and_then(|names| names.first()).map_or(name.as_str(), |name| name.as_str());
    let flag = match argument.get_long() {
        Some(long) if takes_value => format!("`--{long} {value}`"),
        Some(long) => format!("`--{long}`"),
        None => format!("`{value}`"),
    };
    let variable = argument.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default = match defaults.join(",").as_str() {
        _ if argument.is_required_set() => "required".to_owned(),
        "" => String::new(),
        default if takes_value => format!("`{default}`"),
        _ => String::new(),
    };
    let mut what = sentence(&argument.get_help().map(ToString::to_string).unwrap_or_default());
    if takes_value {
        for value in argument.get_possible_values() {
            let told = value.get_help().map(ToString::to_string).unwrap_or_default();
            let _ = write!(what, " `{}`: {}", value.get_name(), sentence(&told));
        }
    }
    format!("| {flag} | {variable} | {default} | {} |\n", what.replace('|', "\\|"))
}

/// clap takes the full stop off.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_settings_is_what_the_program_writes() {
        assert_eq!(include_str!("../../docs/settings.md"), settings(), "`make docs` writes it anew");
    }

    #[test]
    fn the_page_of_routes_is_what_the_program_writes() {
        assert_eq!(include_str!("../../docs/api.md"), http::api_page(), "`make docs` writes it anew");
    }
}
