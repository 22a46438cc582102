//! `shamisen openapi`

use std::io::Write;
use std::process::ExitCode;

use crate::http;

pub(super) fn openapi() -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout(), "{}", http::document())?;
    Ok(ExitCode::SUCCESS)
}
