//! Names that users give to models, aliases and datasets.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::bounds;
use crate::http::error::{ApiError, Code, Result};
use crate::registry::{NameFault, Named, check_name};

/// A name as the API's description tells it.
pub(crate) struct UserName;

impl PartialSchema for UserName {
    fn schema() -> RefOr<Schema> {
        let pattern = r"^(?!\.|ft_|job_|ds_)[\p{Alphabetic}\p{N}._-]+$";
        bounds::text_schema(&bounds::NAME, false).pattern(Some(pattern)).build().into()
    }
}

impl ToSchema for UserName {}

/// An alias as the API's description tells it.
pub(crate) struct AliasName;

impl PartialSchema for AliasName {
    fn schema() -> RefOr<Schema> {
        let pattern = r"^(?!ft_|job_|ds_)[\p{Alphabetic}\p{N}_:-][\p{Alphabetic}\p{N}._:-]*(/[\p{Alphabetic}\p{N}_:-][\p{Alphabetic}\p{N}._:-]*)*$";
        bounds::text_schema(&bounds::NAME, false).pattern(Some(pattern)).build().into()
    }
}

impl ToSchema for AliasName {}

/// A name that a model or an alias is to have.
pub(crate) fn check(name: &str, param: &str, of: Named) -> Result<()> {
    check_name(name, of).map_err(|fault| {
        let shown: String = name.chars().take(80).collect();
        let refused = ApiError::of(Code::NameNotUsable).param(param);
        match fault {
            NameFault::Form | NameFault::FolderForm => refused.detail(format!("The {param} {shown:?} cannot be used.")),
            meaning => {
                refused.detail(format!("The {param} {shown:?} cannot be used: {meaning}.")).hint("Choose another name.")
            }
        }
    })
}

/// A dataset's name is only shown: any text, cut to a length that fits a list.
pub(crate) fn label(name: Option<&str>, otherwise: &str) -> String {
    let name: String = name.unwrap_or_default().trim().chars().filter(|c| !c.is_control()).take(200).collect();
    if name.is_empty() { otherwise.to_owned() } else { name }
}
