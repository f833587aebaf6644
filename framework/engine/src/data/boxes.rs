//! Boxes by picture, on disk. The main type is [`BoxCache`].

use crate::EngineError;
use fovea_api::{ImageView, Localization, Localizer, RgbImage};
use fovea_records::sealed;
use fovea_records::store::{self, FileLock, StoreError};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Boxes of one localizer (configuration, weights and version) by content of the picture: trials, runs, splits and
/// data sets share them. Boxes are appended as they are computed, so an interruption loses those of the last call;
/// one process at a time computes, others wait for it and then find its boxes.
pub struct BoxCache {
    path: PathBuf,
    known: HashMap<String, Option<Known>>,
    /// What kept boxes from being written, until somebody asks.
    problem: Option<StoreError>,
    /// Whether boxes can no longer be written: they are kept in memory then.
    full: bool,
    _lock: Option<FileLock>,
}

/// A line of the cache file.
#[derive(Serialize, Deserialize)]
struct Line {
    /// Hash of size and pixels.
    image: String,
    found: Option<Known>,
    /// Of the other two, so that damage is noticed; lines of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sum: Option<String>,
}

impl Line {
    fn new(image: &str, found: Option<Known>) -> Self {
        let sum = Some(sealed::sum(&(image, &found)));
        Self { image: image.to_owned(), found, sum }
    }

    fn is_sound(&self) -> bool {
        self.sum.as_ref().is_none_or(|sum| *sum == sealed::sum(&(&self.image, &self.found)))
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Known {
    #[serde(rename = "box")]
    bbox: [f32; 4],
    confidence: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<usize>,
}

impl BoxCache {
    /// The cache of the localizer of this key ([`Localizer::cache_key`]), locked for this process. Where nothing can be
    /// written, what is there is read and no box is kept; [`BoxCache::problem`] says so.
    ///
    /// # Errors
    /// None so far.
    pub fn open(cache_dir: &Path, key: &str) -> Result<Self, EngineError> {
        let name = &blake3::hash(key.as_bytes()).to_hex()[..32];
        let path = cache_dir.join("boxes").join(format!("{name}.jsonl"));
        let (lock, mut problem) = match FileLock::acquire(&path.with_extension("lock")) {
            Ok(lock) => (Some(lock), None),
            Err(error) => (None, Some(error)),
        };
        // Damage costs time, not correctness: what cannot be read is computed again, into a new file.
        let lines = store::read_lines::<Line>(&path, "box cache").unwrap_or_else(|_| {
            if problem.is_none() {
                problem = store::write_lines::<Line>(&path, &[]).err();
            }
            Vec::new()
        });
        let known = lines.into_iter().filter(Line::is_sound).map(|l| (l.image, l.found)).collect();
        let full = problem.is_some();
        Ok(Self { path, known, problem, full, _lock: lock })
    }

    /// Why boxes are not kept any more, told once.
    pub fn problem(&mut self) -> Option<StoreError> {
        self.problem.take()
    }

    /// The localizer's answers; it is asked only about pictures that are new. Masks are not kept.
    ///
    /// # Errors
    /// When the localizer fails.
    pub fn localize(
        &mut self,
        localizer: &dyn Localizer,
        views: &[ImageView<'_>],
    ) -> Result<Vec<Option<Localization>>, EngineError> {
        let hashes: Vec<String> = views.par_iter().map(|view| content_hash(view.image)).collect();
        // In the order of the views, so that a localizer that fails fails at the same picture again.
        let mut seen = HashSet::new();
        let fresh = hashes.iter().zip(views);
        let fresh = fresh.filter(|(hash, _)| !self.known.contains_key(*hash) && seen.insert(*hash));
        let (new, asked): (Vec<&String>, Vec<ImageView<'_>>) =
            fresh.map(|(hash, view)| (hash, *view)).unzip();
        tracing::debug!(pictures = views.len(), known = views.len() - asked.len(), "boxes by picture");
        let answers = if asked.is_empty() { Vec::new() } else { localizer.localize(&asked)? };
        let lines: Vec<Line> = new
            .into_iter()
            .zip(answers)
            .map(|(image, found)| {
                let found = found.filter(Localization::is_finite);
                Line::new(image, found.as_ref().map(Known::of))
            })
            .collect();
        // A cache that is full or read-only costs time later, and not the boxes now.
        if !self.full
            && let Err(error) = store::append_lines(&self.path, &lines)
        {
            self.full = true;
            self.problem = Some(error);
        }
        self.known.extend(lines.into_iter().map(|line| (line.image, line.found)));
        Ok(hashes.iter().map(|hash| self.known[hash].as_ref().map(Known::localization)).collect())
    }
}

impl Known {
    fn of(found: &Localization) -> Self {
        Self { bbox: found.bbox.to_array(), confidence: found.confidence, seed: found.seed }
    }

    fn localization(&self) -> Localization {
        Localization { bbox: self.bbox.into(), confidence: self.confidence, mask: None, seed: self.seed }
    }
}

fn content_hash(image: &RgbImage) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(image.width as u64).to_le_bytes()).update(&(image.height as u64).to_le_bytes());
    hasher.update(&image.pixels);
    hasher.finalize().to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fovea_api::{BBox, PluginError};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Puts a box around the first pixel's value; fails on pictures that begin with 255.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Localizer for Counting {
        fn localize(&self, images: &[ImageView<'_>]) -> Result<Vec<Option<Localization>>, PluginError> {
            self.0.fetch_add(images.len(), Ordering::Relaxed);
            let answer = |view: &ImageView<'_>| match view.image.pixels[0] {
                0 => Ok(None),
                255 => Err(PluginError::new("localizer counting", "too bright")),
                value => Ok(Some(Localization {
                    seed: Some(7),
                    ..Localization::certain(BBox::new(0.1, 0.0, f32::from(value) / 3.0, 1.0))
                })),
            };
            images.iter().map(answer).collect()
        }
    }

    fn pictures(values: &[u8]) -> Vec<RgbImage> {
        values.iter().map(|&v| RgbImage { width: 1, height: 1, pixels: vec![v; 3] }).collect()
    }

    fn views(pictures: &[RgbImage]) -> Vec<ImageView<'_>> {
        let view = |(index, image)| ImageView { id: "x", split: "train", index, image, mask: None };
        pictures.iter().enumerate().map(view).collect()
    }

