//! Reports over recorded runs.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod fixture;

use fixture::{Fate, LOSSES, id};
use fovea_records::{Reference, RunStore};
use fovea_reports::{
    ReportError, ReportOptions, ReportSummary, Table, TableFormat, TableRequest, beside, build, build_with,
    inventory,
};
use polars::prelude::*;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Three variants, two seeds: one trial diverged, one not begun.
fn partial(root: &Path) -> RunStore {
    fixture::write(root, &["none", "iou", "ria"], 2, |loss, seed| match (loss, seed) {
        ("iou", 1) => Fate::Diverged,
        ("ria", 1) => Fate::Untouched,
        _ => Fate::Done,
    })
}

fn complete(root: &Path) -> RunStore {
    fixture::write(root, &LOSSES, 3, |_, _| Fate::Done)
}

fn page(summary: &ReportSummary) -> String {
    fs::read_to_string(&summary.index).unwrap()
}

fn csv(store: &RunStore, name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(store.tables_dir().join(name)).unwrap();
    text.lines().map(|l| l.split(',').map(str::to_owned).collect()).collect()
}

/// The cell of the summary table at (variant, split, metric, noise without level), by column name.
fn cell(table: &[Vec<String>], at: [&str; 4], column: &str) -> String {
    let place = |name: &str| table[0].iter().position(|h| h == name).unwrap();
    let [variant, split, metric, noise] = at;
    let wanted = [
        ("variant", variant),
        ("split", split),
        ("metric", metric),
        ("noise", noise),
        ("level", ""),
        ("subset", ""),
    ];
    let rows: Vec<_> = table[1..].iter().filter(|r| wanted.iter().all(|(n, v)| r[place(n)] == *v)).collect();
    assert_eq!(rows.len(), 1, "{at:?}");
    rows[0][place(column)].clone()
}

fn close(text: &str, expected: f64) {
    let value: f64 = text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"));
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[test]
fn the_terminal_table_is_exact() {
    let dir = tempfile::tempdir().unwrap();
    let summary = build(&partial(dir.path())).unwrap();
    assert_eq!((summary.trials, summary.done, summary.failed), (6, 4, 1));
    let expected = "\
loss   accuracy       accuracy         gap    noise in    noise in             RFS        box IoU  seeds  not
           test  test-unbiased                 foregr.     backgr.                         object         measured
────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
none 81.0 ± 1.4*    62.0 ± 2.8  19.0 ± 1.4  40.5 ± 0.7  39.0 ± 1.4  -0.015 ± 0.007  0.310 ± 0.014      2  -
iou        79.0           63.0        16.0        38.0        41.0           0.030          0.380      1  1 diverged
ria        77.0           69.0*        8.0*       34.0        47.0*          0.130*         0.540*     1  1 pending
Mean ± sd over seeds; accuracies in per cent, RFS and IoU as plain numbers; * best mean of its column.
Gap: test minus test-unbiased. Gaussian noise (mean over levels), RFS and box IoU: on test-unbiased.
Baseline: loss=none.
";
    assert_eq!(summary.table, expected, "\n{}", summary.table);
    assert!(summary.table.lines().all(|l| l.chars().count() <= 116));
}

#[test]
fn the_summary_agrees_with_numbers_worked_out_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let store = complete(dir.path());
    build(&store).unwrap();
    let table = csv(&store, "summary.csv");
    // loss=none on test: 0.80, 0.82, 0.84.
    let none = ["loss=none", "test", "accuracy", ""];
    close(&cell(&table, none, "mean"), 0.82);
    close(&cell(&table, none, "sd"), 0.02);
    close(&cell(&table, none, "min"), 0.80);
    close(&cell(&table, none, "max"), 0.84);
    close(&cell(&table, none, "half_width_95"), 4.302_652_729_749_462 * 0.02 / 3_f64.sqrt());
    assert_eq!(cell(&table, none, "n"), "3");
    assert_eq!(cell(&table, none, "delta_mean"), "");
    // loss=ria (v = 3) minus loss=none on test-unbiased: 0.09 - 0.03 s: 0.09, 0.06, 0.03.
    let ria = ["loss=ria", "test-unbiased", "accuracy", ""];
    let half = 4.302_652_729_749_462 * 0.03 / 3_f64.sqrt();
    close(&cell(&table, ria, "delta_mean"), 0.06);
    close(&cell(&table, ria, "delta_sd"), 0.03);
    close(&cell(&table, ria, "delta_low_95"), 0.06 - half);
    close(&cell(&table, ria, "delta_high_95"), 0.06 + half);
    assert_eq!(cell(&table, ria, "delta_n"), "3");
    assert_eq!(cell(&table, ria, "baseline"), "loss=none");
    // RFS: background 0.38 + 0.03 v + 0.02 s minus foreground 0.40 - 0.02 v + 0.01 s.
    close(&cell(&table, ["loss=ria", "test-unbiased", "rfs", "gaussian"], "mean"), -0.02 + 0.15 + 0.01);

    // Grid order; no row for metrics of training.
    let variants: Vec<&String> = table[1..].iter().map(|r| &r[0]).collect();
    let mut order = variants.clone();
    order.dedup();
    assert_eq!(order, ["loss=none", "loss=iou", "loss=modified-iou", "loss=ria"]);
    assert!(table.iter().all(|r| r[2] != "loss"));
}

/// The cells of one line of a table, by heading.
fn line(table: &[Vec<String>], wanted: &[(&str, &str)]) -> HashMap<String, String> {
    let place = |name: &str| table[0].iter().position(|h| h == name).unwrap();
    let found = table[1..].iter().find(|row| wanted.iter().all(|(name, value)| row[place(name)] == *value));
    table[0].iter().cloned().zip(found.unwrap().iter().cloned()).collect()
}

