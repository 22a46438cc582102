//! Which file of the program imports which: what `layers` holds it to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The files of a crate, and which of them imports which.
pub(crate) struct Imports {
    /// Module path (`http::datasets::find`) to code, without comments and unit tests.
    pub(crate) code: BTreeMap<String, String>,
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// `a::{b, c::{self, D}}` as `a::b`, `a::c`, `a::c::D`, each with the name that it has from then on.
fn leaves(tree: &str) -> Vec<(String, String)> {
    let tree = tree.trim();
    let Some(open) = tree.find('{').filter(|_| tree.ends_with('}')) else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, tree.rsplit("::").next().unwrap()));
        let path = path.strip_suffix("::self").unwrap_or(path);
        let name = if name == "self" { path.rsplit("::").next().unwrap() } else { name };
        return vec![(path.trim().to_owned(), name.trim().to_owned())];
    };
    let (before, inside) = (&tree[..open], &tree[open + 1..tree.len() - 1]);
    let (mut parts, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, character) in inside.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inside[begin..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| leaves(&format!("{before}{}", part.trim()))).collect()
}

impl Imports {
    /// Of a crate's sources; what is compiled for tests alone is left out.
    pub(crate) fn of(src: &Path) -> Self {
        let mut code = BTreeMap::new();
        for path in sources(src) {
            let name = path.strip_prefix(src).unwrap().to_string_lossy().into_owned();
            if matches!(name.as_str(), "lib.rs" | "main.rs") || name.ends_with("tests.rs") || name.contains("tests/") {
                continue;
            }
            let module = name.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.replace("#[cfg(test)]\nmod tests;", "");
            let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
            let lines = text.lines().map(|line| line.split("//").next().unwrap());
            code.insert(module, lines.collect::<Vec<_>>().join("\n"));
        }
        Self { code }
    }

    /// `use` statements of a file: whether each is a re-export, and what it names.
    fn uses(code: &str) -> impl Iterator<Item = (bool, Vec<(String, String)>)> {
        code.split(';').filter_map(|statement| {
            let at = statement.rfind("use ")?;
            let before = statement[..at].rsplit(['\n', '{', '}']).next().unwrap().trim();
            (before.is_empty() || before.starts_with("pub")).then(|| (!before.is_empty(), leaves(&statement[at + 4..])))
        })
    }

    /// A path from the crate's root as the file that defines what it names; `None` where it is no file's.
    fn file(&self, path: &str) -> Option<String> {
        let parts: Vec<&str> = path.split("::").collect();
        let deepest = (1..=parts.len()).rev().map(|length| parts[..length].join("::"));
        let module = deepest.into_iter().find(|module| self.code.contains_key(module))?;
        let Some(item) = parts.get(module.split("::").count()) else { return Some(module) };
        // A folder's face may only pass on what a file in it defines.
        for (_, names) in Self::uses(&self.code[&module]).filter(|(public, _)| *public) {
            let origin = names.iter().find(|(_, name)| name == item).map(|(origin, _)| Self::absolute(&module, origin));
            if let Some(origin) = origin.filter(|origin| origin != path) {
                return self.file(&origin);
            }
        }
        Some(module)
    }

    /// A path as it stands in a file, from the crate's root.
    fn absolute(file: &str, path: &str) -> String {
        if let Some(rest) = path.strip_prefix("crate::") {
            return rest.to_owned();
        }
        let mut here: Vec<&str> = file.split("::").collect();
        let mut rest = path.strip_prefix("self::").unwrap_or(path);
        while let Some(above) = rest.strip_prefix("super::") {
            here.pop();
            rest = above;
        }
        here.push(rest);
        here.join("::")
    }

