//! `shamisen doctor`

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::folder;
use crate::config::upkeep::Doctor;
use crate::doctor::{self, Finding, Level};

pub(super) fn doctor(config: &Doctor) -> anyhow::Result<ExitCode> {
    folder::private(&config.data);
    let data = std::path::absolute(&config.data)?;
    if !data.is_dir() {
        bail!("there is no folder {}. Name the server's data folder with --data or SHAMISEN_DATA", data.display());
    }
    // Without a lock's file no server has been here; looking leaves none.
    let held = if config.repair || data.join("LOCK").exists() { hold(&data, config.repair)? } else { None };
    let served = held.is_none() && data.join("LOCK").exists();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut findings = runtime.block_on(doctor::examine(&data, served))?;
    if config.repair {
        doctor::repair(&data, &mut findings)?;
    }
    drop(held);
    let wrong = findings.iter().any(|finding| finding.level == Level::Problem && !finding.mended);
    tell(&findings, served, config.json)?;
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn hold(data: &Path, repair: bool) -> anyhow::Result<Option<std::fs::File>> {
    match folder::hold(data) {
        Ok(None) if repair => bail!("a server works in {}; stop it before --repair", data.display()),
        Ok(held) => Ok(held),
        // Somebody else's folder can be looked at, too.
        Err(_) if !repair => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be written to", data.display())),
    }
}

fn tell(findings: &[Finding], served: bool, json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let wrong = findings.iter().filter(|finding| finding.level == Level::Problem && !finding.mended).count();
        let told = serde_json::json!({ "well": wrong == 0, "served": served, "findings": findings });
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&told)?)?);
    }
    for Finding { level, what, advice, mended, .. } in findings {
        let head = match level {
            _ if *mended => "mended",
            Level::Problem => "PROBLEM",
            Level::Note => "note",
        };
        writeln!(out, "{head}: {what}.")?;
        if !advice.is_empty() && !mended {
            writeln!(out, "    {advice}.")?;
        }
    }
    if findings.iter().all(|finding| finding.level == Level::Note || finding.mended) {
        writeln!(out, "Nothing is wrong.")?;
    }
    Ok(())
}
