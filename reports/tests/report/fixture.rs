//! A recorded run, written through the records crate's own types, with numbers that can be worked out by hand.

use fovea_records::store::{ARTEFACTS, append_line, write_atomic, write_lines};
use fovea_records::{
    Done, EpochSummary, GalleryItem, JournalEntry, MetricRow, PlannedTrial, PredictionRecord, Region,
    RunPlan, RunStore, TrialEvent, TrialId, TrialOutcome,
};
use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

pub(crate) const LOSSES: [&str; 4] = ["none", "iou", "modified-iou", "ria"];
pub(crate) const LEVELS: [f64; 4] = [30.0, 90.0, 150.0, 210.0];
pub(crate) const CLASSES: [&str; 4] = ["truck", "deer", "frog", "ship"];

/// What becomes of a trial.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    Diverged,
    Failed,
    Running,
    Untouched,
}

pub(crate) fn id(loss: &str, seed: u64) -> TrialId {
    TrialId::of(&format!("{loss} {seed}"))
}

/// Writes a run of `losses` x `seeds`.
pub(crate) fn write(root: &Path, losses: &[&str], seeds: u64, fate: impl Fn(&str, u64) -> Fate) -> RunStore {
    let store = RunStore::new(root);
    let mut trials = Vec::new();
    for loss in losses {
        for seed in 0..seeds {
            trials.push(planned(trials.len(), loss, seed));
        }
    }
    let plan = RunPlan {
        prune: None,
        name: "demo".to_owned(),
        question: Some(
            "Does training the explanation make a classifier look at the object? <b>&</b>".to_owned(),
        ),
        smoke: false,
        axes: vec!["loss".to_owned(), "seed".to_owned()],
        label_axes: Vec::new(),
        references: Vec::new(),
        command: "fovea run experiments/demo.toml".to_owned(),
        baseline: Some("loss=none".to_owned()),
        trials,
    };
    store.write_plan(&plan).unwrap();
    write_atomic(&root.join("experiment.toml"), b"name = \"demo\"\n").unwrap();
    let version = "0.1.0".to_owned();
    store
        .journal(&JournalEntry::RunStarted { time: 0.0, version, pending: plan.trials.len(), done: 0 })
        .unwrap();
    for trial in &plan.trials {
        let place = LOSSES.iter().position(|l| trial.variant == format!("loss={l}")).unwrap();
        record(&store, trial, place, fate(LOSSES[place], trial.seed));
    }
    store
}

fn planned(index: usize, loss: &str, seed: u64) -> PlannedTrial {
    PlannedTrial {
        id: id(loss, seed),
        index,
        variant: format!("loss={loss}"),
        group: None,
        seed,
        axes: vec![("loss".to_owned(), loss.to_owned()), ("seed".to_owned(), seed.to_string())],
        stage: None,
        config: serde_json::json!({
            "seed": seed,
            "dataset": {"name": "scenes", "config": {"size": 64, "bias": 0.95}},
            "model": {"name": "resnet-tiny"},
            "localizer": {"name": "center-box", "config": {"size": 0.5}},
            "loss": {"name": loss},
            "training": {"epochs": 6, "warmup_epochs": 2},
        }),
        origins: Default::default(),
    }
}