#[test]
fn comparisons_agree_with_numbers_worked_out_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let store = complete(dir.path());
    build(&store).unwrap();
    let comparisons = csv(&store, "comparisons.csv");
    let of = |split, metric| [("variant", "loss=ria"), ("split", split), ("metric", metric), ("level", "")];
    // Differences 0.09, 0.06, 0.03: t = 0.06 / (0.03 / sqrt 3) with two degrees of freedom, P = 1 - t / sqrt(t^2 + 2).
    let ria = line(&comparisons, &of("test-unbiased", "accuracy"));
    let t = 2.0 * 3_f64.sqrt();
    let p = 1.0 - t / (t * t + 2.0).sqrt();
    close(&ria["delta"], 0.06);
    close(&ria["p_t"], p);
    // One of the four patterns of signs is as far out; three variants have the same p.
    close(&ria["p_sign_flip"], 0.25);
    close(&ria["p_wilcoxon"], 0.25);
    close(&ria["p_holm"], 3.0 * p);
    assert_eq!(
        (ria["n"].as_str(), ria["family"].as_str(), ria["baseline"].as_str()),
        ("3", "3", "loss=none")
    );
    // 45, 30 and 15 of 500 pictures are gained, none is lost.
    close(&ria["picture_delta"], 0.06);
    assert_eq!((ria["pictures"].as_str(), ria["gained"].as_str(), ria["lost"].as_str()), ("500", "90", "0"));
    assert_eq!(ria["p_mcnemar"], "", "pictures of three seeds are not independent");
    // The same difference with every seed leaves no spread to compare with.
    let test = line(&comparisons, &of("test", "accuracy"));
    assert_eq!((test["p_t"].as_str(), test["p_holm"].as_str(), test["lost"].as_str()), ("", "", "45"));
    // RFS and box IoU by picture have the means of their metrics.
    for metric in ["rfs", "box-iou"] {
        let by_picture = line(&comparisons, &of("test-unbiased", metric));
        let [a, b] = ["delta", "picture_delta"].map(|name| by_picture[name].parse::<f64>().unwrap());
        assert!((a - b).abs() < 1e-6, "{metric}: {a} and by picture {b}");
    }
    let mcnemar = csv(&store, "mcnemar.csv");
    let first = line(&mcnemar, &[("variant", "loss=ria"), ("split", "test"), ("seed", "0")]);
    assert_eq!((first["gained"].as_str(), first["lost"].as_str()), ("0", "15"));
    close(&first["p_exact"], 2.0 * 0.5_f64.powi(15));
    close(&first["chi_square"], 14.0 * 14.0 / 15.0);
}

#[test]
fn one_seed_says_what_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let page = page(&build(&fixture::write(dir.path(), &["none", "ria"], 1, |_, _| Fate::Done)).unwrap());
    for words in [
        "Against loss=none with a single seed, loss=ria has RFS +0.150, accuracy on test −3.0 points",
        "From one seed no interval and no p-value can be given",
        // 15 pictures lost on test, 45 gained on test-unbiased.
        "on test it is right on 0 pictures that the baseline gets wrong, and wrong on 15 that the baseline gets right",
        "on test-unbiased it is right on 45 pictures",
        "exact p &lt; 0.001",
    ] {
        assert!(page.contains(words), "the page lacks {words}");
    }
}

#[test]
fn every_table_counts_the_trials_without_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let store = partial(dir.path());
    build(&store).unwrap();
    for name in ["summary", "comparisons", "noise", "subsets", "explanations"] {
        let table = csv(&store, &format!("{name}.csv"));
        for (variant, expected) in
            [("loss=iou", ["2", "1", "0", "1", "0", "0"]), ("loss=ria", ["2", "1", "0", "0", "0", "1"])]
        {
            let row = line(&table, &[("variant", variant)]);
            let counts =
                ["planned", "done", "failed", "diverged", "pruned", "missing"].map(|n| row[n].as_str());
            assert_eq!(counts, expected, "{name}, {variant}");
        }
    }
    // A variant of which nothing is done is there all the same.
    let none = tempfile::tempdir().unwrap();
    let store = fixture::write(none.path(), &["none", "ria"], 1, |loss, _| match loss {
        "none" => Fate::Done,
        _ => Fate::Failed,
    });
    build(&store).unwrap();
    for name in ["summary", "comparisons", "noise", "subsets", "explanations"] {
        let row = line(&csv(&store, &format!("{name}.csv")), &[("variant", "loss=ria")]);
        assert_eq!((row["n"].as_str(), row["failed"].as_str()), ("0", "1"), "{name}");
    }
}

fn request(metrics: &[&str], by: &str) -> TableRequest {
    let metrics = metrics.iter().map(|m| (*m).to_owned()).collect();
    TableRequest {
        metrics,
        by: by.to_owned(),
        command: "fovea table RUN".to_owned(),
        ..TableRequest::default()
    }
}

fn table(store: &RunStore, request: &TableRequest, format: TableFormat) -> String {
    let stores = std::slice::from_ref(store);
    String::from_utf8(Table::new(stores, request).unwrap().render(format).unwrap()).unwrap()
}

#[test]
fn a_table_for_a_paper_says_what_it_rests_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = partial(dir.path());
    let asked = request(&["accuracy", "rfs"], "variant");
    let expected = "\
| loss | accuracy (%), test | accuracy (%), test-unbiased | RFS, test-unbiased | trials |
|------|-------------------:|----------------------------:|-------------------:|-------:|
| none |         81.0 ± 1.4 |                  62.0 ± 2.8 |     -0.015 ± 0.007 |      2 |
| iou  |               79.0 |                        63.0 |              0.030 |      1 |
| ria  |               77.0 |                        69.0 |              0.130 |      1 |

Mean ± sd over seeds; fractions in per cent.  
Numbers under noise: gaussian, mean over levels.  
Not compared with none by a test over seeds: that takes at least two seeds in common.  
McNemar's exact test over pictures, which holds for these networks and not for other seeds: smallest p < 0.001 after Holm's correction over 4 comparisons.  
Of 6 planned trials, these have no numbers: 1 diverged, 1 pending (iou: 1 diverged; ria: 1 pending).  
";
    let text = table(&store, &asked, TableFormat::Markdown).replace("\\<", "<");
    assert_eq!(text, expected, "\n{text}");
    let latex = table(&store, &asked, TableFormat::Latex);
    for words in [
        "% fovea table RUN\n% needs \\usepackage{booktabs}\n\\begin{table}\n",
        "\\multicolumn{2}{c}{accuracy (\\%)} & RFS & trials \\\\\n    \\cmidrule(lr){2-3}\n",
        "none & 81.0 $\\pm$ 1.4 & 62.0 $\\pm$ 2.8 & $-$0.015 $\\pm$ 0.007 & 2 \\\\\n",
        "p $<$ 0.001",
    ] {
        assert!(latex.contains(words), "no {words} in\n{latex}");
    }
    let json: serde_json::Value = serde_json::from_str(&table(&store, &asked, TableFormat::Json)).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 9);
    assert_eq!((&json["rows"][3]["loss"], &json["rows"][3]["diverged"]), (&"iou".into(), &1.into()));
}

