//! What a fine-tuning job is asked for with, and which of our settings that means.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::bounds::{self, METADATA, METADATA_KEY, METADATA_VALUE, Reference, SUFFIX, Seed, Text};
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::names;
use crate::http::extract::names::UserName;
use crate::http::reply::schema;
use crate::ml::train::{LEARNING_RATE_MULTIPLIER, Range, Recipe, TrainConfig};
use crate::registry::Named;
use crate::store;

/// `{model, training_file}` and what may come beside them. `recipe`, `config` and `alias` are this server's own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateJobBody {
    /// The model to tune: an id, name or alias.
    #[schema(inline, example = "default")]
    pub(super) model: Reference,
    /// The id of a file with the purpose `fine-tune`.
    #[schema(inline)]
    pub(super) training_file: Reference,
    /// The id of another file. It is measured before and after, on its own scale of scores, and never trained
    /// on. What stops training early is measured on a part of the training file.
    #[schema(inline)]
    pub(super) validation_file: Option<Reference>,
    /// Stands in the tuned model's name, before eight characters that make it the only one of that name.
    #[schema(inline, value_type = Option<SuffixOnly>)]
    pub(super) suffix: Option<Suffix>,
    /// Left out, it is 42.
    #[schema(inline)]
    seed: Option<Seed>,
    /// The old place of `method.supervised.hyperparameters`.
    hyperparameters: Option<Hyperparameters>,
    method: Option<Method>,
    /// None are there: an empty list or null.
    #[schema(inline, value_type = Option<NoIntegrations>)]
    integrations: Option<Vec<Value>>,
    /// At most 16 pairs of your own; the job tells them again.
    #[schema(inline, value_type = Option<Metadata>)]
    pub(super) metadata: Option<BTreeMap<String, String>>,
    /// This server's own: the name of the settings.
    #[schema(example = "recommended")]
    recipe: Option<Recipe>,
    /// This server's own: settings in the place of the recipe's.
    #[schema(value_type = Option<TrainConfig>)]
    config: Option<Map<String, Value>>,
    /// This server's own: an alias that means the tuned model as soon as it is there.
    #[schema(inline, value_type = Option<UserName>)]
    pub(super) alias: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Method {
    #[expect(dead_code, reason = "there is one")]
    r#type: MethodKind,
    supervised: Option<Supervised>,
    /// Cannot be done here: null.
    #[schema(schema_with = schema::null)]
    dpo: Option<Value>,
    /// Cannot be done here: null.
    #[schema(schema_with = schema::null)]
    reinforcement: Option<Value>,
}

/// The one method that there is: examples show what should be.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum MethodKind {
    Supervised,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Supervised {
    hyperparameters: Option<Hyperparameters>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Hyperparameters {
    /// Our `epochs`.
    #[schema(schema_with = epochs)]
    n_epochs: Auto<u64>,
    /// Our `batch_size`.
    #[schema(schema_with = batch_size)]
    batch_size: Auto<u64>,
    /// Multiplies the `learning_rate` of the recipe, or of `config`.
    #[schema(schema_with = multiplier)]
    learning_rate_multiplier: Auto<f64>,
}

fn epochs() -> RefOr<Schema> {
    schema::setting_or_auto(Type::Integer, &Range::of("epochs"))
}

fn batch_size() -> RefOr<Schema> {
    schema::setting_or_auto(Type::Integer, &Range::of("batch_size"))
}

fn multiplier() -> RefOr<Schema> {
    schema::setting_or_auto(Type::Number, &LEARNING_RATE_MULTIPLIER)
}

/// None are there.
struct NoIntegrations;

impl PartialSchema for NoIntegrations {
    fn schema() -> RefOr<Schema> {
        let nothing = ObjectBuilder::new().schema_type(Type::Object).max_properties(Some(0));
        ArrayBuilder::new().items(nothing).max_items(Some(0)).build().into()
    }
}

impl ToSchema for NoIntegrations {}

/// What stands before eight characters in a name.
pub(super) type Suffix = Text<0, { *SUFFIX.end() }>;

/// The same as the API's description tells it.
struct SuffixOnly;

impl PartialSchema for SuffixOnly {
    fn schema() -> RefOr<Schema> {
        let pattern = r"^((?!\.|ft_|job_|ds_)[\p{Alphabetic}\p{N}._-]+)?$";
        bounds::text_schema(&SUFFIX, false).pattern(Some(pattern)).build().into()
    }
}

impl ToSchema for SuffixOnly {}

/// Pairs of a client's own.
pub(super) struct Metadata;

impl PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        let values = bounds::text_schema(&METADATA_VALUE, false).build();
        let keys = bounds::text_schema(&METADATA_KEY, false).build();
        let object = ObjectBuilder::new().additional_properties(Some(Schema::from(values)));
        object.property_names(Some(Schema::from(keys))).max_properties(Some(*METADATA.end())).build().into()
    }
}

