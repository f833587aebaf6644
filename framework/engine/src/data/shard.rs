//! Decoded pictures in a file. The main type is [`Shard`].
//!
//! Pictures one after the other, each followed by its mask; then a table of where each is, and what it must hash to; then
//! the end of the file, by which a whole one is known. Numbers are little-endian.

use fovea_api::{Mask, RgbImage, Sample};
use fovea_records::temporary::Temporary;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a file ends with; to be changed with the format.
const MAGIC: [u8; 16] = *b"fovea pictures 1";
/// Bytes of a row of the table.
const ROW: usize = 32;
/// Bytes after the table: its place, the number of rows, its hash, [`MAGIC`].
const END: usize = 8 + 8 + 32 + 16;

/// How the mask of a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MaskForm {
    /// There is none.
    None,
    /// Black and white, a bit a pixel, the first pixel in the lowest bit.
    Bits,
    /// A byte a pixel.
    Bytes,
}

/// The pixels of a byte of a mask.
const EIGHT: [[u8; 8]; 256] = {
    let mut pixels = [[0; 8]; 256];
    let mut place = 0;
    while place < 256 * 8 {
        pixels[place / 8][place % 8] = if ((place / 8) >> (place % 8)) & 1 == 1 { 255 } else { 0 };
        place += 1;
    }
    pixels
};

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    offset: u64,
    width: u32,
    height: u32,
    mask: MaskForm,
    /// The first bytes of the BLAKE3 of picture and mask, as they are written.
    hash: u64,
}

impl Row {
    fn bytes(self) -> [u8; ROW] {
        let mut bytes = [0; ROW];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.width.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.height.to_le_bytes());
        bytes[16] = self.mask as u8;
        bytes[24..].copy_from_slice(&self.hash.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8; ROW]) -> Option<Self> {
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let short = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let mask = match bytes[16] {
            0 => MaskForm::None,
            1 => MaskForm::Bits,
            2 => MaskForm::Bytes,
            _ => return None,
        };
        Some(Self { offset: long(0), width: short(8), height: short(12), mask, hash: long(24) })
    }

    fn area(self) -> usize {
        self.width as usize * self.height as usize
    }

    fn length(self) -> usize {
        let mask = match self.mask {
            MaskForm::None => 0,
            MaskForm::Bits => self.area().div_ceil(8),
            MaskForm::Bytes => self.area(),
        };
        3 * self.area() + mask
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    u64::from_le_bytes(std::array::from_fn(|i| hash.as_bytes()[i]))
}

/// A picture and its mask as they are written.
fn written(sample: &Sample) -> (MaskForm, Vec<u8>) {
    let mut bytes = sample.image.pixels.clone();
    let Some(mask) = &sample.mask else { return (MaskForm::None, bytes) };
    if mask.pixels.iter().any(|v| !matches!(v, 0 | 255)) {
        bytes.extend(&mask.pixels);
        return (MaskForm::Bytes, bytes);
    }
    bytes.extend(
        mask.pixels
            .chunks(8)
            .map(|eight| eight.iter().enumerate().fold(0, |byte, (bit, pixel)| byte | ((pixel & 1) << bit))),
    );
    (MaskForm::Bits, bytes)
}

/// Bytes that a picture takes in a file.
pub(super) fn length(sample: &Sample) -> u64 {
    (written(sample).1.len() + ROW) as u64
}

/// Writes pictures to a file that appears whole or not at all.
pub(super) struct ShardWriter {
    temporary: Temporary,
    file: BufWriter<File>,
    offset: u64,
    table: Vec<u8>,
}

impl ShardWriter {
    /// Begins a file; its folder exists.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let temporary = Temporary::beside(path);
        let file = BufWriter::with_capacity(1 << 20, File::create(temporary.path())?);
        Ok(Self { temporary, file, offset: 0, table: Vec::new() })
    }

    /// Adds the next picture.
    pub(super) fn push(&mut self, sample: &Sample) -> io::Result<()> {
        let side = |v: usize| u32::try_from(v).map_err(io::Error::other);
        let (mask, bytes) = written(sample);
        let (width, height) = (side(sample.image.width)?, side(sample.image.height)?);
        let row = Row { offset: self.offset, width, height, mask, hash: hash(&bytes) };
        self.file.write_all(&bytes)?;
        self.offset += bytes.len() as u64;
        self.table.extend(row.bytes());
        Ok(())
    }

    /// Ends the file and gives it its name. It is not flushed to the disk: what a power cut leaves is seen when it is
    /// opened or read.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let count = (self.table.len() / ROW) as u64;
        self.file.write_all(&self.table)?;
        self.file.write_all(&self.offset.to_le_bytes())?;
        self.file.write_all(&count.to_le_bytes())?;
        self.file.write_all(blake3::hash(&self.table).as_bytes())?;
        self.file.write_all(&MAGIC)?;
        self.file.flush()?;
        self.temporary.keep()
    }
}

