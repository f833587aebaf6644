//! What holds for every experiment: random small ones, as text, through the whole way.

use super::{Fake, HEAD, errors, plan, plan_with, without_origins};
use crate::{Overrides, Plan, TrialConfig, effective, identity};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Keys of a trial with values that all make different trials.
const KEYS: [(&str, &[&str]); 11] = [
    (
        "loss",
        &[
            "\"none\"",
            "\"ria\"",
            "\"iou\"",
            "{ name = \"ria\", lambda = 0.3 }",
            "{ name = \"ria\", power = 3 }",
        ],
    ),
    ("model", &["\"resnet-tiny\"", "\"resnet18\"", "{ name = \"resnet18\", dropout = 0.5 }"]),
    ("localizer", &["\"ground-truth\"", "\"center-box\"", "{ name = \"center-box\", size = 0.25 }"]),
    ("extractor.threshold", &["0.1", "0.3", "0.9"]),
    ("training.beta", &["0", "0.1", "0.25", "1", "1e3"]),
    ("training.batch_size", &["8", "16", "24", "128"]),
    ("training.epochs", &["20", "30", "70"]),
    ("training.optimizer.learning_rate", &["1e-4", "0.002", "0.1"]),
    ("cam.detach_alpha", &["true", "false"]),
    ("evaluation.gaussian", &["[]", "[30]", "[30, 60.5]"]),
    ("seed", &["0", "1", "2", "77"]),
];

/// An axis: its key and some of the values.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    key: &'static str,
    values: Vec<&'static str>,
}

impl Axis {
    fn line(&self) -> String {
        format!("{} = [{}]\n", self.key, self.values.join(", "))
    }
}

/// A point: the text of the value of each key.
type Point = BTreeMap<&'static str, &'static str>;

/// Some keys in any order, each with some of its values.
fn axes(keys: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Axis>> {
    let chosen = subsequence(KEYS.to_vec(), keys).prop_shuffle();
    let axis = |(key, values): (&'static str, &'static [&'static str])| {
        let some = subsequence(values.to_vec(), 1..=values.len().min(3)).prop_shuffle();
        some.prop_map(move |values| Axis { key, values })
    };
    chosen.prop_flat_map(move |keys| keys.into_iter().map(axis).collect::<Vec<_>>())
}

fn axes_text(axes: &[Axis]) -> String {
    format!("[axes]\n{}", axes.iter().map(Axis::line).collect::<String>())
}

/// The cross product, the last axis fastest.
fn crossed(axes: &[Axis]) -> Vec<Point> {
    axes.iter().fold(vec![Point::new()], |points, axis| {
        let with =
            |point: &Point, value| point.iter().map(|(k, v)| (*k, *v)).chain([(axis.key, value)]).collect();
        points.iter().flat_map(|point| axis.values.iter().map(move |value| with(point, *value))).collect()
    })
}

/// The point as an experiment of its own.
fn alone(point: &Point) -> String {
    let lines: String = point.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    // The model of the head is one of several.
    let head: Vec<&str> =
        HEAD.lines().filter(|line| !point.keys().any(|key| line.starts_with(key))).collect();
    format!("{}\n{lines}", head.join("\n"))
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.trials.iter().map(|trial| trial.id.as_str()).collect()
}

/// The ids of points, each planned alone.
fn ids_of(points: &[Point]) -> Vec<String> {
    points.iter().map(|point| plan_with(&alone(point), &[], &[]).unwrap().trials[0].id.to_string()).collect()
}

fn where_text(chosen: &[Axis]) -> String {
    let parts: Vec<String> =
        chosen.iter().map(|axis| format!("\"{}\" = [{}]", axis.key, axis.values.join(", "))).collect();
    format!("{{ {} }}", parts.join(", "))
}

/// Some of the axes, each with some of its values.
fn part(axes: &[Axis], count: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Axis>> + use<> {
    subsequence(axes.to_vec(), count).prop_flat_map(|axes| {
        let narrowed = |axis: Axis| {
            let some = subsequence(axis.values.clone(), 1..=axis.values.len());
            some.prop_map(move |values| Axis { key: axis.key, values })
        };
        axes.into_iter().map(narrowed).collect::<Vec<_>>()
    })
}

fn fits(point: &Point, r#where: &[Axis]) -> bool {
    r#where.iter().all(|axis| axis.values.contains(&point[axis.key]))
}

/// Everything that a trial's configuration says, and the path to it.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(table) => {
            table.iter().for_each(|(key, value)| leaves(value, &format!("{path}/{key}"), found));
        }
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().for_each(|(i, value)| leaves(value, &format!("{path}/{i}"), found));
        }
        _ => found.push(path.to_owned()),
    }
}