impl ToSchema for Metadata {}

/// A number, or `"auto"` or null for the recipe's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Auto<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Auto<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self(None)),
            Value::String(text) if text == "auto" => Ok(Self(None)),
            Value::Number(number) => {
                // A negative number, or a fraction where none may be, is told as what it is.
                let text = number.to_string();
                let parsed = T::deserialize(number);
                parsed.map(|number| Self(Some(number))).map_err(|_| {
                    D::Error::custom(format!("invalid value: {text}, expected a whole number above 0, or \"auto\""))
                })
            }
            other => Err(D::Error::custom(format!("invalid type: {other}, expected a number or \"auto\""))),
        }
    }
}

/// Our settings, as far as the body names them.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) recipe: Recipe,
    pub(super) config: Map<String, Value>,
    /// Multiplies the learning rate that comes out of recipe and config.
    pub(super) learning_rate_multiplier: Option<f64>,
}

impl CreateJobBody {
    /// What of our settings the body means, where all that it asks for can be done.
    pub(super) fn settings(&self) -> Result<Settings> {
        if self.integrations.as_ref().is_some_and(|list| !list.is_empty()) {
            return Err(impossible(
                "integrations",
                "There are no integrations here: texts and figures stay on this machine",
            ));
        }
        if let Some(method) = &self.method {
            for (field, value) in [("method.dpo", &method.dpo), ("method.reinforcement", &method.reinforcement)] {
                if value.is_some() {
                    return Err(impossible(field, "Pairs are learnt by the method \"supervised\" alone"));
                }
            }
        }
        check_metadata(self.metadata.as_ref().unwrap_or(&BTreeMap::new()))?;
        let old = self.hyperparameters.unwrap_or_default();
        let new = self.method.as_ref().and_then(|method| method.supervised.as_ref());
        let new = new.and_then(|supervised| supervised.hyperparameters).unwrap_or_default();
        let epochs = one_of(old.n_epochs, new.n_epochs, "n_epochs")?;
        let batch_size = one_of(old.batch_size, new.batch_size, "batch_size")?;
        let multiplier =
            one_of(old.learning_rate_multiplier, new.learning_rate_multiplier, "learning_rate_multiplier")?;
        if let Some(multiplier) = multiplier.filter(|multiplier| !LEARNING_RATE_MULTIPLIER.holds(*multiplier)) {
            return Err(ApiError::of(Code::ConfigNotUsable)
                .param("learning_rate_multiplier")
                .detail(format!("The learning_rate_multiplier {multiplier} {LEARNING_RATE_MULTIPLIER}."))
                .hint("Send a number above 0, or leave it out."));
        }
        let mut config = self.config.clone().unwrap_or_default();
        let named = [
            ("epochs", epochs.map(|n| json!(n))),
            ("batch_size", batch_size.map(|n| json!(n))),
            ("seed", self.seed.map(|n| json!(n.get()))),
        ];
        for (name, value) in named {
            let Some(value) = value else { continue };
            if config.get(name).is_some_and(|other| *other != value) {
                return Err(twice(&format!("config.{name}")));
            }
            config.insert(name.to_owned(), value);
        }
        Ok(Settings { recipe: self.recipe.unwrap_or_default(), config, learning_rate_multiplier: multiplier })
    }