#[test]
fn only_differences_that_are_told_apart_are_marked() {
    let dir = tempfile::tempdir().unwrap();
    let store = fixture::write(dir.path(), &["none", "iou"], 5, |_, _| Fate::Done);
    let text = table(&store, &request(&["accuracy"], "variant"), TableFormat::Markdown);
    // The differences on test-unbiased, 0.03 - 0.01 s, have the mean 0.01 and sd 0.0158: t = 1.41. On test they are all
    // the same, which no t test can judge.
    assert!(!text.contains("**") && !text.contains("† |"), "{text}");
    let by_seed = table(&store, &request(&["accuracy"], "seed"), TableFormat::Csv);
    assert_eq!(by_seed.lines().count(), 1 + 2 * 5 * 2);
    let by_level = table(&store, &request(&[], "level"), TableFormat::Csv);
    assert_eq!(by_level.lines().count(), 1 + 2 * 4, "RFS at four levels");
    let by_axis = table(&store, &request(&["rfs"], "loss"), TableFormat::Markdown);
    assert!(by_axis.contains("| loss | none"), "{by_axis}");
    let by_class = table(&store, &request(&[], "class"), TableFormat::Csv);
    assert_eq!(by_class.lines().next().unwrap().split(',').next(), Some("loss"));
}

#[test]
fn a_table_that_cannot_be_made_says_what_can() {
    let dir = tempfile::tempdir().unwrap();
    let store = partial(dir.path());
    let stores = std::slice::from_ref(&store);
    let error = |request: &TableRequest| Table::new(stores, request).err().unwrap().to_string();
    let known = error(&request(&["acuracy"], "variant"));
    assert!(
        known.starts_with("there is no metric `acuracy`. Did you mean `accuracy`?\nKnown: accuracy, "),
        "{known}"
    );
    assert!(error(&request(&[], "varient")).contains("Did you mean `variant`?"));
    assert!(
        error(&request(&["mask-iou"], "variant"))
            .starts_with("no done trial recorded `mask-iou`. Recorded: accuracy")
    );
    assert!(
        error(&request(&["accuracy"], "level"))
            .starts_with("`accuracy` is not recorded by level; these are: ")
    );
    let split = |split: &str| TableRequest { splits: vec![split.to_owned()], ..request(&["rfs"], "variant") };
    assert_eq!(error(&split("test")), "`rfs` is not recorded on test; it is on: test-unbiased.");
    assert!(error(&split("tset")).contains("no split `tset`. Did you mean `test`?"));
    let against = |name: &str| TableRequest { baseline: Some(name.to_owned()), ..request(&[], "variant") };
    assert!(error(&against("i")).contains("`i` is more than one row: loss=iou; loss=ria."));
    assert!(error(&against("x")).contains("Known: loss=none, loss=iou, loss=ria."));
    let list = inventory(stores).unwrap();
    assert!(list.contains("* loss=none  (2 of 2 done)\n  loss=iou  (1 of 2 done, 1 diverged)\n"), "{list}");
    let empty = tempfile::tempdir().unwrap();
    let store = fixture::write(empty.path(), &["none"], 2, |_, _| Fate::Untouched);
    let nothing = Table::new(&[store], &request(&[], "variant")).err().unwrap().to_string();
    assert!(
        nothing.ends_with("no trial is done yet, so there is nothing to put into a table (2 pending)."),
        "{nothing}"
    );
}

#[test]
fn tables_hold_every_row_and_parquet_agrees_with_csv() {
    let dir = tempfile::tempdir().unwrap();
    let store = partial(dir.path());
    build(&store).unwrap();
    let recorded: usize = ["none 0", "none 1", "iou 0", "iou 1", "ria 0", "ria 1"]
        .iter()
        .map(|t| t.split_once(' ').unwrap())
        .map(|(loss, seed)| store.read_metrics(&id(loss, seed.parse().unwrap())).unwrap().len())
        .sum();
    let metrics = csv(&store, "metrics.csv");
    assert_eq!(
        metrics[0].join(","),
        "trial,variant,seed,axis.loss,axis.seed,split,metric,noise,level,subset,epoch,value,count"
    );
    assert_eq!(metrics.len() - 1, recorded);
    for name in ["metrics", "summary", "trials"] {
        let file = fs::File::open(store.tables_dir().join(format!("{name}.parquet"))).unwrap();
        let frame = ParquetReader::new(file).finish().unwrap();
        let lines = csv(&store, &format!("{name}.csv"));
        assert_eq!((frame.height(), frame.width()), (lines.len() - 1, lines[0].len()), "{name}");
    }
    let trials = csv(&store, "trials.csv");
    let statuses: Vec<&String> = trials[1..].iter().map(|r| &r[3]).collect();
    assert_eq!(statuses, ["done", "done", "done", "diverged", "done", "pending"]);
    assert_eq!(trials[1][4..6], ["45.5".to_owned(), "cpu (2 threads)".to_owned()]);
}

#[test]
fn figures_exist_and_decode() {
    let dir = tempfile::tempdir().unwrap();
    let store = complete(dir.path());
    build(&store).unwrap();
    let figures = store.report_dir().join("figures");
    for (name, size) in [
        ("noise-gaussian", (1800, 620)),
        ("training-curves", (1800, 1140)),
        ("accuracy-vs-rfs", (1800, 700)),
        ("accuracy-vs-cost", (1800, 700)),
        ("deltas", (1800, 664)),
        ("accuracy-by-class", (1800, 372)),
    ] {
        assert_eq!(image::image_dimensions(figures.join(format!("{name}.png"))).unwrap(), size, "{name}");
        let svg = fs::read_to_string(figures.join(format!("{name}.svg"))).unwrap();
        assert!(
            svg.contains(&format!("width=\"{}\" height=\"{}\" viewBox", size.0 / 2, size.1 / 2)),
            "{name}"
        );
        assert!(svg.trim_end().ends_with("</svg>"));
    }
    for (name, rows) in [("random", 4), ("best", 1), ("median", 1), ("worst", 1)] {
        let gallery = image::open(figures.join(format!("gallery-{name}.png"))).unwrap();
        assert_eq!((gallery.width(), gallery.height()), (2 * (10 + 5 * 146), 2 * (44 + rows * 158 + 34)));
    }
}

/// Four losses by two weights by two seeds; what becomes of the trials is told of (loss, weight, seed).
fn two_axes(root: &Path, fate: impl Fn(&str, &str, u64) -> Fate) -> RunStore {
    // The fixture's seeds 0 and 1 stand for the weight 10, 2 and 3 for 0.5.
    let weight = |seed: u64| if seed < 2 { "10" } else { "0.5" };
    let store = fixture::write(root, &LOSSES, 4, |loss, seed| fate(loss, weight(seed), seed % 2));
    let mut plan = store.read_plan().unwrap();
    plan.axes.insert(1, "training.beta".to_owned());
    plan.baseline = Some("loss=none, beta=10".to_owned());
    for trial in &mut plan.trials {
        let beta = weight(trial.seed);
        trial.variant.push_str(&format!(", beta={beta}"));
        trial.axes.insert(1, ("training.beta".to_owned(), beta.to_owned()));
        trial.seed %= 2;
        trial.axes[2].1 = trial.seed.to_string();
    }
    store.write_plan(&plan).unwrap();
    store
}