    #[test]
    fn a_cache_that_cannot_be_made_is_told_once_and_costs_no_box() {
        let dir = tempfile::tempdir().unwrap();
        // As on a read-only file system: no folder can be made below a file, whoever asks.
        let place = dir.path().join("file");
        std::fs::write(&place, "").unwrap();
        let mut cache = BoxCache::open(&place, "counting").unwrap();
        let told = cache.problem().expect("a warning").to_string();
        assert!(told.contains("file/boxes"), "{told}");
        let localizer = Counting::default();
        let pictures = pictures(&[9, 9, 0]);
        for _ in 0..2 {
            assert!(cache.localize(&localizer, &views(&pictures)).unwrap()[0].is_some());
        }
        assert_eq!(localizer.0.load(Ordering::Relaxed), 2, "boxes are kept in memory");
        assert!(cache.problem().is_none());
    }

    #[test]
    fn a_picture_is_localized_once() {
        let dir = tempfile::tempdir().unwrap();
        let localizer = Counting::default();
        let asked = || localizer.0.load(Ordering::Relaxed);
        let pictures = pictures(&[9, 0, 9, 50]);
        let expected = localizer.localize(&views(&pictures)).unwrap();
        localizer.0.store(0, Ordering::Relaxed);
        for _ in 0..2 {
            let mut cache = BoxCache::open(dir.path(), "a").unwrap();
            assert_eq!(cache.localize(&localizer, &views(&pictures)).unwrap(), expected);
            assert_eq!(asked(), 3, "equal pictures count once, also in the next process");
        }
        BoxCache::open(dir.path(), "b").unwrap().localize(&localizer, &views(&pictures)).unwrap();
        assert_eq!(asked(), 6, "another key knows nothing");
    }

    #[test]
    fn an_interruption_or_damage_costs_only_what_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let localizer = Counting::default();
        let (good, bad) = (pictures(&[1, 2, 3]), pictures(&[255]));
        let mut cache = BoxCache::open(dir.path(), "a").unwrap();
        cache.localize(&localizer, &views(&good[..2])).unwrap();
        assert!(cache.localize(&localizer, &views(&bad)).is_err());
        let path = cache.path.clone();
        drop(cache);
        // A line that a crash cut short.
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"image\": \"12");
        std::fs::write(&path, &text).unwrap();
        let before = localizer.0.load(Ordering::Relaxed);
        BoxCache::open(dir.path(), "a").unwrap().localize(&localizer, &views(&good)).unwrap();
        assert_eq!(localizer.0.load(Ordering::Relaxed), before + 1);
        std::fs::write(&path, "nonsense\n").unwrap();
        BoxCache::open(dir.path(), "a").unwrap().localize(&localizer, &views(&good)).unwrap();
        assert_eq!(localizer.0.load(Ordering::Relaxed), before + 4);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3);
        // A digit of one box is another, which is still a box.
        let before = localizer.0.load(Ordering::Relaxed);
        std::fs::write(&path, text.replacen("0.1", "0.3", 1)).unwrap();
        let found = BoxCache::open(dir.path(), "a").unwrap().localize(&localizer, &views(&good)).unwrap();
        assert_eq!(localizer.0.load(Ordering::Relaxed), before + 1);
        assert!(found.iter().flatten().all(|found| found.bbox.x1 == 0.1));
        // Those of an earlier version have no sums.
        let old: String =
            text.lines().map(|line| line.split(",\"sum\"").next().unwrap().to_owned() + "}\n").collect();
        std::fs::write(&path, old).unwrap();
        let before = localizer.0.load(Ordering::Relaxed);
        BoxCache::open(dir.path(), "a").unwrap().localize(&localizer, &views(&good)).unwrap();
        assert_eq!(localizer.0.load(Ordering::Relaxed), before);
    }
}
