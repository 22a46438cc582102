//! `shamisen model export MODEL --to PATH`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::config::{Export, ExportTo};
use crate::registry::{self, ExportFormat};

#[expect(clippy::print_stdout, reason = "where the export is, is this command's output")]
pub(super) fn export(config: &Export) -> anyhow::Result<ExitCode> {
    let folder = registry::find_folder(&config.data.join("models"), &config.model)?;
    // Without a slash at the end, which would make the draft a part of its target.
    let target: PathBuf = std::path::absolute(&config.to)?.components().collect();
    let whole = |format| registry::export(&folder, &registry::root_folder(&folder)?, format, &target);
    match config.format {
        ExportTo::Folder => whole(ExportFormat::Folder)?,
        ExportTo::Torchscript => whole(ExportFormat::Torchscript)?,
        ExportTo::Onnx => whole(ExportFormat::Onnx)?,
        ExportTo::Card => {
            let card = registry::card(&folder)?;
            let written = std::fs::File::create_new(&target).and_then(|mut file| file.write_all(card.as_bytes()));
            written.with_context(|| format!("{} cannot be written", target.display()))?;
        }
    }
    println!("{}", target.display());
    Ok(ExitCode::SUCCESS)
}
