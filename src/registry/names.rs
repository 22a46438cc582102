//! What models and aliases may be called: one place for commands, jobs and requests.

use super::DEFAULT_ALIAS;

/// In a request's list of models: the base of the others.
pub const BASE: &str = "base";
const LONGEST: usize = 64;

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// A tuned model, by whoever posts its job.
    Model,
    /// An alias.
    Alias,
    /// A model by the name of its folder.
    Folder,
}

/// Why a name cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Its characters, its length, or its beginning.
    #[error(
        "it must be of letters, digits, \".\", \"_\" and \"-\" (an alias also of \"/\" and \":\"), 64 characters at most, and not begin with \".\", \"ft_\", \"job_\" or \"ds_\""
    )]
    Form,
    /// The same of a folder's.
    #[error(
        "a folder's name is of letters from a to z, digits, \".\", \"_\" and \"-\", and does not begin with \".\", \"-\", \"ft_\", \"job_\" or \"ds_\""
    )]
    FolderForm,
    /// What requests without a model mean.
    #[error("it is a word of the API: requests without a model mean the alias \"default\"")]
    Default,
    /// What a list of models means by it.
    #[error("it is a word of the API: in a list of models it means the base of the others")]
    Base,
}

/// Whether a name may be given: letters and digits of any script, `.`, `_` and `-`, in an alias `/` and `:` too, not a dot first, at most 64
/// characters, not the form of an id, and no word that requests give a meaning of its own.
pub fn check(name: &str, of: Named) -> Result<(), NameFault> {
    let folder = of == Named::Folder;
    let letter = |character: char| if folder { character.is_ascii_alphanumeric() } else { character.is_alphanumeric() };
    // A client that insists on another server's name for its model is given an alias of it: BAAI/bge-m3, llama:latest.
    let alias = of == Named::Alias;
    let fine = |character: char| {
        letter(character) || matches!(character, '.' | '_' | '-') || (alias && matches!(character, '/' | ':'))
    };
    let is_path = name.split('/').any(|part| part.is_empty() || part.starts_with('.'));
    let like_id = ["ft_", "job_", "ds_"].iter().any(|prefix| name.starts_with(prefix));
    let like_option = folder && (name.starts_with('-') || name.ends_with(".draft"));
    let length_fits = !name.is_empty() && name.chars().count() <= LONGEST;
    if !length_fits || !name.chars().all(fine) || is_path || like_id || like_option {
        return Err(if folder { NameFault::FolderForm } else { NameFault::Form });
    }
    meaning(name, of)
}

/// Whether requests give the name a meaning of its own.
pub(super) fn meaning(name: &str, of: Named) -> Result<(), NameFault> {
    match name {
        DEFAULT_ALIAS if of != Named::Alias => Err(NameFault::Default),
        BASE => Err(NameFault::Base),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_any_script_and_never_a_path() {
        for name in ["prod", "職種-v2", "a.b_c-1"] {
            assert_eq!((check(name, Named::Model), check(name, Named::Alias)), (Ok(()), Ok(())), "{name}");
        }
        for name in ["BAAI/bge-m3", "nomic-embed-text:latest"] {
            assert_eq!(
                (check(name, Named::Alias), check(name, Named::Model)),
                (Ok(()), Err(NameFault::Form)),
                "{name}"
            );
        }
        for name in ["/x", "x/", "a//b", "a/../b", "a/.b"] {
            assert_eq!(check(name, Named::Alias), Err(NameFault::Form), "{name}");
        }
        for name in ["", ".hidden", "../x", "a/b", "a b", "ft_1", &"x".repeat(65)] {
            assert_eq!(check(name, Named::Model), Err(NameFault::Form), "{name}");
        }
        for name in ["職種", "-x", "x.draft", "a/b", ".x", "ft_1"] {
            assert_eq!(check(name, Named::Folder), Err(NameFault::FolderForm), "{name}");
        }
        assert_eq!(check("all-MiniLM-L6-v2", Named::Folder), Ok(()));
    }

    #[test]
    fn words_of_the_api_are_nobodys_name() {
        for of in [Named::Model, Named::Folder] {
            assert_eq!((check("default", of), check("base", of)), (Err(NameFault::Default), Err(NameFault::Base)));
        }
        assert_eq!((check("default", Named::Alias), check("base", Named::Alias)), (Ok(()), Err(NameFault::Base)));
    }
}
