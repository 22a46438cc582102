//! Event files that TensorBoard reads, with Keras' tags, so that curves lie over a notebook's.
//!
//! A file is a run of TFRecords, each `length, masked crc32c of it, bytes, masked crc32c of them`, whose
//! bytes are an `Event` in protobuf: `wall_time = 1, step = 2, file_version = 3, summary = 5`; a
//! `Summary.Value` is `tag = 1, simple_value = 2`. A crash leaves a torn tail, which readers tolerate.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::ml::train::EpochRecord;

struct EventFile(File);

impl EventFile {
    /// A new file in a folder, which is made where it is not there.
    fn create(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let name = format!("events.out.tfevents.{}.shamisen", wall_time() as u64);
        let mut file = Self(File::create_new(folder.join(name))?);
        file.event(0, |event| field(event, 3, b"brain.Event:2"))?;
        Ok(file)
    }

    fn scalar(&mut self, tag: &str, step: usize, value: f64) -> std::io::Result<()> {
        let mut scalar = Vec::new();
        field(&mut scalar, 1, tag.as_bytes());
        scalar.push(2 << 3 | 5);
        scalar.extend((value as f32).to_le_bytes());
        let mut summary = Vec::new();
        field(&mut summary, 1, &scalar);
        self.event(step as u64, |event| field(event, 5, &summary))
    }

    fn event(&mut self, step: u64, what: impl FnOnce(&mut Vec<u8>)) -> std::io::Result<()> {
        let mut event = vec![1 << 3 | 1];
        event.extend(wall_time().to_le_bytes());
        event.push(2 << 3);
        varint(&mut event, step);
        what(&mut event);
        let length = (event.len() as u64).to_le_bytes();
        let record = [&length[..], &masked_crc(&length), &event, &masked_crc(&event)].concat();
        self.0.write_all(&record)
    }
}

fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn field(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

fn masked_crc(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// A run's curves: the folders `train` and `validation`, as Keras' callback makes them.
pub(super) struct Curves {
    train: EventFile,
    validation: EventFile,
}

impl Curves {
    pub(super) fn create(folder: &Path) -> std::io::Result<Self> {
        Ok(Self {
            train: EventFile::create(&folder.join("train"))?,
            validation: EventFile::create(&folder.join("validation"))?,
        })
    }

    /// A step's loss; steps count from 1 over the whole run.
    pub(super) fn step(&mut self, step: usize, loss: f64) -> std::io::Result<()> {
        self.train.scalar("batch_loss", step, loss)
    }

    /// An epoch's metrics; like Keras, the first epoch stands at 0.
    pub(super) fn epoch(&mut self, record: &EpochRecord) -> std::io::Result<()> {
        let at = record.epoch - 1;
        self.train.scalar("epoch_loss", at, record.loss)?;
        self.train.scalar("epoch_learning_rate", at, record.learning_rate)?;
        self.validation.scalar("epoch_loss", at, record.val_loss)?;
        self.validation.scalar("epoch_mean_absolute_error", at, record.val_mae)?;
        self.validation.scalar("epoch_mean_absolute_percentage_error", at, record.val_mape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_check_sums_are_the_formats() {
        // crc32c of "123456789" is 0xe3069283 (RFC 3720, appendix B.4 names the polynomial).
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        let expected = 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(masked_crc(b"123456789"), expected.to_le_bytes());
    }
}