/// What a figure says, in drawing order.
fn letters(store: &RunStore, name: &str) -> Vec<String> {
    let svg = fs::read_to_string(store.report_dir().join("figures").join(format!("{name}.svg"))).unwrap();
    let texts = svg.split("<text").skip(1).map(|t| t.split_once('>').unwrap().1.split_once('<').unwrap().0);
    texts.map(|t| t.trim().to_owned()).collect()
}

#[test]
fn two_axes_are_crossed_in_a_heat_map() {
    let dir = tempfile::tempdir().unwrap();
    let store = two_axes(dir.path(), |_, _, _| Fate::Done);
    let page_of_all = page(&build(&store).unwrap());
    let words = letters(&store, "interaction-loss-training-beta");
    // Accuracy on test-unbiased is 60 + 3 v + 4 s - s v: of the first loss 66 to 74 with 0.5, and 62 with 10.
    let numbers: Vec<&str> = words.iter().map(String::as_str).filter(|w| w.parse::<f64>().is_ok()).collect();
    assert_eq!(numbers[..10], ["0.5", "10", "70.0", "62.0", "70.5", "64.5", "71.0", "67.0", "71.5", "69.5"]);
    assert_eq!(words.iter().filter(|w| *w == "n = 2").count(), 16);
    assert!(page_of_all.contains("for every value of loss and training.beta, over 2 seeds: 16 trials"));

    let dir = tempfile::tempdir().unwrap();
    let store = two_axes(dir.path(), |loss, beta, seed| match (loss, beta, seed) {
        ("ria", "10", 1) | ("iou", "10", _) => Fate::Untouched,
        _ => Fate::Done,
    });
    let page = page(&build(&store).unwrap());
    let words = letters(&store, "interaction-loss-training-beta");
    assert_eq!(words.iter().filter(|w| *w == "n = 1").count(), 14);
    assert_eq!(words.iter().filter(|w| *w == "–").count(), 2);
    assert!(
        page.contains("6 finished trials with others are left aside. Hatched: no finished trial."),
        "{page}"
    );
}

#[test]
fn axes_that_move_together_have_no_heat_map() {
    let dir = tempfile::tempdir().unwrap();
    let store = complete(dir.path());
    let mut plan = store.read_plan().unwrap();
    plan.axes.insert(1, "training.beta".to_owned());
    for trial in &mut plan.trials {
        let beta = trial.axes[0].1.len().to_string();
        trial.axes.insert(1, ("training.beta".to_owned(), beta));
    }
    store.write_plan(&plan).unwrap();
    build(&store).unwrap();
    let files = fs::read_dir(store.report_dir().join("figures")).unwrap();
    let names: Vec<String> = files.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|n| n.starts_with("interaction")), "{names:?}");
}

#[test]
fn costs_and_classes_are_told_in_words_too() {
    let dir = tempfile::tempdir().unwrap();
    let page = page(&build(&complete(dir.path())).unwrap());
    for words in [
        // 40 s and 82 %; dearer ones are less accurate on test, and more so on test-unbiased.
        "On it, for accuracy on test-unbiased, cheapest first: loss=none; loss=iou; loss=modified-iou; loss=ria.",
        "Accuracy within each of the classes, mean over seeds with lines of ± 1 standard deviation (cut at 0 and 100), in the order of loss=none on test.",
        "The 1 of 4 pictures with the highest IoU of Grad-CAM box and object, mean over the variants shown",
        "4 pictures of 4 that every variant shown has recorded",
        "All columns show the same pictures, from seed 0.",
    ] {
        assert!(page.contains(words), "the page lacks {words}");
    }
}

#[test]
fn galleries_show_what_all_variants_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let store = complete(dir.path());
    // An earlier version recorded other pictures for one trial, and one fewer for another.
    let index = |loss: &str| store.trial_dir(&id(loss, 0)).join("gallery/index.jsonl");
    let text = fs::read_to_string(index("iou")).unwrap();
    fs::write(index("iou"), text.lines().take(3).map(|l| format!("{l}\n")).collect::<String>()).unwrap();
    let text = fs::read_to_string(index("ria")).unwrap();
    fs::write(index("ria"), text.replace("\"scene-", "\"other-")).unwrap();
    let page = page(&build(&store).unwrap());
    assert!(page.contains("3 pictures of 3 that every variant shown has recorded"));
    assert!(page.contains("3 of 4 variants are shown."));
}

#[test]
fn the_page_stands_alone_and_says_what_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let page = page(&build(&complete(dir.path())).unwrap());
    for fetch in
        ["src=\"http", "href=\"http", "url(", "@import", "<script src", "<link", "http://", "https://"]
    {
        assert!(!page.contains(fetch), "the page contains {fetch}");
    }
    for words in [
        "loss=ria changes RFS +0.150 with every seed",
        "over loss=none (3 seeds, p after Holm)",
        "Not told from chance after Holm&#x27;s correction, though the interval leaves 0 out: the gap (−9.0 points [−16.5, −1.5], p = 0.21)",
        "accuracy on test-unbiased (+6.0 points, within ±13.5, p = 0.22)",
        "after Holm&#x27;s correction over the 6 comparisons made here",
        "With 3 seeds no rank or sign-flip test can fall below p = 0.25",
        "The baseline loss=none classifies 82.0 % on test and 64.0 % on test-unbiased correctly, a gap of 18.0 points",
        "look at the object? &lt;b&gt;&amp;&lt;&#x2f;b&gt;",
        "Robustness to Gaussian noise on test-unbiased",
        "data:image/jpeg;base64,",
        "cpu (2 threads)",
        "0, 1, 2 (changes with the seed)",
        "12 pictures have no target box.",
        "fovea run ",
        "Relative foreground sensitivity",
    ] {
        assert!(page.contains(words), "the page lacks {words}");
    }
    let link = format!("href=\"../trials/{}/\"", id("ria", 2));
    assert!(page.contains(&link), "{link}");
    assert_eq!(page.matches("<svg").count(), 6);
    for leak in [">NaN", ">None", " NaN"] {
        assert!(!page.contains(leak), "the page shows {leak}");
    }
}