fn record(store: &RunStore, trial: &PlannedTrial, place: usize, fate: Fate) {
    if fate == Fate::Untouched {
        return;
    }
    let id = trial.id.clone();
    let dir = store.trial_dir(&id);
    std::fs::create_dir_all(&dir).unwrap();
    let events = dir.join("events.jsonl");
    let device = "cpu (2 threads)".to_owned();
    let say = |event: &TrialEvent| append_line(&events, event).unwrap();
    store.journal(&JournalEntry::TrialStarted { time: 1.0, trial: id.clone(), attempt: 1 }).unwrap();
    say(&TrialEvent::Started {
        device: device.clone(),
        from_epoch: 0,
        epochs: 6,
        origin: "scratch".to_owned(),
    });
    let epochs = match fate {
        Fate::Done => 6,
        Fate::Diverged | Fate::Running => 4,
        Fate::Failed | Fate::Untouched => 1,
    };
    let train_seconds = 40.0 + 10.0 * place as f64 + trial.seed as f64;
    let mut rows = Vec::new();
    for epoch in 1..=epochs {
        let summary = epoch_summary(epoch, place, trial.seed);
        rows.push(MetricRow::new("train", "loss", summary.loss, 512).epoch(epoch));
        rows.push(MetricRow::new("train", "accuracy", summary.accuracy, 512).epoch(epoch));
        if let Some(value) = summary.explanation {
            rows.push(MetricRow::new("train", "explanation-loss", value, 500).epoch(epoch));
        }
        rows.push(MetricRow::new("val", "accuracy", summary.accuracy - 0.05, 64).epoch(epoch));
        say(&TrialEvent::Epoch(summary));
    }
    let outcome = match fate {
        Fate::Done => TrialOutcome::Done,
        Fate::Diverged => {
            let message = "The loss became NaN at epoch 4, step 7.".to_owned();
            say(&TrialEvent::Diverged { epoch: 4, step: 7, loss: "NaN".to_owned(), found: None });
            TrialOutcome::Diverged { message }
        }
        Fate::Failed => {
            let message = "The worker was killed by signal 11 in <localizer>.".to_owned();
            say(&TrialEvent::Failed { message: message.clone() });
            TrialOutcome::Failed { message }
        }
        Fate::Running | Fate::Untouched => return,
    };
    if fate == Fate::Done {
        say(&TrialEvent::Warning { message: "12 pictures have no target box.".to_owned() });
        rows.extend(final_rows(place as f64, trial.seed as f64));
        gallery(&dir.join("gallery"), place);
        write_lines(&dir.join("predictions.jsonl"), &predictions(place, trial.seed as usize)).unwrap();
        say(&TrialEvent::Finished { train_seconds, eval_seconds: 5.5, peak_memory: None });
    }
    if fate != Fate::Failed {
        for name in ARTEFACTS.iter().filter(|name| !dir.join(name).exists()) {
            write_atomic(&dir.join(name), b"").unwrap();
        }
        write_lines(&dir.join("metrics.jsonl"), &rows).unwrap();
        let done = Done {
            ended: outcome.clone(),
            version: "0.1.0".to_owned(),
            device,
            train_seconds,
            eval_seconds: 5.5,
            peak_memory: Some(300 << 20),
            artefacts: BTreeMap::new(),
        };
        store.mark_done(&id, done).unwrap();
    }
    store.journal(&JournalEntry::TrialFinished { time: 50.0, trial: id, outcome, seconds: 45.5 }).unwrap();
}

fn epoch_summary(epoch: usize, place: usize, seed: u64) -> EpochSummary {
    let (e, v, s) = (epoch as f64, place as f64, seed as f64);
    let warm = epoch > 2 && place > 0;
    EpochSummary {
        epoch,
        epochs: 6,
        loss: 2.2 * (-0.3 * e).exp() + 0.05 * s + if warm { 0.1 + 0.08 * v } else { 0.0 },
        cross_entropy: 2.2 * (-0.3 * e).exp() + 0.05 * s,
        explanation: warm.then_some(0.9 - 0.05 * e - 0.08 * v + 0.02 * s),
        skipped: 12,
        accuracy: 1.0 - 0.85 * (-0.35 * e).exp() - 0.02 * s - 0.01 * v,
        learning_rate: 1e-3,
        seconds: 6.0,
        waited: 0.5,
        images_per_second: 85.0,
    }
}

/// Numbers of variant `v` and seed `s`, each linear in both.
fn final_rows(v: f64, s: f64) -> Vec<MetricRow> {
    let mut rows = vec![
        MetricRow::new("test", "accuracy", 0.80 + 0.02 * s - 0.01 * v, 500),
        MetricRow::new("test", "accuracy", 0.90, 50).subset("class truck"),
        MetricRow::new("test", "accuracy", 0.40 + 0.1 * v, 50).subset("class deer"),
        MetricRow::new("test-unbiased", "accuracy", 0.60 + 0.03 * v + 0.04 * s - 0.01 * s * v, 500),
        MetricRow::new("test-unbiased", "box-iou", 0.30 + 0.08 * v + 0.02 * s, 480),
    ];
    let noisy = |metric: &str, level, value| {
        MetricRow::new("test-unbiased", metric, value, 500).noise("gaussian", level)
    };
    let fg = |k: f64| 0.55 - 0.10 * k - 0.02 * v + 0.01 * s;
    let bg = |k: f64| 0.50 - 0.08 * k + 0.03 * v + 0.02 * s;
    for (k, level) in LEVELS.iter().enumerate() {
        let k = k as f64;
        rows.push(noisy("accuracy-fg", Some(*level), fg(k)));
        rows.push(noisy("accuracy-bg", Some(*level), bg(k)));
        rows.push(noisy("rfs", Some(*level), bg(k) - fg(k)));
    }
    // Means over levels: k runs over 0, 1, 2, 3.
    rows.push(noisy("accuracy-fg", None, fg(1.5)));
    rows.push(noisy("accuracy-bg", None, bg(1.5)));
    rows.push(noisy("rfs", None, bg(1.5) - fg(1.5)));
    // A trial without an explanation loss needs no boxes.
    if v > 0.0 {
        rows.push(MetricRow::new("train", "cor-loc", 0.375, 512));
        rows.push(MetricRow::new("train", "target-iou", 0.4375, 512));
    }
    rows
}