    /// The files that a file imports. What it takes of the face (`mod.rs`) of a folder that it stands in is not among
    /// them: there a folder says what its files share.
    fn of_file(&self, file: &str) -> BTreeSet<String> {
        let code = &self.code[file];
        let mut paths: Vec<String> = Vec::new();
        for (public, names) in Self::uses(code) {
            for (path, name) in names {
                let path = Self::absolute(file, &path);
                if self.code.contains_key(&path) {
                    // A module: what counts is what is taken of it.
                    paths.extend(after(code, &format!("{name}::")).map(|item| format!("{path}::{item}")));
                } else if !public {
                    paths.push(path);
                }
            }
        }
        for begin in ["crate::", "super::"] {
            paths.extend(after(code, begin).map(|rest| Self::absolute(file, &format!("{begin}{rest}"))));
        }
        // A folder's face and the files in it.
        let children = self.code.keys().filter_map(|module| module.strip_prefix(&format!("{file}::")));
        for child in children.filter(|child| !child.contains("::")) {
            paths.extend(after(code, &format!("{child}::")).map(|item| format!("{file}::{child}::{item}")));
        }
        let within = |target: &String| target == file || file.starts_with(&format!("{target}::"));
        paths.iter().filter_map(|path| self.file(path)).filter(|target| !within(target)).collect()
    }

    /// Files that import each other, by whatever way.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let arrows: BTreeMap<&str, BTreeSet<String>> =
            self.code.keys().map(|file| (file.as_str(), self.of_file(file))).collect();
        let reached: BTreeMap<&str, BTreeSet<&str>> = arrows
            .keys()
            .map(|file| {
                let (mut seen, mut next) = (BTreeSet::new(), vec![*file]);
                while let Some(file) = next.pop() {
                    next.extend(arrows[file].iter().map(String::as_str).filter(|target| seen.insert(*target)));
                }
                (*file, seen)
            })
            .collect();
        let mut circles: Vec<Vec<String>> = Vec::new();
        for file in arrows.keys().filter(|file| reached[*file].contains(*file)) {
            let with = reached[file].iter().filter(|other| reached[*other].contains(file));
            let circle: Vec<String> = with.map(|file| (*file).to_owned()).collect();
            if !circles.contains(&circle) {
                circles.push(circle);
            }
        }
        circles
    }
}

/// The paths that follow each place where `begin` begins a path. Of a tree in braces `use` tells.
fn after<'a>(code: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(begin).filter_map(move |(at, _)| {
        let before = &code[..at];
        if before.ends_with(is_word) || before.ends_with("::") || before.trim_end().ends_with("use") {
            return None;
        }
        let rest = &code[at + begin.len()..];
        let end = rest.find(|character| !is_word(character) && character != ':').unwrap_or(rest.len());
        let path = rest[..end].trim_end_matches(':');
        (!path.is_empty()).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(files: &[(&str, &str)]) -> Imports {
        Imports { code: files.iter().map(|(name, code)| ((*name).to_owned(), (*code).to_owned())).collect() }
    }

    #[test]
    fn a_circle_is_found_through_any_way_of_naming_a_file() {
        for way in
            ["use crate::b::c::D;", "use crate::b::{c::{self as e}}; fn f() { e::g() }", "fn f() -> crate::b::c::D {}"]
        {
            let circles = program(&[("a", way), ("b", "mod c;"), ("b::c", "use super::super::a::X;")]).circles();
            assert_eq!(circles, [["a", "b::c"]], "{way}");
        }
    }

    #[test]
    fn a_folders_face_and_its_files_are_no_circle_and_files_beside_each_other_are() {
        let files = [("a", "mod b; mod c; pub use b::X;"), ("a::b", "struct X;"), ("a::c", "use crate::a::X;")];
        assert!(program(&files).circles().is_empty());
        let files =
            [("a", "mod b; mod c; use c::f; struct Y;"), ("a::b", "use super::Y;"), ("a::c", "use super::b::X;")];
        assert!(program(&files).circles().is_empty());
        let files = [("a", "mod b; mod c;"), ("a::b", "use super::c::X;"), ("a::c", "fn f() { super::b::g() }")];
        assert_eq!(program(&files).circles(), [["a::b", "a::c"]]);
    }
}