    /// The tuned model's name; `None` for its id.
    pub(super) fn model_name(&self) -> Result<Option<String>> {
        let Some(suffix) = self.suffix.as_deref().filter(|suffix| !suffix.is_empty()) else { return Ok(None) };
        let id = store::new_id("ft");
        let name = format!("{suffix}-{}", &id[id.len() - 8..]);
        names::check(&name, "suffix", Named::Model)?;
        Ok(Some(name))
    }
}

/// Whether pairs of a client's own are few and short.
pub(super) fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<()> {
    let (count, longest) = (metadata.len(), |length: Option<usize>| length.unwrap_or(0));
    let key = longest(metadata.keys().map(|key| key.chars().count()).max());
    let value = longest(metadata.values().map(|value| value.chars().count()).max());
    if METADATA.contains(&count) && METADATA_KEY.contains(&key) && METADATA_VALUE.contains(&value) {
        return Ok(());
    }
    Err(ApiError::of(Code::MetadataTooLarge)
        .param("metadata")
        .detail(format!("The metadata has {count} pairs, keys of up to {key} characters and values of up to {value}.")))
}

fn impossible(field: &str, reason: &str) -> ApiError {
    ApiError::about(Code::NotSupported, field, format!("{field:?} cannot be honoured. {reason}."))
}

fn twice(field: &str) -> ApiError {
    ApiError::about(Code::FormUnclear, field, format!("{field:?} is given a second time with another value."))
        .hint("Send it once.")
}

fn one_of<T: PartialEq>(old: Auto<T>, new: Auto<T>, name: &str) -> Result<Option<T>> {
    match (old.0, new.0) {
        (Some(old), Some(new)) if old != new => Err(twice(&format!("hyperparameters.{name}"))),
        (old, new) => Ok(new.or(old)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(others: &Value) -> CreateJobBody {
        let mut body = json!({ "model": "default", "training_file": "ds_1" });
        body.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn hyperparameters_are_settings_wherever_they_stand() {
        let asked = json!({ "n_epochs": 2, "batch_size": "auto", "learning_rate_multiplier": 0.5 });
        for body in [
            body(&json!({ "hyperparameters": asked, "seed": 7 })),
            body(&json!({ "method": { "type": "supervised", "supervised": { "hyperparameters": asked } }, "seed": 7 })),
        ] {
            let settings = body.settings().unwrap();
            assert_eq!(Value::from(settings.config), json!({ "epochs": 2, "seed": 7 }));
            assert_eq!(settings.learning_rate_multiplier, Some(0.5));
        }
        let nothing = json!({ "hyperparameters": { "n_epochs": "auto" }, "integrations": [], "suffix": null, "method": { "type": "supervised", "dpo": null } });
        assert!(body(&nothing).settings().unwrap().config.is_empty());
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        for refused in [
            json!({ "integrations": [{ "type": "wandb", "wandb": { "project": "x" } }] }),
            json!({ "method": { "type": "supervised", "dpo": {} } }),
            json!({ "hyperparameters": { "n_epochs": 2 }, "config": { "epochs": 3 } }),
            json!({ "hyperparameters": { "learning_rate_multiplier": 0.0 } }),
            json!({ "metadata": { "k": "v".repeat(513) } }),
        ] {
            assert!(body(&refused).settings().is_err(), "{refused}");
        }
        for wrong in [json!("2"), json!(-1), json!(1.5), json!([1])] {
            let text = json!({ "n_epochs": wrong }).to_string();
            assert!(serde_json::from_str::<Hyperparameters>(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_suffix_stands_in_a_name_of_its_own() {
        let name = || body(&json!({ "suffix": "occupations" })).model_name().unwrap().unwrap();
        let (first, second) = (name(), name());
        assert!(first.starts_with("occupations-") && first != second, "{first} {second}");
        assert_eq!(body(&json!({})).model_name().unwrap(), None);
        assert!(body(&json!({ "suffix": "a/b" })).model_name().is_err());
    }
}
