//! Names that users give to models, aliases and datasets.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::bounds;
use crate::http::error::{ApiError, Code, Result};

/// A name as the API's description tells it.
pub(crate) struct UserName;

impl PartialSchema for UserName {
    fn schema() -> RefOr<Schema> {
        let pattern = r"^(?!\.|ft_|job_|ds_)[\p{Alphabetic}\p{N}._-]+$";
        bounds::text_schema(&bounds::NAME, false).pattern(Some(pattern)).build().into()
    }
}

impl ToSchema for UserName {}

/// Letters and digits of any script, `.`, `_` and `-`, not a dot first, at most 64 characters, and
/// not the form of an id.
pub(crate) fn check(name: &str, param: &str) -> Result<()> {
    let fine = |character: char| character.is_alphanumeric() || matches!(character, '.' | '_' | '-');
    let reserved = ["ft_", "job_", "ds_"].iter().any(|prefix| name.starts_with(prefix));
    if name.is_empty()
        || bounds::length_outside(name, &bounds::NAME).is_some()
        || !name.chars().all(fine)
        || name.starts_with('.')
        || reserved
    {
        return Err(ApiError::of(Code::NameNotUsable)
            .param(param)
            .detail(format!("The {param} {:?} cannot be used.", name.chars().take(80).collect::<String>())));
    }
    Ok(())
}

/// A dataset's name is only shown: any text, cut to a length that fits a list.
pub(crate) fn label(name: Option<&str>, otherwise: &str) -> String {
    let name: String = name.unwrap_or_default().trim().chars().filter(|c| !c.is_control()).take(200).collect();
    if name.is_empty() { otherwise.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_any_script_and_never_a_path() {
        for name in ["prod", "職種-v2", "a.b_c-1"] {
            assert!(check(name, "name").is_ok(), "{name}");
        }
        for name in ["", ".hidden", "../x", "a/b", "a b", "ft_1", &"x".repeat(65)] {
            assert!(check(name, "name").is_err(), "{name}");
        }
    }
}
