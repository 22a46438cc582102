//! A little of `make torture`: the same parts, seeds and checks, in seconds.

use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::app::PROGRAM;

/// Parts with their counts. What a part lacks on this machine (strace, a C compiler, root), it says.
const PARTS: [(&str, &[&str]); 6] = [
    ("kills-server", &["--count", "3"]),
    ("points", &["--count", "6"]),
    ("kills-trainer", &["--count", "2"]),
    ("power", &["--count", "200", "--real", "4"]),
    ("io-errors", &["--count", "6"]),
    ("flips", &["--count", "10"]),
];

#[test]
fn a_little_torture_loses_nothing_and_its_mutants_are_caught() {
    let results = tempfile::TempDir::new().unwrap();
    let folder = results.path();
    // Three at a time: they mostly wait for the disk and for processes to begin and end.
    let lanes = PARTS.chunks(2);
    thread::scope(|scope| {
        let lanes: Vec<_> =
            lanes.map(|lane| scope.spawn(move || lane.iter().for_each(|part| torture(part, folder)))).collect();
        lanes.into_iter().for_each(|lane| lane.join().unwrap());
    });
}

fn torture((part, arguments): &(&str, &[&str]), results: &Path) {
    let json = results.join(format!("{part}.json"));
    let mut python = Command::new("python3");
    python.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-m", "tests.torture"]).arg(part).args(*arguments);
    let output = python.args(["--seed", "1", "--binary", PROGRAM, "--json"]).arg(&json).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    if let Some(reason) = told["details"]["skipped"].as_str() {
        eprintln!("SKIPPED {part}: {reason}");
        return;
    }
    for kind in ["lost", "duplicated", "unexpected", "server_errors", "stuck"] {
        assert_eq!(told[kind], 0, "{part}, {kind}: {said}");
    }
    assert!(told["points"].as_u64().unwrap() >= 2, "{part}: {said}");
    if *part == "power" {
        for mutant in ["without_syncs", "in_place"] {
            let of = |what: &str| told["details"][mutant][what].as_f64().unwrap();
            assert!(of("caught_seeds") >= 0.95 * of("seeds") && of("seeds") > 1.0, "{mutant}: {said}");
        }
    }
}