#[test]
fn published_numbers_stand_beside_ours() {
    let dir = tempfile::tempdir().unwrap();
    let store = fixture::write(dir.path(), &["none", "ria"], 2, |loss, _| match loss {
        "none" => Fate::Done,
        _ => Fate::Untouched,
    });
    assert!(!build(&store).unwrap().table.contains("published"), "there is no table without references");
    let mut plan = store.read_plan().unwrap();
    let reference = |variant: &str, metric: &str, noise: Option<&str>, value, sd| Reference {
        variant: variant.to_owned(),
        split: if noise.is_some() { "test-unbiased" } else { "test" }.to_owned(),
        metric: metric.to_owned(),
        noise: noise.map(str::to_owned),
        level: None,
        value,
        sd,
        source: "Nobody <1>".to_owned(),
    };
    plan.references = vec![
        reference("loss=none", "accuracy", None, 0.9, Some(0.01)),
        reference("loss=none", "rfs", Some("gaussian"), -0.1, None),
        reference("loss=ria", "accuracy", None, 0.95, None),
    ];
    store.write_plan(&plan).unwrap();
    let summary = build(&store).unwrap();
    // Accuracies of two seeds: 0.80 and 0.82. RFS: -0.02 and -0.01.
    let expected = "\
variant   metric                          published           ours n difference source
──────────────────────────────────────────────────────────────────────────────────────────
loss=none accuracy on test               90.0 ± 1.0     81.0 ± 1.4 2       -9.0 Nobody <1>
loss=none RFS on test-unbiased, gaussian     -0.100 -0.015 ± 0.007 2     +0.085 Nobody <1>
loss=ria  accuracy on test                     95.0   not measured 0          - Nobody <1>
Fractions in per cent; difference: ours minus published. Numbers compare only where data, model and schedule are those of the source.
";
    assert_eq!(summary.table.split_once("\n\n").unwrap().1, expected);
    let page = page(&summary);
    for words in [
        "<td class=\"number\">90.0 ± 1.0</td><td class=\"number\">81.0 ± 1.4</td><td class=\"number\">2</td><td class=\"number\">−9.0</td><td>Nobody &lt;1&gt;</td>",
        "<td class=\"number\">not measured</td>",
        "href=\"../tables/reference.csv\"",
    ] {
        assert!(page.contains(words), "the page lacks {words}");
    }
    let table = csv(&store, "reference.csv");
    assert_eq!(
        table[0].join(","),
        "variant,split,metric,noise,level,published,published_sd,n,mean,sd,difference,source"
    );
    close(&table[1][8], 0.81);
    close(&table[1][10], -0.09);
    assert_eq!((table[2][3].as_str(), table[3][7].as_str(), table[3][8].as_str()), ("gaussian", "0", ""));
}

#[test]
fn a_smoke_run_says_so_and_answers_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = complete(dir.path());
    let mut plan = store.read_plan().unwrap();
    plan.smoke = true;
    store.write_plan(&plan).unwrap();
    let summary = build(&store).unwrap();
    let said = "Smoke run: tiny data and narrow models; numbers mean nothing.";
    assert!(summary.table.contains(said), "{}", summary.table);
    let page = page(&summary);
    assert!(page.contains(&format!("<p class=\"banner\" role=\"note\">{said}</p>")));
    assert!(page.contains("it answers nothing") && !page.contains("p after Holm"));
}

#[test]
fn target_boxes_are_judged_once_for_all_losses() {
    let dir = tempfile::tempdir().unwrap();
    let store = complete(dir.path());
    let row = "<th scope=\"row\">center-box</th><td>all that use boxes</td><td>train</td><td class=\"number\">37.5 ± 0.0</td>\
               <td class=\"number\">0.438 ± 0.000</td><td class=\"number\">512</td><td class=\"number\">9</td>";
    assert!(page(&build(&store).unwrap()).contains(row));
    let mut plan = store.read_plan().unwrap();
    for trial in plan.trials.iter_mut().filter(|trial| trial.variant == "loss=ria") {
        trial.config["localizer"]["config"]["size"] = 0.25.into();
    }
    store.write_plan(&plan).unwrap();
    let page = page(&build(&store).unwrap());
    for variants in ["<td>loss=iou; loss=modified-iou</td>", "<td>loss=ria</td>"] {
        assert!(page.contains(variants), "the page lacks {variants}");
    }
}

#[test]
fn labels_of_one_axis_leave_its_name_to_the_heading() {
    let dir = tempfile::tempdir().unwrap();
    let store = complete(dir.path());
    let mut plan = store.read_plan().unwrap();
    // As a `[[zip]]` of loss and beta leaves it: both are axes, labels have the first.
    plan.axes = ["loss", "training.beta", "seed"].map(str::to_owned).to_vec();
    for trial in &mut plan.trials {
        trial.axes.insert(1, ("training.beta".to_owned(), "1".to_owned()));
    }
    plan.label_axes = vec!["loss".to_owned()];
    store.write_plan(&plan).unwrap();
    let table = build(&store).unwrap().table;
    assert!(table.starts_with("loss ") && table.contains("\nria "), "{table}");
    assert!(csv(&store, "metrics.csv")[0].contains(&"axis.training.beta".to_owned()));
}

#[test]
fn a_run_in_progress_is_reported_as_far_as_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let store = fixture::write(dir.path(), &["none", "ria"], 2, |loss, seed| match (loss, seed) {
        ("none", 0) => Fate::Done,
        ("none", 1) => Fate::Running,
        ("ria", 0) => Fate::Failed,
        _ => Fate::Untouched,
    });
    let summary = build(&store).unwrap();
    assert_eq!((summary.trials, summary.done, summary.failed), (4, 1, 1));
    assert!(summary.table.contains("1 failed, 1 pending"), "{}", summary.table);
    let page = page(&summary);
    for words in [
        "This report covers 1 of 4 planned trials",
        "killed by signal 11 in &lt;localizer&gt;",
        "loss=ria shares no finished seed with loss=none",
        "Differences to the baseline are left out",
        "attempt 1 was started",
    ] {
        assert!(page.contains(words), "the page lacks {words}");
    }

    let empty = tempfile::tempdir().unwrap();
    let store = fixture::write(empty.path(), &["none", "ria"], 2, |_, _| Fate::Untouched);
    let summary = build(&store).unwrap();
    assert!(summary.table.contains("No trial has been measured yet."), "{}", summary.table);
    let page = fs::read_to_string(summary.index).unwrap();
    for words in ["there is no answer yet", "Gaussian noise is left out", "The gallery is left out"] {
        assert!(page.contains(words), "the page lacks {words}");
    }
}

#[test]
fn files_that_cannot_be_read_are_listed_and_the_rest_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let store = complete(dir.path());
    let trial = |loss, seed| store.trial_dir(&id(loss, seed));
    fs::write(trial("none", 0).join("metrics.jsonl"), "{\"split\": 3}\n").unwrap();
    fs::write(trial("iou", 0).join("DONE.json"), "{").unwrap();
    fs::write(trial("iou", 1).join("events.jsonl"), "nonsense\n").unwrap();
    fs::write(trial("modified-iou", 0).join("gallery/1.png"), "").unwrap();
    fs::remove_file(trial("modified-iou", 0).join("gallery/2.cam.png")).unwrap();
    fs::write(dir.path().join("journal.jsonl"), "[]\n").unwrap();
    let summary = build(&store).unwrap();
    assert_eq!((summary.done, summary.failed), (9, 3));
    let page = page(&summary);
    assert!(page.contains("Problems with the records"));
    for file in ["metrics.jsonl:1", "DONE.json:1", "events.jsonl:1", "1.png", "2.cam.png", "journal.jsonl:1"]
    {
        assert!(page.contains(file), "the page does not name {file}");
    }
    assert!(summary.table.contains("1 failed"), "{}", summary.table);
}

