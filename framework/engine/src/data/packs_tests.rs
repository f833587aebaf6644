use super::*;
use fovea_api::{DataError, Mask, RgbImage, SampleMeta, SplitInfo};
use std::fs;
use std::sync::atomic::AtomicUsize;

/// Pictures that count how often they are decoded; one of them may be broken.
struct Files {
    splits: Vec<SplitInfo>,
    broken: Option<usize>,
    decoded: AtomicUsize,
}

impl DatasetSource for Files {
    fn splits(&self) -> &[SplitInfo] {
        &self.splits
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn meta(&self, _: &str, index: usize) -> SampleMeta {
        SampleMeta { id: index.to_string(), label: 0, group: None }
    }

    fn load(&self, split: &str, index: usize) -> Result<Sample, DataError> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        if split == "test" && Some(index) == self.broken {
            return Err(DataError { path: "x.jpg".into(), message: "broken".to_owned() });
        }
        let (width, height) = (3 + index % 4, 2);
        let value = |i: usize| (i * 7 + index + split.len() * 100) as u8;
        let image = RgbImage { width, height, pixels: (0..3 * width * height).map(value).collect() };
        let pixels = (0..width * height).map(|i| 255 * ((i + index) % 2) as u8).collect();
        Ok(Sample { image, mask: (!index.is_multiple_of(3)).then_some(Mask { width, height, pixels }) })
    }

    fn decodes_files(&self) -> bool {
        true
    }
}

/// As many as three files hold, the last of which is not full.
fn files() -> Files {
    let split = |name: &str, len| SplitInfo { name: name.to_owned(), len };
    let splits = vec![split("train", SHARD + 100), split("val", 0), split("test", SHARD)];
    Files { splits, broken: None, decoded: AtomicUsize::new(0) }
}

fn identity() -> PluginConfig {
    let config = serde_json::json!({ "root": "/data", "seed": 1 });
    let paths = vec!["root".to_owned()];
    PluginConfig { name: "folder".to_owned(), config, fingerprint: "abc".to_owned(), paths }
}

fn open(files: &Files, cache: &Path) -> Found {
    Packs::open(files, &identity(), (cache, 1 << 30), &|| {})
}

/// Reads every picture, sees that it is the right one, and says how many came from the cache.
fn read_all(files: &Files, packs: &Packs) -> usize {
    let mut found = 0;
    for split in &files.splits {
        for index in 0..split.len {
            let Some(sample) = packs.sample(&split.name, index) else { continue };
            assert!(sample == files.load(&split.name, index).unwrap(), "{} {index}", split.name);
            found += 1;
        }
    }
    files.decoded.store(0, Ordering::Relaxed);
    found
}

#[test]
fn a_data_set_is_decoded_once_wherever_it_lies() {
    let (dir, files) = (tempfile::tempdir().unwrap(), files());
    let found = open(&files, dir.path());
    assert_eq!(files.decoded.load(Ordering::Relaxed), 2 * SHARD + 100 + PROBED);
    assert_eq!(read_all(&files, &found.packs.unwrap()), 2 * SHARD + 100);
    assert!(found.warnings.is_empty());
    let moved = PluginConfig { config: serde_json::json!({ "root": "/moved", "seed": 1 }), ..identity() };
    let found = Packs::open(&files, &moved, (dir.path(), 1), &|| {});
    assert_eq!(files.decoded.load(Ordering::Relaxed), 0, "what is there is used, whatever the limit");
    assert_eq!(read_all(&files, &found.packs.unwrap()), 2 * SHARD + 100);
    let other = PluginConfig { fingerprint: "abd".to_owned(), ..identity() };
    assert_ne!(name(&files, &other), name(&files, &identity()));
    assert_eq!(name(&files, &moved), name(&files, &identity()));
}

#[test]
fn what_is_too_large_or_not_asked_for_is_not_written() {
    let (dir, files) = (tempfile::tempdir().unwrap(), files());
    for limit in [0, 10_000] {
        let found = Packs::open(&files, &identity(), (dir.path(), limit), &|| {});
        assert!(found.packs.is_none() && found.warnings.is_empty(), "{limit}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn damaged_files_are_written_again_with_a_warning() {
    let (dir, files) = (tempfile::tempdir().unwrap(), files());
    open(&files, dir.path());
    let folder = dir.path().join("pictures").join(name(&files, &identity()));
    let second = folder.join("0001.pack");
    let whole = fs::read(&second).unwrap();
    fs::write(&second, &whole[..whole.len() / 2]).unwrap();
    let half = folder.join(".0001.pack.1.tmp");
    fs::write(&half, "left by a process that was killed").unwrap();
    let found = open(&files, dir.path());
    assert!(
        found.warnings.len() == 1 && found.warnings[0].contains("0001.pack: it is cut short"),
        "{found:?}"
    );
    assert!(fs::read(&second).unwrap() == whole && !half.exists());
    assert_eq!(read_all(&files, &found.packs.unwrap()), 2 * SHARD + 100);

    // Damage within a picture is found when it is read: from then on the file is not used, and is made anew.
    let mut damaged = whole.clone();
    damaged[0] ^= 1;
    fs::write(&second, damaged).unwrap();
    let found = open(&files, dir.path());
    assert_eq!((found.warnings.len(), files.decoded.load(Ordering::Relaxed)), (0, 0));
    assert_eq!(read_all(&files, &found.packs.unwrap()), SHARD + 100);
    assert!(!second.exists());
    assert_eq!(read_all(&files, &open(&files, dir.path()).packs.unwrap()), 2 * SHARD + 100);
    assert!(fs::read(&second).unwrap() == whole);
}

#[test]
fn pictures_that_cannot_be_decoded_cost_no_more_than_their_file() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files { broken: Some(SHARD - 1), ..files() };
    let found = open(&files, dir.path());
    assert!(found.warnings.is_empty());
    let packs = found.packs.unwrap();
    assert!(packs.sample("test", SHARD - 1).is_none() && packs.sample("train", 0).is_some());
    assert!(packs.sample("train", SHARD - 1).is_some() && packs.sample("other", 0).is_none());
}

#[test]
fn several_at_a_time_share_the_work() {
    let (dir, files) = (tempfile::tempdir().unwrap(), files());
    std::thread::scope(|scope| {
        let open =
            || assert!(open(&files, dir.path()).packs.unwrap().shards.iter().all(|p| p.shard.is_some()));
        (0..4).for_each(|_| drop(scope.spawn(open)));
    });
    let decoded = files.decoded.load(Ordering::Relaxed);
    assert!(decoded <= 2 * SHARD + 100 + 4 * PROBED, "{decoded}");
    assert_eq!(read_all(&files, &open(&files, dir.path()).packs.unwrap()), 2 * SHARD + 100);
}
