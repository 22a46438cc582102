//! Training on labelled texts.

use shamisen::ml::Error;
use shamisen::ml::train::{
    Checkpoint, Conditions, ContrastConfig, LOSSES, LossKind, SplitKind, TokenPair, TrainConfig, TrainData, split,
    train,
};
use tables::TableKind;

use super::checkpoint::Stops;
use super::{Losses, example_rows, outcome};
use crate::fixtures::base;

fn data<'a>(training: &'a [TokenPair], validation: &'a [TokenPair]) -> TrainData<'a> {
    TrainData { kind: TableKind::Labelled, training, validation, ..TrainData::default() }
}

fn short(loss: LossKind) -> TrainConfig {
    TrainConfig { loss, epochs: 2, learning_rate: 1e-4, split: SplitKind::Random, ..TrainConfig::default() }
}

#[test]
fn every_loss_learns_from_labels_and_the_epochs_tell_how_well_they_are_told_apart() {
    for info in &LOSSES {
        let mut model = base();
        let config = short(info.name);
        let parts = split(example_rows(&model, TableKind::Labelled), &config).unwrap();
        let mut losses = Losses::default();
        let data = data(&parts.training, &parts.validation);
        let report = train(&mut *model.encoder, &data, &config, &mut losses, None).unwrap();
        assert!(losses.0.iter().any(|loss| *loss > 0.0), "{:?} {:?}", info.name, losses.0);
        for epoch in &report.epochs {
            assert!(epoch.val_map.is_some_and(|precision| (0.0..=1.0).contains(&precision)), "{:?}", info.name);
            assert!(epoch.val_nearest_neighbour.is_some() && epoch.val_mrr.is_none());
        }
    }
}

#[test]
fn a_run_on_labels_that_stopped_goes_on_to_the_same_bits() {
    let config = TrainConfig { contrast: Some(ContrastConfig::default()), ..short(LossKind::CosineMse) };
    let mut model = base();
    let parts = split(example_rows(&model, TableKind::Labelled), &config).unwrap();
    let data = data(&parts.training, &parts.validation);
    let mut losses = Losses::default();
    let report = train(&mut *model.encoder, &data, &config, &mut losses, None).unwrap();
    let unbroken = outcome(&model, &parts.training[0], losses.0, report);

    // In the second epoch, whose pairs are others than those of the first.
    let mut model = base();
    let place = tempfile::tempdir().unwrap();
    let conditions = Conditions::of(&config, &data, &model.card.fingerprint);
    let folder = place.path().join("ckpt");
    let mut stops = Stops { after: 6, folder, conditions: conditions.clone(), manifest: None, losses: Vec::new() };
    let stopped = train(&mut *model.encoder, &data, &config, &mut stops, None);
    assert!(matches!(stopped, Err(Error::Cancelled)));
    let mut resumed = base();
    let (checkpoint, _) = Checkpoint::load(&stops.folder, &stops.manifest.unwrap(), &conditions).unwrap();
    let mut losses = Losses(stops.losses.clone());
    let report = train(&mut *resumed.encoder, &data, &config, &mut losses, Some(checkpoint)).unwrap();
    assert_eq!(outcome(&resumed, &parts.training[0], losses.0, report), unbroken);
}

#[test]
fn texts_of_one_label_and_labels_of_one_text_are_refused() {
    let model = base();
    let rows = example_rows(&model, TableKind::Labelled);
    let config = short(LossKind::Mnrl);
    let reason = |rows: &[TokenPair]| {
        let mut encoder = model.encoder.shallow_clone();
        let refused = train(&mut *encoder, &data(rows, rows), &config, &mut Losses::default(), None);
        refused.unwrap_err().to_string()
    };
    let one: Vec<TokenPair> = rows.iter().step_by(4).cloned().collect();
    assert!(reason(&one).contains("one label"), "{}", reason(&one));
    assert!(reason(&rows[..4]).contains("two different"), "{}", reason(&rows[..4]));
}