#[test]
fn the_same_records_give_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = complete(dir.path());
    let files = || -> Vec<(PathBuf, Vec<u8>)> {
        build(&store).unwrap();
        let mut paths = Vec::new();
        for folder in [store.tables_dir(), store.report_dir(), store.report_dir().join("figures")] {
            paths.extend(fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()));
        }
        paths.sort();
        paths.into_iter().map(|p| (p.clone(), fs::read(p).unwrap())).collect()
    };
    let (first, second) = (files(), files());
    assert_eq!(first.len(), 20 + 2 + 6 * 2 + 4);
    for ((path, a), (_, b)) in first.iter().zip(&second) {
        assert!(a == b, "{} differs", path.display());
    }
}

/// What is between these words of the page, each time that they are there.
fn between<'a>(page: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    page.split(before).skip(1).filter_map(|rest| rest.split_once(after)).map(|(found, _)| found).collect()
}

#[test]
fn every_number_leads_to_its_trials_and_the_command_that_reruns_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = partial(dir.path());
    let summary = build(&store).unwrap();
    let page = page(&summary);
    let ids = between(&page, " id=\"", "\"");
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "an id is there twice");
    let links = between(&page, "href=\"#", "\"");
    for link in &links {
        assert!(ids.contains(link), "nothing is called {link}");
    }
    let table = between(&page, "id=\"leaderboard\"", "</table>")[0];
    // Three variants with a name, seven measures and the number of seeds; variants without numbers, too.
    assert_eq!(between(table, "href=\"#variant-", "\"").len(), 3 * (1 + 8) + 3 * 7);
    for (loss, seed) in [("none", 1), ("iou", 1), ("ria", 0)] {
        let (id, root) = (id(loss, seed), dir.path().display());
        for words in [
            format!("<code class=\"copy\">fovea rerun {root} --trial {id}</code>").replace('/', "&#x2f;"),
            format!("<code class=\"copy\">fovea show {root}/{id}</code>").replace('/', "&#x2f;"),
        ] {
            let words = words.replace("<&#x2f;code>", "</code>");
            assert!(page.contains(&words), "the page lacks {words}");
        }
        assert!(page.contains(&format!("id=\"trial-{id}\"")));
    }
    // Files that are linked are there.
    let folder = summary.index.parent().unwrap();
    for file in between(&page, "href=\"", "\"").iter().filter(|link| !link.starts_with('#')) {
        // A trial that is not begun has no folder yet.
        let untouched = file.contains(id("ria", 1).as_str());
        assert!(untouched || folder.join(file).exists(), "{file} is not there");
    }
    let failures = between(&page, "<table class=\"failures\">", "</table>")[0];
    assert!(failures.contains("The loss became NaN at epoch 4, step 7."), "{failures}");
    assert!(failures.contains("fovea logs ") && failures.contains(">diverged<"), "{failures}");
}

#[test]
fn long_reasons_show_their_first_line_and_fold_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let store = partial(dir.path());
    let trial = id("ria", 1);
    let outcome = fovea_records::TrialOutcome::Failed { message: "first <line>\nsecond line".to_owned() };
    store
        .journal(&fovea_records::JournalEntry::TrialStarted { time: 60.0, trial: trial.clone(), attempt: 3 })
        .unwrap();
    store
        .journal(&fovea_records::JournalEntry::TrialFinished { time: 61.0, trial, outcome, seconds: 1.0 })
        .unwrap();
    let page = page(&build(&store).unwrap());
    let failures = between(&page, "<table class=\"failures\">", "</table>")[0];
    assert!(failures.contains("<td class=\"number\">3</td>"), "attempts: {failures}");
    assert!(
        failures.contains(
            "<summary>first &lt;line&gt;</summary><pre tabindex=\"0\">first &lt;line&gt;\nsecond line</pre>"
        ),
        "{failures}"
    );
}

#[test]
fn labels_leave_out_what_is_the_same_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let store = complete(dir.path());
    let mut plan = store.read_plan().unwrap();
    for trial in &mut plan.trials {
        trial.variant = format!("{}, localizer=lost(k=1, t=2), beta=0.5", trial.variant);
    }
    plan.baseline = Some("loss=none, localizer=lost(k=1, t=2), beta=0.5".to_owned());
    plan.axes = ["loss", "localizer", "beta", "seed"].map(str::to_owned).to_vec();
    store.write_plan(&plan).unwrap();
    let summary = build(&store).unwrap();
    assert!(summary.table.contains("\nmodified-iou "), "{}", summary.table);
    let page = page(&summary);
    let row = between(&page, "data-name=\"loss=ria, localizer=lost(k=1, t=2), beta=0.5\"", "</tr>")[0];
    assert!(row.contains("title=\"loss=ria, localizer=lost(k=1, t=2), beta=0.5\">ria</a>"), "{row}");
    assert!(page.contains("The baseline loss=none classifies"));
    assert_eq!(csv(&store, "summary.csv")[1][0], "\"loss=none", "tables have the whole label");
}

