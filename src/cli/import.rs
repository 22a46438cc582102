//! `shamisen model import FILE`

use std::process::ExitCode;

use anyhow::bail;

use crate::config::Import;
use crate::registry;

#[expect(clippy::print_stdout, reason = "what was imported is this command's output")]
pub(super) fn import(config: &Import) -> anyhow::Result<ExitCode> {
    let fine = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    if config.name.is_empty()
        || config.name.starts_with('.')
        || config.name.starts_with("ft_")
        || config.name.ends_with(".draft")
        || !config.name.chars().all(fine)
    {
        bail!(
            "the name {:?} cannot be used: use letters, digits, \".\", \"_\" and \"-\", and not \"ft_\" in front",
            config.name
        );
    }
    let card = registry::import(&config.file, &config.data.join("models"), &config.name)?;
    println!("{}: {} dimensions, fingerprint {}", card.name, card.dimensions, card.fingerprint);
    Ok(ExitCode::SUCCESS)
}