/// A file of pictures, opened. Pictures are read, not mapped: the kernel's page cache is shared by all workers either
/// way, and a file that is cut short meanwhile is an error rather than a signal.
#[derive(Debug)]
pub(super) struct Shard {
    file: File,
    rows: Vec<Row>,
    /// Whether a picture's hash was seen to be right.
    checked: Vec<AtomicBool>,
}

impl Shard {
    /// Opens a file of so many pictures. The error says what is wrong with it; there may also be none.
    pub(super) fn open(path: &Path, count: usize) -> Result<Option<Self>, String> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|e| e.to_string())?,
        };
        let rows = Self::table(&file, count).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => "it is cut short".to_owned(),
            _ => e.to_string(),
        })?;
        let checked = rows.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Some(Self { file, rows, checked }))
    }

    fn table(file: &File, count: usize) -> io::Result<Vec<Row>> {
        let damaged = || io::Error::other("its table is damaged");
        let length = file.metadata()?.len();
        let end = length.checked_sub(END as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut tail = [0; END];
        file.read_exact_at(&mut tail, end)?;
        if tail[END - MAGIC.len()..] != MAGIC {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| tail[at + i]));
        if number(8) != count as u64 || number(0).checked_add((count * ROW) as u64) != Some(end) {
            return Err(damaged());
        }
        let mut table = vec![0; count * ROW];
        file.read_exact_at(&mut table, number(0))?;
        if blake3::hash(&table).as_bytes()[..] != tail[16..48] {
            return Err(damaged());
        }
        table.as_chunks::<ROW>().0.iter().map(|row| Row::read(row).ok_or_else(damaged)).collect()
    }

    /// A picture. The first time its hash is checked; the error says what is wrong.
    pub(super) fn sample(&self, place: usize) -> Result<Sample, String> {
        let row = self.rows[place];
        let mut bytes = vec![0; row.length()];
        self.file.read_exact_at(&mut bytes, row.offset).map_err(|e| e.to_string())?;
        if !self.checked[place].load(Ordering::Relaxed) {
            if hash(&bytes) != row.hash {
                return Err("a picture in it is damaged".to_owned());
            }
            self.checked[place].store(true, Ordering::Relaxed);
        }
        let (width, height, area) = (row.width as usize, row.height as usize, row.area());
        let written = &bytes[3 * area..];
        let pixels = match row.mask {
            MaskForm::None => None,
            MaskForm::Bytes => Some(written.to_vec()),
            MaskForm::Bits => {
                let mut pixels = Vec::with_capacity(area.next_multiple_of(8));
                written.iter().for_each(|byte| pixels.extend_from_slice(&EIGHT[usize::from(*byte)]));
                pixels.truncate(area);
                Some(pixels)
            }
        };
        let mask = pixels.map(|pixels| Mask { width, height, pixels });
        bytes.truncate(3 * area);
        Ok(Sample { image: RgbImage { width, height, pixels: bytes }, mask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn samples() -> Vec<Sample> {
        let sample = |width: usize, height: usize, mask: Option<Vec<u8>>| Sample {
            image: RgbImage { width, height, pixels: (0..3 * width * height).map(|i| i as u8).collect() },
            mask: mask.map(|pixels| Mask { width, height, pixels }),
        };
        vec![
            sample(5, 3, Some((0..15).map(|i| if i % 3 == 0 { 255 } else { 0 }).collect())),
            sample(2, 2, None),
            sample(2, 1, Some(vec![7, 255])),
        ]
    }

    fn write(path: &Path) -> Vec<u8> {
        let mut writer = ShardWriter::create(path).unwrap();
        samples().iter().for_each(|sample| writer.push(sample).unwrap());
        writer.finish().unwrap();
        fs::read(path).unwrap()
    }

    #[test]
    fn pictures_come_back_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pack");
        assert!(Shard::open(&path, 3).unwrap().is_none());
        let bytes = write(&path);
        let shard = Shard::open(&path, 3).unwrap().unwrap();
        for (place, sample) in samples().iter().enumerate() {
            assert_eq!(shard.sample(place).unwrap(), *sample);
            assert_eq!(shard.sample(place).unwrap(), *sample, "not checked again, and the same");
        }
        let lengths: u64 = samples().iter().map(length).sum();
        assert_eq!(bytes.len() as u64, lengths + END as u64);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
        assert!(Shard::open(&path, 4).unwrap_err().contains("damaged"));
    }

    #[test]
    fn every_damage_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pack");
        let bytes = write(&path);
        for cut in [0, 1, 20, END, bytes.len() - 1] {
            fs::write(&path, &bytes[..cut]).unwrap();
            assert!(Shard::open(&path, 3).unwrap_err().contains("cut short"), "{cut} of {}", bytes.len());
        }
        let reserved = |at: usize| at >= bytes.len() - END - 3 * ROW && at < bytes.len() - END;
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            let seen = match Shard::open(&path, 3) {
                Err(_) => true,
                Ok(shard) => (0..3).any(|place| shard.as_ref().unwrap().sample(place).is_err()),
            };
            assert!(seen, "byte {at}{}", if reserved(at) { " of the table" } else { "" });
        }
    }
}
