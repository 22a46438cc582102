//! A job's settings as its row has them. Another version of this program may have written the row: the door is
//! strict, a row is read as far as it goes.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::ml::train::TrainConfig;

/// A job's settings, resolved, as far as this program can read them.
#[derive(Clone, Debug, PartialEq)]
pub struct JobConfig {
    /// Those that were read, with defaults in the place of others.
    pub settings: TrainConfig,
    /// The names of those that were not: they are unknown here, or their values are. `config` is all of them.
    pub unread: Vec<String>,
    read: Map<String, Value>,
}

impl From<String> for JobConfig {
    fn from(stored: String) -> Self {
        if let Ok(settings) = serde_json::from_str(&stored) {
            return Self { settings, unread: Vec::new(), read: Map::new() };
        }
        let (mut read, mut unread) = (Map::new(), Vec::new());
        match serde_json::from_str(&stored) {
            Ok(Value::Object(stored)) => stored.into_iter().for_each(|(name, value)| {
                if can_be(&name, &value) {
                    read.insert(name, value);
                } else if let (Value::Object(parts), true) = (&value, can_be(&name, &json!({}))) {
                    let (known, others): (Vec<_>, Vec<_>) =
                        parts.clone().into_iter().partition(|(part, value)| can_be(&name, &json!({ part: value })));
                    unread.extend(others.iter().map(|(part, _)| format!("{name}.{part}")));
                    read.insert(name, known.into_iter().collect());
                } else {
                    unread.push(name);
                }
            }),
            _ => unread.push("config".to_owned()),
        }
        let settings = serde_json::from_value(read.clone().into()).unwrap_or_default();
        Self { settings, unread, read }
    }
}

/// Whether a setting is known and may have this value.
fn can_be(name: &str, value: &Value) -> bool {
    serde_json::from_value::<TrainConfig>(json!({ name: value })).is_ok()
}

impl Serialize for JobConfig {
    /// All settings; where some could not be read, those that were, and no defaults that nobody asked for.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.unread.is_empty() { self.settings.serialize(serializer) } else { self.read.serialize(serializer) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_damage_to_a_jobs_settings_hides_the_job(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let whole = serde_json::to_vec(&TrainConfig::default()).unwrap();
            let mut damaged = whole.clone();
            damaged[place.index(whole.len())] = byte;
            for bytes in [&damaged[..], &damaged[..cut.index(whole.len())]] {
                let read = JobConfig::from(String::from_utf8_lossy(bytes).into_owned());
                // It can be shown, whatever it is.
                prop_assert!(serde_json::to_value(&read).is_ok());
            }
        }
    }
}