#[test]
fn several_runs_are_one_report() {
    let dir = tempfile::tempdir().unwrap();
    let first = fixture::write(&dir.path().join("first run"), &["none", "ria"], 2, |_, _| Fate::Done);
    let second =
        fixture::write(&dir.path().join("second"), &["none", "iou"], 3, |loss, seed| match (loss, seed) {
            ("iou", 2) => Fate::Failed,
            _ => Fate::Done,
        });
    // Seeds 0 and 1 of the baseline are the same trials in both; one of them is not what it was.
    let marker = second.trial_dir(&id("none", 1)).join("DONE.json");
    let text = fs::read_to_string(&marker).unwrap();
    let hash = first.done(&id("none", 1)).unwrap().unwrap().artefacts["metrics.jsonl"].clone();
    let metrics = second.trial_dir(&id("none", 1)).join("metrics.jsonl");
    let other = fs::read_to_string(&metrics).unwrap() + " \n";
    let other = other.replacen("}\n \n", "} \n", 1);
    fs::write(&metrics, &other).unwrap();
    let other = &fovea_records::store::hash_tree(metrics.parent().unwrap()).unwrap()["metrics.jsonl"];
    fs::write(&marker, text.replace(&hash, other)).unwrap();
    let stores = [first, second];
    assert_eq!(beside(&stores), dir.path().join("first run+second"));
    let options = ReportOptions { out: Some(dir.path().join("both")), template: None };
    let summary = build_with(&stores, &options).unwrap();
    assert_eq!((summary.trials, summary.done, summary.failed), (10, 9, 1));
    assert_eq!(summary.index, dir.path().join("both/report/index.html"));
    let page = page(&summary);
    for words in [
        "<h1>first run + second</h1>",
        "Baseline: loss=none (first run).",
        // RFS of loss=iou is 0.05 above that of loss=none, whichever run it is of.
        "loss=iou changes RFS +0.050 with every seed",
        "loss=none (second) has the very numbers of loss=none (first run) with every seed (2 seeds).",
        "differ in every setting listed under Configuration",
        &format!(
            "Trial {} is in first run and in second and should have ended with the same bits, but metrics.jsonl differ",
            id("none", 1)
        ),
        "href=\"../../first%20run/trials/",
    ] {
        assert!(page.contains(words), "the page lacks {words}");
    }
    let fixed = format!("fovea rerun '{}/first run' --trial", dir.path().display());
    assert!(page.contains(&fixed.replace('/', "&#x2f;").replace('\'', "&#x27;")), "{fixed}");
    let runs = between(&page, "aria-label=\"Runs\"", "</table>")[0];
    assert!(
        runs.contains(
            "second</a></th><td class=\"number\">5</td><td class=\"number\">6</td><td class=\"number\">2</td>"
        ),
        "{runs}"
    );
    let ids = between(&page, " id=\"", "\"");
    assert!(ids.contains(&format!("trial-{}-2", id("none", 0)).as_str()), "the same trial has two places");
    let tables = RunStore::new(dir.path().join("both"));
    assert_eq!(
        csv(&tables, "trials.csv")[10][..3],
        [id("iou", 2).to_string(), "loss=iou".to_owned(), "second".to_owned()]
    );
    assert!(
        !stores[0].report_dir().exists() && !stores[1].tables_dir().exists(),
        "the runs stay as they are"
    );
    for file in between(&page, "href=\"", "\"").iter().filter(|link| !link.starts_with('#')) {
        let path = file.replace("%20", " ");
        assert!(summary.index.parent().unwrap().join(&path).exists(), "{path} is not there");
    }
}

#[test]
fn a_template_of_the_users_replaces_what_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let store = complete(dir.path());
    let theme = dir.path().join("theme.j2");
    let with = |text: &str| {
        fs::write(&theme, text).unwrap();
        build_with(std::slice::from_ref(&store), &ReportOptions { out: None, template: Some(theme.clone()) })
    };
    let example =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/browser/theme.html")).unwrap();
    let themed = page(&with(&example).unwrap());
    assert!(themed.contains("Our laboratory · demo") && themed.contains("Made by Fovea"));
    assert!(themed.contains("h1 { color: #8a2be2; }") && themed.contains("id=\"leaderboard\""));
    // A file of any name is escaped.
    let own = page(&with("{{ question }}").unwrap());
    assert!(own.contains("&lt;b&gt;&amp;"), "{own}");
    let error = |text: &str| with(text).unwrap_err().to_string();
    let theme_name = theme.display();
    for (text, expected) in [
        (
            "{% extends \"report.html\" %}\n{% block footer %}\n{{ anser.lead }}\n{% endblock %}",
            format!("{theme_name}:3: undefined value"),
        ),
        ("a\n{% if %}", format!("{theme_name}:2: syntax error: ")),
        ("{% extends \"base.html\" %}", format!("{theme_name}:1: ")),
        ("\n{{ name|shout }}", format!("{theme_name}:2: unknown filter: ")),
    ] {
        let told = error(text);
        assert!(told.starts_with(&format!("cannot fill in the report's template: {expected}")), "{told}");
    }
    let missing = ReportOptions { out: None, template: Some(dir.path().join("none.html")) };
    let told = build_with(&[store], &missing).unwrap_err();
    assert!(
        matches!(told, ReportError::NoTemplate { .. })
            && told.to_string().contains("none.html: No such file"),
        "{told}"
    );
}

#[test]
fn what_the_template_is_given_is_what_its_head_says() {
    let head = fovea_reports::TEMPLATE.split_once("-#}").unwrap().0;
    for block in between(fovea_reports::TEMPLATE, "{% block ", " %}") {
        assert!(head.contains(block), "the head does not name the block {block}");
    }
}

fn provenance(seed: u64, loss: &str) -> fovea_records::Provenance {
    use fovea_records::provenance::{DeviceState, Machine, PluginRecord, Program, SourceState};
    fovea_records::Provenance {
        time: 1_795_450_000.0 + seed as f64,
        stage: None,
        from_epoch: 0,
        from_step: 0,
        seed,
        program: Program { version: "0.1.0".to_owned(), blake3: "ab".repeat(32), ..Program::default() },
        command: vec!["fovea".to_owned(), "run".to_owned()],
        base_dir: None,
        source: Some(SourceState { commit: "c0ffee".to_owned(), ..SourceState::default() }),
        machine: Machine { cpu: "Intel <Xeon>".to_owned(), cores: 2, ..Machine::default() },
        device: DeviceState { name: "cpu (2 threads)".to_owned(), ..DeviceState::default() },
        threads: 2,
        environment: [("OMP_NUM_THREADS".to_owned(), "1".to_owned())].into_iter().collect(),
        plugins: vec![PluginRecord {
            kind: "loss".to_owned(),
            name: loss.to_owned(),
            fingerprint: "1.0".to_owned(),
            files: Default::default(),
            library: None,
        }],
    }
}

#[test]
fn provenance_is_told_once_and_where_it_differs() {
    let dir = tempfile::tempdir().unwrap();
    let store = fixture::write(dir.path(), &["none", "ria"], 2, |_, _| Fate::Done);
    for (loss, seed) in [("none", 0), ("none", 1), ("ria", 0)] {
        let mut line = provenance(seed, loss);
        if (loss, seed) == ("none", 1) {
            line.threads = 7;
        }
        let path = store.trial_dir(&id(loss, seed)).join(fovea_records::provenance::FILE);
        let resumed = fovea_records::Provenance { from_epoch: 3, from_step: 2, ..line.clone() };
        fovea_records::store::write_lines(&path, &[line, resumed]).unwrap();
    }
    let page = page(&build(&store).unwrap());
    for words in [
        "3 trials with a record",
        "1 finished trials have none",
        "begun 2026-11-23 16:06:40 UTC to 2026-11-23 16:06:41 UTC",
        "<th scope=\"row\">commit</th><td>c0ffee</td>",
        "<th scope=\"row\">CPU</th><td>Intel &lt;Xeon&gt;</td>",
        "<th scope=\"row\">environment OMP_NUM_THREADS</th><td>1</td>",
        "<th scope=\"row\">program (BLAKE3)</th><td>abababababababab</td>",
        "<th scope=\"col\">threads</th><th scope=\"col\">loss</th>",
        "<td>7</td><td>none (1.0)</td>",
        "<td>2</td><td>ria (1.0)</td>",
        "resumed after epoch 3, step 2",
        "<a href=\"#provenance-3\">group 3</a>",
    ] {
        assert!(page.contains(words), "the page lacks {words}");
    }
    assert_eq!(page.matches("<th scope=\"row\">commit</th>").count(), 1);
}

