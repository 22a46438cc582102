//! What an inspection says of the public tables that the project may not ship.

use std::sync::Arc;

use tables::choices::Why;
use tables::choices::{LowestMeans, TableOptions};
use tables::inspect::{InspectContext, Inspection, inspect};
use tables::source::Input;

use crate::fixtures::public_data;

fn look(file: &str) -> Option<Inspection> {
    let input = Input::bytes(Arc::from(public_data(file)?));
    let around = InspectContext::default();
    Some(inspect(&input, &TableOptions::default(), &around).expect("public data is well formed"))
}

#[test]
fn the_tutorials_file_is_recognised_as_angular() {
    let Some(seen) = look("data/tutorial/training_data.csv") else { return };
    let meaning = seen.lowest_means.as_ref().expect("it has scores");
    assert_eq!((meaning.value, meaning.why), (Some(LowestMeans::Angular), Some(Why::Recognised)));
    assert_eq!((seen.rows.usable, seen.blocked_by.len()), (98, 0));
    // A cell of row 9 holds a line break.
    assert_eq!(seen.facts.iter().find(|row| row.row == 10).map(|row| row.line), Some(11));
    let finding = |code: &str| seen.findings.iter().find(|finding| finding.code == code);
    for code in ["repeated_pairs", "hub_text", "sorted_by_score", "languages"] {
        assert!(finding(code).is_some(), "{code}");
    }
    let hub = finding("hub_text").expect("it was found");
    assert!(hub.rows == 62 && hub.message.contains("data scientist") && !hub.examples.is_empty(), "{hub:?}");
}

#[test]
fn the_sts_files_are_read_by_place_on_their_scale() {
    for file in ["data/sts/stsb-ja-train.csv", "data/sts/stsb-en-train.csv"] {
        let Some(seen) = look(file) else { return };
        let scale = seen.scale.expect("it has scores");
        assert_eq!(
            (seen.dialect.header, scale.lowest, scale.highest, seen.rows.usable),
            (false, 0.0, 5.0, 5749),
            "{file}"
        );
    }
}
