//! What the documents say of the repository: links, paths, the names of tests, routes and settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 7] = [".", "docs", "docs/contributing", "docs/ja", "examples", "fuzz", "benches"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every document with its text, by its path.
fn documents() -> BTreeMap<PathBuf, String> {
    let files = FOLDERS.iter().flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    let paths = files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    paths.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// What stands between backticks, outside of blocks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2))
}

/// A heading's anchor, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_of_a_document_leads_to_a_file_and_a_heading_that_are_there() {
    let mut links = 0;
    for (path, text) in documents() {
        let prose: String = text.split("```").step_by(2).collect();
        for link in prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} is not there", path.display());
            if !heading.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                let mut headings =
                    text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#'));
                assert!(
                    headings.any(|known| anchor(known) == heading),
                    "{}: {link} has no such heading",
                    path.display()
                );
            }
        }
    }
    assert!(links > 50, "{links}");
}

#[test]
fn every_test_that_a_document_names_is_there() {
    fn sources(folder: &Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, all);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                *all += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let mut all = String::new();
    ["src", "tests", "crates"].iter().for_each(|folder| sources(&root().join(folder), &mut all));
    let mut named = 0;
    for (path, text) in documents() {
        let is_claim = |word: &&str| {
            word.matches('_').count() > 3
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        for claim in quoted(&text).filter(is_claim) {
            named += 1;
            assert!(all.contains(&format!("fn {claim}(")), "{}: there is no test {claim}", path.display());
        }
    }
    assert!(named > 10, "{named}");
}

#[test]
fn the_code_map_and_the_walks_name_files_that_are_there() {
    let page = text("ARCHITECTURE.md");
    let (before, map) = page.split_once("## Code map\n").unwrap();
    let (map, walks) = map.split_once("\n## ").unwrap();
    for name in quoted(before).chain(quoted(walks)).filter(|name| name.contains('/') && name.ends_with(".rs")) {
        let there = ["", "src"].iter().any(|folder| root().join(folder).join(name).exists());
        assert!(there, "there is no {name}");
    }
    let mut named = 0;
    for room in map.split("\n### `").skip(1) {
        let (folder, lines) = room.split_once('`').unwrap();
        for line in lines.lines().filter(|line| line.starts_with("- ")) {
            for name in quoted(line).filter(|name| name.ends_with(".rs") || name.ends_with('/')) {
                named += 1;
                assert!(root().join(folder).join(name).exists(), "there is no {folder}/{name}: {line}");
            }
        }
    }
    assert!(named > 50, "{named}");
}

#[test]
fn the_japanese_pages_name_every_route_and_every_setting_of_the_server() {
    let first_cells = |page: &str, from: &str, to: &str| -> BTreeSet<String> {
        let page = page.split_once(from).map_or(page, |(_, rest)| rest);
        let page = page.split_once(to).map_or(page, |(page, _)| page);
        quoted(page).map(str::to_owned).collect()
    };
    let routes: BTreeSet<String> = first_cells(&text("docs/api.md"), "\n## ", "\0")
        .into_iter()
        .filter_map(|quoted| Some(quoted.split_once(" /")?.1.to_owned()))
        .collect();
    let told = text("docs/ja/api.md");
    assert!(routes.len() > 40, "{routes:?}");
    for route in routes {
        assert!(told.contains(&format!("/{route}`")), "docs/ja/api.md does not tell /{route}");
    }
    let settings = first_cells(&text("docs/settings.md"), "\n## shamisen serve", "\n## ");
    let settings: Vec<&String> = settings.iter().filter(|word| word.starts_with("SHAMISEN_")).collect();
    let told = text("docs/ja/settings.md");
    assert!(settings.len() > 20, "{settings:?}");
    for setting in settings {
        assert!(told.contains(&format!("`{setting}`")), "docs/ja/settings.md does not tell {setting}");
    }
}

#[test]
fn the_first_page_is_short_and_has_a_picture() {
    for (page, most) in [("README.md", 10_000), ("docs/ja/README.md", 12_000)] {
        let text = text(page);
        assert!(text.len() <= most, "{page} has {} bytes", text.len());
        let picture = text.split("![").nth(1).and_then(|rest| rest.split("](").nth(1)?.split(')').next());
        let picture = root().join(page).parent().unwrap().join(picture.unwrap());
        let bytes = std::fs::metadata(&picture).unwrap().len();
        assert!((10_000..250_000).contains(&bytes), "{} has {bytes} bytes", picture.display());
    }
}