/// Pictures of each split, 10 for each of 50 classes.
const PICTURES: usize = 500;

/// Right on the first pictures, as many as [`final_rows`] says; box IoU that rises from picture to picture.
fn predictions(v: usize, s: usize) -> Vec<PredictionRecord> {
    let labels: Vec<usize> = (0..PICTURES).map(|i| i % 50).collect();
    let right = |count: usize| {
        (0..PICTURES).map(|i| if i < count { labels[i] } else { labels[i] + 1 }).collect::<Vec<_>>()
    };
    let mut records = Vec::new();
    for (split, count) in
        [("test", 400 + 10 * s - 5 * v), ("test-unbiased", (300 + 15 * v + 20 * s).saturating_sub(5 * s * v))]
    {
        records.push(PredictionRecord::Split {
            split: split.to_owned(),
            images: (0..PICTURES).map(|i| format!("scene-{i:04}")).collect(),
            labels: labels.clone(),
            groups: None,
        });
        records.push(PredictionRecord::Clean {
            split: split.to_owned(),
            predicted: right(count),
            confidence: vec![0.75; PICTURES],
        });
    }
    let split = "test-unbiased".to_owned();
    for (k, level) in LEVELS.iter().enumerate() {
        let foreground = (275 + 5 * s).saturating_sub(50 * k + 10 * v);
        let background = (250 + 15 * v + 10 * s).saturating_sub(40 * k);
        for (region, count) in [(Region::Foreground, foreground), (Region::Background, background)] {
            records.push(PredictionRecord::Noisy {
                split: split.clone(),
                noise: "gaussian".to_owned(),
                region,
                level: *level,
                draw: 0,
                predicted: right(count).into_iter().map(Some).collect(),
            });
        }
    }
    let iou = |i: usize| 0.30 + 0.08 * v as f32 + 0.02 * s as f32 + (i as f32 - 249.5) * 1e-4;
    let none = || vec![None; PICTURES];
    records.push(PredictionRecord::Explanations {
        split,
        boxes: vec![None; PICTURES],
        object_boxes: vec![None; PICTURES],
        box_iou: (0..PICTURES).map(|i| Some(iou(i))).collect(),
        mask_iou: none(),
        energy_inside: none(),
        delta_density: none(),
        average_precision: none(),
        pointing_hit: vec![None; PICTURES],
        zero_cam: vec![false; PICTURES],
    });
    records
}

fn gallery(dir: &Path, place: usize) {
    let mut items = Vec::new();
    for (number, class) in CLASSES.iter().enumerate() {
        let n = number as f32;
        let (cx, cy, r) = (22.0 + 6.0 * n, 38.0 - 4.0 * n, 11.0 + 2.0 * n);
        let picture = RgbImage::from_fn(64, 64, |x, y| {
            let (dx, dy) = (x as f32 - cx, y as f32 - cy);
            if dx * dx + dy * dy < r * r {
                Rgb([220, (60 + 40 * number) as u8, 70])
            } else if ((x + y * (number as u32 + 1)) / 6).is_multiple_of(2) {
                Rgb([70, 130, 90])
            } else {
                Rgb([150, 190, (120 + 30 * number) as u8])
            }
        });
        // Away from the object for the first variant, onto it for the last.
        let far = 16.0 - 5.0 * place as f32;
        let (hx, hy) = (cx + far, cy - far);
        let heat = GrayImage::from_fn(64, 64, |x, y| {
            let (dx, dy) = (x as f32 - hx, y as f32 - hy);
            Luma([(255.0 * (-(dx * dx + dy * dy) / (2.0 * r * r)).exp()) as u8])
        });
        let [picture_file, heatmap_file] = ["png", "cam.png"].map(|end| format!("{number}.{end}"));
        write_atomic(&dir.join(&picture_file), &png(&picture.into())).unwrap();
        write_atomic(&dir.join(&heatmap_file), &png(&heat.into())).unwrap();
        let object = [cx - r, cy - r, cx + r, cy + r];
        items.push(GalleryItem {
            split: "test-unbiased".to_owned(),
            image: format!("scene-{number:04}"),
            label: (*class).to_owned(),
            confidence: None,
            predicted: CLASSES[if place + number == 1 { 2 } else { number }].to_owned(),
            picture_file,
            heatmap_file,
            predicted_box: Some([
                (hx - r).max(0.0),
                (hy - r).max(0.0),
                (hx + r).min(64.0),
                (hy + r).min(64.0),
            ]),
            target_box: (number != 3).then_some(object),
            object_box: Some(object),
        });
    }
    write_lines(&dir.join("index.jsonl"), &items).unwrap();
}

fn png(picture: &image::DynamicImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}