#[test]
fn checks_stand_beside_their_trials_and_at_the_top() {
    use fovea_records::verdict::{Change, Departure};
    use fovea_records::{Finding, Verdict};
    let dir = tempfile::tempdir().unwrap();
    let store = fixture::write(dir.path(), &["none", "ria"], 2, |_, _| Fate::Done);
    assert!(!page(&build(&store).unwrap()).contains("id=\"verification\""));
    let verdict = |loss: &str, seed, finding| Verdict {
        time: 1_795_450_000.0,
        trial: id(loss, seed),
        finding,
        departure: None,
        metrics: Default::default(),
        tolerance: 0.01,
        changes: Vec::new(),
        reasons: Vec::new(),
    };
    store.add_verdict(&verdict("none", 0, Finding::Tampered)).unwrap();
    store.add_verdict(&verdict("none", 0, Finding::BitExact)).unwrap();
    store
        .add_verdict(&Verdict {
            departure: Some(Departure {
                step: Some(17),
                what: "network".to_owned(),
                tensor: Some((20, "layer1.0.conv1.weight".to_owned())),
                recorded: "aa".to_owned(),
                rerun: "bb".to_owned(),
            }),
            metrics: [("accuracy".to_owned(), 0.25)].into_iter().collect(),
            changes: vec![Change {
                what: "threads".to_owned(),
                recorded: "2".to_owned(),
                now: "1".to_owned(),
            }],
            reasons: vec!["Another <binary>.".to_owned()],
            ..verdict("ria", 1, Finding::Diverged)
        })
        .unwrap();
    let page = page(&build(&store).unwrap());
    for words in [
        "<p class=\"checks bad\">Checked: 2 of 4 finished trials; 1 bit-exact, 1 diverged.",
        "First difference at step 17: network, recorded aa, now bb. First tensor that differs: layer1.0.conv1.weight, at step 20.",
        "Metrics differ: accuracy by +2.500e-1 (tolerance 0.01).",
        "Another &lt;binary&gt;.",
        "Changed since: threads, recorded 2, now 1.",
        &format!("<a href=\"#check-trial-{}\">bit-exact</a>", id("none", 0)),
        &format!("<a href=\"#check-trial-{}\">diverged</a>", id("ria", 1)),
    ] {
        assert!(page.contains(words), "the page lacks {words}");
    }
}

#[test]
fn a_run_that_somebody_works_on_says_how_far_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = fixture::write(dir.path(), &["none", "ria"], 2, |loss, seed| match (loss, seed) {
        ("none", 0) => Fate::Done,
        ("none", 1) => Fate::Running,
        _ => Fate::Untouched,
    });
    let progress = fovea_records::TaskProgress {
        time: 5.0,
        epoch: 3,
        epochs: 6,
        phase: fovea_records::Phase::Training,
        ..Default::default()
    };
    let file = store.trial_dir(&id("none", 1)).join("progress.json");
    fovea_records::store::write_json(&file, &progress).unwrap();
    let calm = page(&build(&store).unwrap());
    assert!(!calm.contains("Still going on") && calm.contains("</b> pending"), "nobody is at work");
    let lock = store.lock().unwrap();
    // Another process than this one.
    fs::write(dir.path().join("lock"), "pid 1").unwrap();
    let going = page(&build(&store).unwrap());
    drop(lock);
    for words in [
        "(pid 1): 1 of 4 trials done, 1 running, 2 waiting",
        "training, 3 of 6 epochs done",
        "<progress value=\"50\" max=\"100\"",
        "<li class=\"running\"><b>1</b> running</li>\n\n<li class=\"pending\"><b>2</b> pending</li>",
    ] {
        assert!(going.contains(words), "the page lacks {words}");
    }
}

#[test]
#[ignore = "writes 1,000 trials"]
fn a_thousand_trials_take_under_ten_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let store = fixture::write(dir.path(), &LOSSES, 250, |_, _| Fate::Done);
    let clock = std::time::Instant::now();
    let summary = build(&store).unwrap();
    let seconds = clock.elapsed().as_secs_f64();
    let size = fs::metadata(&summary.index).unwrap().len();
    println!("{} trials: {seconds:.1} s, {:.1} MB", summary.trials, size as f64 / 1e6);
    assert!(seconds < 10.0 && size < 20_000_000);

    // The same as 200 variants of five seeds each.
    let mut plan = store.read_plan().unwrap();
    plan.axes.insert(1, "training.beta".to_owned());
    plan.baseline = Some("loss=none, beta=0".to_owned());
    for trial in &mut plan.trials {
        let beta = trial.seed / 5;
        trial.seed %= 5;
        trial.variant = format!("{}, beta={beta}", trial.variant);
        trial.axes[1] = ("seed".to_owned(), trial.seed.to_string());
        trial.axes.insert(1, ("training.beta".to_owned(), beta.to_string()));
        trial.config["training"]["beta"] = beta.into();
    }
    store.write_plan(&plan).unwrap();
    let clock = std::time::Instant::now();
    let summary = build(&store).unwrap();
    let seconds = clock.elapsed().as_secs_f64();
    let size = fs::metadata(&summary.index).unwrap().len();
    println!("200 variants: {seconds:.1} s, {:.1} MB", size as f64 / 1e6);
    assert!(seconds < 10.0 && size < 20_000_000);
    if let Some(kept) = std::env::var_os("KEEP_REPORT") {
        fs::copy(&summary.index, kept).unwrap();
    }
}

#[test]
#[ignore = "writes /tmp/report-demo to be looked at"]
fn demo() {
    for (name, write) in [("complete", complete as fn(&Path) -> RunStore), ("partial", partial)] {
        let root = Path::new("/tmp/report-demo").join(name);
        let _ = fs::remove_dir_all(&root);
        let clock = std::time::Instant::now();
        let store = write(&root);
        let written = clock.elapsed();
        let summary = build(&store).unwrap();
        println!(
            "{}\n{} {written:?} {:?}",
            summary.table,
            summary.index.display(),
            clock.elapsed() - written
        );
    }
}
