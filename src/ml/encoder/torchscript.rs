//! An encoder as TorchScript: one file that PyTorch runs without Shamisen.
//!
//! libtorch records what a forward pass does to its input tensors and keeps every other tensor, the
//! weights, as a constant. A number that Rust takes out of a tensor would become a constant too, so the
//! pass that is recorded takes none: [`Encoder::forward_recordable`].

use std::fs::File;
use std::path::Path;

use tch::{CModule, Device, Kind, Tensor};

use super::standalone::write_embeddings;
use super::{Encoder, Model};
use crate::ml::{Error, Result};

/// Writes `model` to the new file `path`: `forward(ids, lengths)`, int64 `(N,)` and `(B,)` to float32
/// `(B, D)`, for any number of texts and tokens. `base` is the folder of the full model that it is, or
/// is a delta of.
///
/// The table goes through a file beside `path` that is gone in the end; it is never whole in memory.
pub(crate) fn write_torchscript(path: &Path, model: &Model, base: &Path) -> Result<()> {
    let rows = path.with_extension("rows");
    write_embeddings(&rows, model, base)?;
    let embeddings = mapped_embeddings(&rows, model.encoder.word_embeddings().size())?;
    let encoder = model.encoder.shallow_clone();
    // What libtorch records belongs to a thread. One of its own ends with the recording, however that goes.
    let recorded = std::thread::scope(|scope| scope.spawn(move || record(path, &*encoder, &embeddings)).join());
    recorded.map_err(|_| Error::model(path, "libtorch could not record the model"))??;
    std::fs::remove_file(&rows).map_err(|error| Error::file(&rows, error))?;
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| Error::file(path, error))
}

/// A file of float32 numbers as a matrix `(V, E)` that owns its mapping.
fn mapped_embeddings(path: &Path, (rows, columns): (i64, i64)) -> Result<Tensor> {
    let name = path.to_str().ok_or_else(|| Error::model(path, "libtorch needs a path in UTF-8"))?;
    Ok(Tensor::f_from_file(name, false, rows * columns, (Kind::Float, Device::Cpu))?.f_reshape([rows, columns])?)
}

fn record(path: &Path, encoder: &dyn Encoder, embeddings: &Tensor) -> Result<()> {
    let _guard = tch::no_grad_guard();
    // Any batch will do: nothing of its sizes is kept, and a test runs others.
    let inputs = [Tensor::from_slice(&[0_i64, 0, 0, 0, 0]), Tensor::from_slice(&[2_i64, 3])];
    let module = CModule::create_by_tracing("Encoder", "forward", &inputs, &mut |inputs| {
        let [ids, lengths] = inputs else { unreachable!("as many as were given") };
        vec![encoder.forward_recordable(&embeddings.index_select(0, ids), lengths)]
    })?;
    Ok(module.save(path)?)
}
