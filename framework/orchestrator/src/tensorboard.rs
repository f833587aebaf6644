//! Curves for TensorBoard. The main type is [`EventFile`].
//!
//! The format is that of TensorFlow's summary writer: TFRecord framing (length, masked CRC-32C of the length, data,
//! masked CRC-32C of the data; little-endian) of `Event` protobufs (tensorflow/core/util/event.proto).

use fovea_records::{MetricRow, StoreError, TrialEvent, now};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// An event file that is being written.
#[derive(Debug)]
pub(crate) struct EventFile {
    path: PathBuf,
    file: File,
    /// Epochs so far: the step of what is measured in the end.
    epoch: usize,
}

impl EventFile {
    /// A new file in `dir`. TensorBoard reads all files of a folder in the order of their names.
    pub(crate) fn create(dir: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io { action: "write", path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        let time = now();
        // Nanoseconds keep two attempts in one second apart.
        let name =
            format!("events.out.tfevents.{:010}.fovea.{:09}", time as u64, (time.fract() * 1e9) as u64);
        let path = dir.join(name);
        let file = File::create_new(&path).map_err(failed)?;
        let mut events = Self { path, file, epoch: 0 };
        let mut version = double(1, time);
        version.extend(bytes(3, b"brain.Event:2"));
        events.write(&version)?;
        Ok(events)
    }

    /// Writes what an event has of numbers.
    pub(crate) fn event(&mut self, time: f64, event: &TrialEvent) -> Result<(), StoreError> {
        let scalars = match event {
            TrialEvent::Epoch(e) => {
                self.epoch = e.epoch;
                let mut scalars = vec![
                    ("train/loss".to_owned(), e.loss),
                    ("train/cross-entropy".to_owned(), e.cross_entropy),
                    ("train/accuracy".to_owned(), e.accuracy),
                    ("train/learning-rate".to_owned(), e.learning_rate),
                    ("train/images-per-second".to_owned(), e.images_per_second),
                ];
                scalars.extend(e.explanation.map(|v| ("train/explanation-loss".to_owned(), v)));
                scalars
            }
            TrialEvent::Metric(row) => vec![(tag(row), row.value)],
            _ => return Ok(()),
        };
        self.write(&scalar_event(time, self.epoch, &scalars))
    }

    fn write(&mut self, event: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(&record(event)).map_err(|source| StoreError::Io {
            action: "write",
            path: self.path.clone(),
            source,
        })
    }
}

/// `test/accuracy`, `test/accuracy/gaussian-fg/60`, `test/accuracy/class cat`.
fn tag(row: &MetricRow) -> String {
    let level = row.level.map(|level| level.to_string());
    let parts = [row.noise.clone(), level, row.subset.clone()];
    parts.into_iter().flatten().fold(format!("{}/{}", row.split, row.metric), |tag, part| tag + "/" + &part)
}

/// `Event { wall_time = 1, step = 2, summary = 5 { repeated value = 1 { tag = 1, simple_value = 2 } } }`.
fn scalar_event(time: f64, step: usize, scalars: &[(String, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in scalars {
        let mut field = bytes(1, tag.as_bytes());
        field.push(2 << 3 | 5);
        field.extend((*value as f32).to_le_bytes());
        summary.extend(bytes(1, &field));
    }
    let mut event = double(1, time);
    event.push(2 << 3);
    event.extend(varint(step));
    event.extend(bytes(5, &summary));
    event
}

/// A protobuf field of wire type 1.
fn double(field: u8, value: f64) -> Vec<u8> {
    let mut out = vec![field << 3 | 1];
    out.extend(value.to_le_bytes());
    out
}

/// A protobuf field of wire type 2.
fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    out.extend(varint(value.len()));
    out.extend(value);
    out
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A TFRecord.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut out = length.to_vec();
    out.extend(masked_crc(&length).to_le_bytes());
    out.extend(data);
    out.extend(masked_crc(data).to_le_bytes());
    out
}

/// The CRC of data that holds CRCs is a poor one, so TFRecord turns and shifts it (tensorflow/core/lib/hash/crc32c.h).
fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: a few hundred bytes an epoch need no table.
fn crc32c(data: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !data.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    /// The first record of every TensorBoard file; its bytes are those that tensorboard 2.20 writes.
    #[test]
    fn the_version_record_has_its_known_bytes() {
        let mut version = double(1, 0.0);
        version.extend(bytes(3, b"brain.Event:2"));
        let record = record(&version);
        assert_eq!(record[..12], [24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
        assert_eq!(record[12..23], [0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a, 0x0d]);
        assert_eq!(&record[23..36], b"brain.Event:2");
        assert_eq!(record.len(), 40);
    }

    #[test]
    fn a_scalar_has_its_known_bytes() {
        let event = scalar_event(1.0, 300, &[("a/b".to_owned(), 0.5)]);
        let expected = [
            &[0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02, 0x2a, 0x0c, 0x0a, 0x0a, 0x0a, 0x03][..],
            b"a/b",
            &[0x15, 0, 0, 0, 0x3f],
        ];
        assert_eq!(event, expected.concat());
    }
}
