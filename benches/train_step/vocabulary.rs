//! Does a step's cost grow with the vocabulary? The same batches over tables of different heights.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use shamisen::ml::encoder::{self, Encoder, Model};
use shamisen::ml::train::TokenPair;
use tch::Tensor;

use super::{config, median, say, timed_epochs};

/// The table's name in a model's file.
const TABLE: &str = "EncoderDNN/EmbeddingLookup/embeddings";

/// How many times as high the other table is.
const TIMES: i64 = 8;

/// Prints the median seconds of an epoch over each table, and the ratio.
pub(crate) fn measure(
    model: &Model,
    folder: &Path,
    pairs: &[TokenPair],
    batch_size: usize,
    rounds: usize,
) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let rows = model.encoder.word_embeddings().size().0;
    let ids: Vec<i64> =
        pairs.iter().flat_map(|pair| pair.left.iter().chain(&pair.right)).map(|&id| id.into()).collect();
    let ids: Vec<i64> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let heights = [rows, TIMES * rows];
    let mut contenders = Vec::new();
    for height in heights {
        let folder_of_height = scratch.path().join(height.to_string());
        let places = write(&folder_of_height, folder, &*model.encoder, &ids, height)?;
        contenders.push((folder_of_height, moved(pairs, &places)?));
    }

    let (mut seconds, mut losses) = (vec![Vec::new(); 2], vec![Vec::new(); 2]);
    for round in 0..rounds {
        for (contender, (folder, pairs)) in contenders.iter().enumerate() {
            // Loaded anew: training changes the weights.
            let mut encoder = encoder::load(folder)?.encoder;
            let epochs = timed_epochs(&mut *encoder, pairs, &config(batch_size, 2))?;
            if round > 0 {
                seconds[contender].push(epochs[1].seconds);
            }
            losses[contender] = epochs.into_iter().flat_map(|epoch| epoch.losses).collect();
        }
    }
    let ratios = seconds[1].iter().zip(&seconds[0]).map(|(high, low)| high / low).collect();
    let medians: Vec<f64> = seconds.into_iter().map(median).collect();
    say(&serde_json::json!({
        "table_rows": heights, "rows_in_use": ids.len(), "batch_size": batch_size, "epoch_seconds": medians,
        "losses_equal": losses[0] == losses[1], "ratio": median(ratios),
    }))
}

/// Writes the model with a table of `height` rows, in which those of `ids` lie evenly, and says where
/// each is. The rest of the table is a hole in the file.
fn write(
    target: &Path,
    source: &Path,
    encoder: &dyn Encoder,
    ids: &[i64],
    height: i64,
) -> anyhow::Result<HashMap<i64, i64>> {
    std::fs::create_dir(target)?;
    for file in ["sentencepiece.model", "shamisen.json"] {
        std::fs::copy(source.join(file), target.join(file))?;
    }
    let mut sizes: serde_json::Value = serde_json::from_slice(&std::fs::read(source.join("config.json"))?)?;
    sizes["vocab_size"] = height.into();
    std::fs::write(target.join("config.json"), sizes.to_string())?;

    let columns = encoder.word_embeddings().size().1;
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    let mut describe = |name: &str, shape: &[i64]| {
        let start = end;
        end += shape.iter().product::<i64>() * 4;
        let tensor = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]});
        header.insert(name.to_owned(), tensor);
        start
    };
    let variables = encoder.variables();
    for (name, tensor) in &variables {
        describe(name, &tensor.size());
    }
    let table = describe(TABLE, &[height, columns]);
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let data = 8 + header.len() as i64;

    let mut file = File::create_new(target.join("model.safetensors"))?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for (_, tensor) in &variables {
        file.write_all(&bytes(tensor)?)?;
    }
    file.set_len((data + end) as u64)?;
    let spacing = height / ids.len() as i64;
    let places: HashMap<i64, i64> = ids.iter().zip(0..).map(|(&id, rank)| (id, rank * spacing)).collect();
    for id in ids {
        file.seek(SeekFrom::Start((data + table + places[id] * columns * 4) as u64))?;
        file.write_all(&bytes(&encoder.word_embeddings().lookup(&[*id]))?)?;
    }
    Ok(places)
}

fn bytes(tensor: &Tensor) -> anyhow::Result<Vec<u8>> {
    let numbers = Vec::<f32>::try_from(tensor.detach().reshape(-1))?;
    Ok(numbers.into_iter().flat_map(f32::to_le_bytes).collect())
}

/// The pairs with their tokens' rows where the table has them.
fn moved(pairs: &[TokenPair], places: &HashMap<i64, i64>) -> anyhow::Result<Vec<TokenPair>> {
    let text = |ids: &[u32]| ids.iter().map(|&id| u32::try_from(places[&id.into()])).collect::<Result<_, _>>();
    let pair = |pair: &TokenPair| {
        anyhow::Ok(TokenPair {
            left: text(&pair.left)?,
            right: text(&pair.right)?,
            score: pair.score,
            ..TokenPair::default()
        })
    };
    pairs.iter().map(pair).collect()
}