/// Values of the same kind, to take its place.
fn others(value: &Value) -> Vec<Value> {
    let words =
        ["adam", "sgd", "cosine", "step", "ground-truth", "predicted", "minmax", "sum", "skip", "full-box"];
    match value {
        Value::Bool(flag) => vec![Value::from(!flag)],
        Value::Number(number) if number.is_u64() => vec![Value::from(number.as_u64().unwrap() + 1)],
        Value::Number(number) => vec![Value::from(number.as_f64().unwrap() + 0.125)],
        Value::String(text) => {
            words.iter().filter(|word| *word != text).map(|word| Value::from(*word)).collect()
        }
        _ => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_grid_is_the_cross_product_of_its_axes(axes in axes(0..=4)) {
        let plan = plan(&axes_text(&axes));
        let size: usize = axes.iter().map(|axis| axis.values.len()).product();
        prop_assert_eq!(plan.trials.len(), size);
        prop_assert_eq!(ids(&plan).into_iter().collect::<HashSet<_>>().len(), size);
        prop_assert_eq!(ids(&plan), ids_of(&crossed(&axes)));
        let places: HashSet<_> = plan.trials.iter().map(|trial| (&trial.variant, trial.config.seed)).collect();
        prop_assert_eq!(places.len(), size, "variant and seed tell trials apart");
    }

    #[test]
    fn the_look_of_a_file_changes_no_identity(
        (axes, shuffled) in axes(1..=4).prop_flat_map(|axes| (Just(axes.clone()), Just(axes).prop_shuffle())),
        name in "[a-z]{1,8}",
        workers in 1..9usize,
        key in any::<Index>(),
    ) {
        let mut expected = plan(&axes_text(&axes));
        let grouped = axes.iter().find(|axis| axis.key != "seed").map_or_else(String::new, |axis| {
            let value = axis.values[key.index(axis.values.len())];
            format!("[group]\n\"the {name}\" = {{ \"{}\" = [{value}] }}\n", axis.key)
        });
        let lines: String = shuffled.iter().map(|axis| format!("# {name}\n\n  {}", axis.line())).collect();
        let head = format!("# {name}\nquestion = \"{name}?\"\nname = \"{name}\"\ndevice = \"cpu\"\nrun.workers = {workers}\n");
        let quoted = HEAD.replace('"', "'").replace("dataset", "  \"dataset\" ");
        let text = format!("{head}{quoted}[axes]\n{lines}{grouped}");
        let mut found = plan_with(&text, &[], &[]).unwrap();
        let sort = |plan: &mut Plan| plan.trials.sort_by(|a, b| a.id.cmp(&b.id));
        sort(&mut expected);
        sort(&mut found);
        prop_assert_eq!(ids(&expected), ids(&found));
        prop_assert!(expected.trials.iter().zip(&found.trials).all(|(a, b)| a.config == b.config));
    }

    #[test]
    fn an_identity_depends_on_every_value(axes in axes(0..=3), trial in any::<Index>()) {
        let plan = plan(&axes_text(&axes));
        let trial = &plan.trials[trial.index(plan.trials.len())];
        let json = identity::json(&trial.config);
        let again: TrialConfig = serde_json::from_value(json.clone()).unwrap();
        prop_assert_eq!(&identity::trial_id(&again), &trial.id);
        let mut paths = Vec::new();
        leaves(&json, "", &mut paths);
        prop_assert!(paths.len() > 40);
        let mut changed = 0;
        for path in &paths {
            for other in others(json.pointer(path).unwrap()) {
                let mut json = json.clone();
                *json.pointer_mut(path).unwrap() = other;
                if let Ok(config) = serde_json::from_value::<TrialConfig>(json) {
                    prop_assert_ne!(&identity::trial_id(&config), &trial.id, "{}", path);
                    changed += 1;
                }
            }
        }
        prop_assert!(changed >= paths.len() - 3, "{changed} of {}", paths.len());
    }

    #[test]
    fn zipped_axes_cross_as_one(axes in axes(2..=4), members in 1..=3usize) {
        let (zipped, free): (Vec<_>, Vec<_>) =
            axes.into_iter().enumerate().partition(|(place, axis)| *place < members && axis.key != "seed");
        let (mut zipped, free): (Vec<Axis>, Vec<Axis>) =
            (zipped.into_iter().map(|(_, a)| a).collect(), free.into_iter().map(|(_, a)| a).collect());
        prop_assume!(!zipped.is_empty());
        let length = zipped.iter().map(|axis| axis.values.len()).min().unwrap();
        let lines = |axes: &[Axis]| axes.iter().map(Axis::line).collect::<String>();
        if zipped.iter().any(|axis| axis.values.len() != length) {
            let refused = errors(&format!("[[zip]]\n{}{}", lines(&zipped), axes_text(&free)));
            prop_assert!(refused.contains("axes that move together need equally many values"), "{refused}");
        }
        zipped.iter_mut().for_each(|axis| axis.values.truncate(length));
        let plan = plan(&format!("[[zip]]\n{}{}", lines(&zipped), axes_text(&free)));
        let mut expected = Vec::new();
        for position in 0..length {
            for free in crossed(&free) {
                let moved = zipped.iter().map(|axis| (axis.key, axis.values[position]));
                expected.push(free.into_iter().chain(moved).collect());
            }
        }
        prop_assert_eq!(ids(&plan), ids_of(&expected));
    }

    #[test]
    fn exclude_leaves_out_what_it_says(
        (axes, rules) in axes(1..=4).prop_flat_map(|axes| {
            let rules = proptest::collection::vec(part(&axes, 1..=axes.len()), 1..=2);
            (Just(axes), rules)
        }),
    ) {
        let rule = |rule: &Vec<Axis>| format!("[[exclude]]\nwhere = {}\nreason = \"no\"\n", where_text(rule));
        let text = format!("{}{}", axes_text(&axes), rules.iter().map(rule).collect::<String>());
        let all = crossed(&axes);
        let out = |point: &Point| rules.iter().any(|rule| fits(point, rule));
        let kept: Vec<Point> = all.iter().filter(|point| !out(point)).cloned().collect();
        if kept.is_empty() {
            prop_assert!(errors(&text).contains("every point is excluded"));
        } else {
            let plan = plan(&text);
            prop_assert_eq!(plan.excluded.len(), all.len() - kept.len());
            prop_assert_eq!(ids(&plan), ids_of(&kept));
        }
    }

    #[test]
    fn include_adds_what_it_says(
        (axes, extra) in axes(1..=3).prop_flat_map(|axes| {
            let extra = part(&axes, 1..=axes.len());
            (Just(axes), extra)
        }),
    ) {
        // The grid keeps the first value of each axis; the include has any.
        let grid: Vec<Axis> =
            axes.iter().map(|axis| Axis { values: axis.values[..1].to_vec(), ..axis.clone() }).collect();
        let values = |axis: &Axis| {
            let value = |value: &&str| if value.starts_with('[') { format!("[{value}]") } else { (*value).to_owned() };
            // A list is the value itself, so several lists stand in one.
            let list = axis.values.join(", ");
            if axis.values.len() == 1 { axis.values.iter().map(value).collect() } else { format!("[{list}]") }
        };
        let lines: String = extra.iter().map(|axis| format!("{} = {}\n", axis.key, values(axis))).collect();
        let text = format!("{}[[include]]\n{lines}", axes_text(&grid));
        // A key that the include does not name has the document's value, not one of the axis.
        let added = ids_of(&crossed(&extra));
        let expected = ids_of(&crossed(&grid));
        if added.iter().any(|id| expected.contains(id)) {
            prop_assert!(errors(&text).contains("which is there already"));
        } else {
            let plan = plan(&text);
            let all: Vec<&str> = expected.iter().chain(&added).map(String::as_str).collect();
            prop_assert_eq!(ids(&plan), all);
        }
    }

    #[test]
    fn a_value_more_keeps_every_identity(axes in axes(1..=4), place in any::<Index>()) {
        let mut less = axes.clone();
        let place = place.index(axes.len());
        prop_assume!(less[place].values.len() > 1);
        less[place].values.pop();
        let (less, more) = (plan(&axes_text(&less)), plan(&axes_text(&axes)));
        let known: BTreeSet<_> = more.trials.iter().map(|trial| (&trial.id, &trial.variant)).collect();
        prop_assert!(less.trials.iter().all(|trial| known.contains(&(&trial.id, &trial.variant))));
    }

    #[test]
    fn an_override_is_as_if_the_file_had_it(axes in axes(1..=4), place in any::<Index>()) {
        let chosen = &axes[place.index(axes.len())];
        let others: Vec<Axis> = axes.iter().filter(|axis| axis.key != chosen.key).cloned().collect();
        let [key, value] = [chosen.key, chosen.values[0]];
        let written = format!("{}{}", alone(&Point::from([(key, value)])), axes_text(&others));
        let written = plan_with(&written, &[], &[]).unwrap();
        let text = format!("{HEAD}{}", axes_text(&others));
        let given = plan_with(&text, &[&format!("{key}={value}")], &[]).unwrap();
        prop_assert_eq!(without_origins(&written), without_origins(&given));
        let list = |axis: &Axis| format!("axes.{}=[{}]", axis.key, axis.values.join(","));
        let given = plan_with(HEAD, &axes.iter().map(list).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        prop_assert_eq!(without_origins(&plan(&axes_text(&axes))), without_origins(&given.unwrap()));
        let narrowed = plan_with(&format!("{HEAD}{}", axes_text(&axes)), &[&format!("{key}={value}")], &[]).unwrap();
        let expected: HashSet<&str> = written.trials.iter().map(|trial| trial.id.as_str()).collect();
        prop_assert_eq!(ids(&narrowed).into_iter().collect::<HashSet<_>>(), expected);
    }

    #[test]
    fn what_config_prints_is_the_same_experiment(
        (axes, rule) in axes(2..=4).prop_flat_map(|axes| (Just(axes.clone()), part(&axes, 1..=1))),
        zipped in any::<bool>(),
    ) {
        let zip = zipped && axes[0].key != "seed";
        let head = if zip { format!("[[zip]]\n{}{}", axes[0].line(), axes_text(&axes[1..])) } else { axes_text(&axes) };
        let text = format!("{head}[[exclude]]\nwhere = {}\nreason = \"no\"\n", where_text(&rule));
        let kept = crossed(&axes).iter().any(|point| !fits(point, &rule));
        prop_assume!(kept);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quick.toml");
        std::fs::write(&path, format!("{HEAD}{text}")).unwrap();
        let printed =
            effective(&path, &Overrides::default(), &Fake::default(), crate::Origins::Hidden).unwrap();
        let again = plan_with(&printed.text, &[], &[]).unwrap();
        prop_assert_eq!(without_origins(&again), without_origins(&plan(&text)));
    }
}

#[test]
fn a_thousand_million_points_are_refused_at_once() {
    let started = std::time::Instant::now();
    let thousand = |key: &str| format!("{key} = {{ range = [1, 1000], step = 1 }}\n");
    let lines: String = ["training.beta", "training.alpha", "seed"].map(thousand).concat();
    let shown = errors(&format!("[axes]\n{lines}"));
    assert!(shown.contains("the grid has 1000000000 points; at most 100000 are planned"), "{shown}");
    assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
}
