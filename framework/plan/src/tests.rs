//! Tests of the whole way from text to plan, with a small catalog of plugins that exist nowhere.

mod ablate;
mod extends;
mod grammar;
mod group;
mod origins;
mod points;
mod properties;
mod references;
mod smoke;
mod zip;

use crate::{
    DeviceRequest, Overrides, Plan, PlanErrors, PluginCatalog, PluginConfig, PluginIssue, PluginKind, Trial,
    load,
};
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::fs;

/// Plugins whose keys are numbers with defaults.
#[derive(Default)]
struct Fake {
    calls: Cell<usize>,
}

fn plugins(kind: PluginKind) -> Vec<(&'static str, Vec<(&'static str, f64)>)> {
    match kind {
        PluginKind::Dataset => vec![("scenes", vec![("bias", 0.9), ("train", 512.0)]), ("folder", vec![])],
        PluginKind::Model => vec![("resnet-tiny", vec![]), ("resnet18", vec![("dropout", 0.0)])],
        PluginKind::Localizer => vec![("ground-truth", vec![]), ("center-box", vec![("size", 0.5)])],
        PluginKind::Extractor => vec![("threshold", vec![("threshold", 0.5)])],
        PluginKind::Loss => vec![
            ("none", vec![]),
            ("iou", vec![]),
            ("modified-iou", vec![]),
            ("ria", vec![("lambda", 0.1), ("power", 2.0)]),
        ],
    }
}

impl PluginCatalog for Fake {
    fn resolve(&self, kind: PluginKind, name: &str, config: Value) -> Result<PluginConfig, Vec<PluginIssue>> {
        self.calls.set(self.calls.get() + 1);
        let (_, keys) = plugins(kind).into_iter().find(|(known, _)| *known == name).unwrap();
        let mut full: Map<String, Value> =
            keys.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let mut issues = Vec::new();
        for (key, value) in config.as_object().unwrap() {
            let known = keys.iter().map(|(known, _)| *known);
            let issue = |message: &str, suggestion: Option<&str>| PluginIssue {
                path: vec![key.clone()],
                message: message.to_owned(),
                suggestion: suggestion.map(str::to_owned),
            };
            match (full.contains_key(key), value.as_f64()) {
                (true, Some(number)) => _ = full.insert(key.clone(), json!(number)),
                (true, None) => issues.push(issue("expected a number", None)),
                (false, _) => issues.push(issue("unknown key", crate::errors::nearest(key, known))),
            }
        }
        let fingerprint = format!("{name} v1");
        let resolved = PluginConfig {
            name: name.to_owned(),
            config: Value::Object(full),
            fingerprint,
            paths: Vec::new(),
        };
        if issues.is_empty() { Ok(resolved) } else { Err(issues) }
    }

    fn names(&self, kind: PluginKind) -> Vec<String> {
        plugins(kind).into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    fn schema(&self, kind: PluginKind, name: &str) -> Value {
        let (_, keys) = plugins(kind).into_iter().find(|(known, _)| *known == name).unwrap();
        let properties: Map<String, Value> =
            keys.into_iter().map(|(key, _)| (key.to_owned(), json!({ "type": "number" }))).collect();
        json!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

const HEAD: &str = "dataset = \"scenes\"\nmodel = \"resnet-tiny\"\n";

fn plan_with(text: &str, command_line: &[&str], environment: &[(&str, &str)]) -> Result<Plan, PlanErrors> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quick.toml");
    fs::write(&path, text).unwrap();
    let overrides = Overrides {
        smoke: false,
        command_line: command_line.iter().map(|&text| text.to_owned()).collect(),
        environment: environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
    };
    load(&path, &overrides, &Fake::default())
}

fn plan(text: &str) -> Plan {
    plan_with(&format!("{HEAD}{text}"), &[], &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The rendered errors, with the folder left out.
fn errors_with(text: &str, command_line: &[&str], environment: &[(&str, &str)]) -> String {
    let errors =
        plan_with(text, command_line, environment).expect_err("this should not be a plan").to_string();
    let shorten = |line: &str| match line.find("quick.toml") {
        Some(at) if line.starts_with('/') => line[at..].to_owned(),
        _ => line.to_owned(),
    };
    errors.lines().map(shorten).collect::<Vec<_>>().join("\n")
}

fn errors(text: &str) -> String {
    errors_with(&format!("{HEAD}{text}"), &[], &[])
}

fn variants(plan: &Plan) -> Vec<&str> {
    plan.trials.iter().map(|trial| trial.variant.as_str()).collect()
}

/// The trials, whatever file they are of.
fn without_origins(plan: &Plan) -> Vec<Trial> {
    plan.trials.iter().map(|trial| Trial { origins: Default::default(), ..trial.clone() }).collect()
}

#[test]
fn a_small_file_has_defaults_for_the_rest() {
    let plan = plan("");
    assert_eq!((plan.name.as_str(), plan.device, plan.axes.len()), ("quick", DeviceRequest::Auto, 0));
    assert_eq!(variants(&plan), ["quick"]);
    assert_eq!(plan.baseline.as_deref(), Some("quick"));
    assert_eq!(plan.run.dir.to_str(), Some("runs/quick"));
    assert_eq!((plan.run.cache.to_str(), plan.run.workers, plan.run.threads), (Some("runs/.cache"), 1, 0));
    let config = &plan.trials[0].config;
    assert_eq!((config.loss.name.as_str(), &config.loss.config["lambda"]), ("ria", &json!(0.1)));
    assert_eq!(
        (config.localizer.name.as_str(), config.extractor.name.as_str()),
        ("ground-truth", "threshold")
    );
    assert_eq!((config.training.epochs, config.seed), (50, 0));
    let planned = plan.to_run_plan();
    assert_eq!(planned.trials[0].config["training"]["beta"], json!(0.5));
    assert!(plan.source.starts_with("dataset"));
}

#[test]
fn the_last_axis_is_fastest_and_the_order_is_that_of_the_text() {
    let plan = plan(
        "[axes]\ntraining.beta = [0.5, 1]\nloss = [\"none\", \"ria\"]\ntraining.alpha = [1.0]\nseed = [3, 4]",
    );
    assert_eq!(plan.axes, ["training.beta", "loss", "training.alpha", "seed"]);
    let order: Vec<_> = plan.trials.iter().map(|t| (t.variant.as_str(), t.config.seed)).collect();
    assert_eq!(
        order[..5],
        [
            ("beta=0.5, loss=none, alpha=1.0", 3),
            ("beta=0.5, loss=none, alpha=1.0", 4),
            ("beta=0.5, loss=ria, alpha=1.0", 3),
            ("beta=0.5, loss=ria, alpha=1.0", 4),
            ("beta=1, loss=none, alpha=1.0", 3),
        ]
    );
    assert_eq!(plan.trials.iter().map(|trial| trial.index).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let expected =
        [pair("training.beta", "1"), pair("loss", "ria"), pair("training.alpha", "1.0"), pair("seed", "4")];
    assert_eq!(plan.trials[7].axes, expected);
}

#[test]
fn axes_of_seeds_alone_leave_the_name() {
    assert_eq!(variants(&plan("name = \"mine\"\naxes.seed = [0, 1]")), ["mine", "mine"]);
}

#[test]
fn ambiguous_last_keys_are_written_in_full() {
    let plan = plan(
        "[axes]\n\"training.batch_size\" = [8]\n\"evaluation.batch_size\" = [9]\n\"training.beta\" = [1]",
    );
    assert_eq!(variants(&plan), ["training.batch_size=8, evaluation.batch_size=9, beta=1"]);
}

#[test]
fn plugin_tables_merge_into_their_own_kind_only() {
    let text = r#"
        loss = { name = "ria", lambda = 0.3, power = 3 }
        [axes]
        loss = ["none", "ria", { lambda = 0.7 }, { name = "ria", power = 5, label = "strong" }]
    "#;
    let plan = plan(text);
    assert_eq!(variants(&plan), ["loss=none", "loss=ria", "loss=ria(lambda=0.7)", "loss=strong"]);
    let configs: Vec<String> = plan.trials.iter().map(|trial| trial.config.loss.config.to_string()).collect();
    assert_eq!(
        configs,
        [
            "{}",
            r#"{"lambda":0.3,"power":3.0}"#,
            r#"{"lambda":0.7,"power":3.0}"#,
            r#"{"lambda":0.3,"power":5.0}"#,
        ]
    );
}

#[test]
fn equal_tables_are_resolved_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quick.toml");
    fs::write(&path, format!("{HEAD}[axes]\nloss = [\"none\", \"ria\"]\nseed = [0, 1, 2]")).unwrap();
    let catalog = Fake::default();
    load(&path, &Overrides::default(), &catalog).unwrap();
    assert_eq!(catalog.calls.get(), 6);
}

#[test]
fn layers_are_file_environment_command_line() {
    let text = format!(
        "{HEAD}[training]\nepochs = 20\nbatch_size = 8\nalpha = 2\n[loss]\nname = \"ria\"\nlambda = 0.4"
    );
    let environment = [
        ("FOVEA_TRAINING__BATCH_SIZE", "16"),
        ("FOVEA_TRAINING__ALPHA", "3"),
        ("FOVEA_LOG", "x"),
        ("FOVEA_PLUGIN_PATH", "x"),
        ("FOVEA_CACHE_HOME", "x"),
        ("FOVEA_WORKER_SLOT", "x"),
        ("FOVEA_NAME", "007"),
    ];
    let command_line = ["training.alpha=4", "device=cuda:1", "extractor.threshold=0.25", "run.dir=out/x"];
    let plan = plan_with(&text, &command_line, &environment).unwrap();
    let config = &plan.trials[0].config;
    assert_eq!((config.training.epochs, config.training.batch_size, config.training.alpha), (20, 16, 4.0));
    assert_eq!(config.extractor.config, json!({ "threshold": 0.25 }));
    assert_eq!(config.loss.config["lambda"], json!(0.4));
    assert_eq!(
        (plan.device, plan.name.as_str(), plan.run.dir.to_str()),
        (DeviceRequest::Cuda(1), "007", Some("out/x"))
    );
    // Another plugin in a higher layer takes nothing over from the lower one.
    for change in ["loss=none", "loss.name=none", "loss={ name = \"none\" }"] {
        let plan = plan_with(&text, &[change], &[]).unwrap();
        assert_eq!(plan.trials[0].config.loss.config, json!({}), "{change}");
    }
}

#[test]
fn an_override_of_an_axis_leaves_one_value() {
    let text = format!("baseline = \"loss=none\"\n{HEAD}[axes]\nloss = [\"none\", \"ria\"]\nseed = [0, 1]");
    let plan = plan_with(&text, &["loss=ria", "seed=7"], &[]).unwrap();
    assert_eq!((plan.trials.len(), plan.trials[0].config.seed), (1, 7));
    assert_eq!((variants(&plan), plan.baseline.as_deref()), (vec!["loss=ria"], Some("loss=ria")));
    let plan = plan_with(&text, &["loss.name=iou"], &[("FOVEA_SEED", "3")]).unwrap();
    assert_eq!((variants(&plan), plan.trials[0].config.seed), (vec!["loss=iou"], 3));
    let plan = plan_with(&text, &["axes.seed=[0,1,2]", "axes.training.beta=[0.1]"], &[]).unwrap();
    assert_eq!((plan.trials.len(), plan.axes.join(" ")), (6, "loss seed training.beta".to_owned()));
}

#[test]
fn an_override_below_an_axis_holds_for_the_values_it_means() {
    let text = format!("{HEAD}[axes]\nloss = [\"none\", {{ name = \"ria\", lambda = 0.1 }}]");
    let plan = plan_with(&text, &["loss.lambda=0.9"], &[]).unwrap();
    assert_eq!(plan.trials[0].config.loss.config, json!({}));
    assert_eq!(plan.trials[1].config.loss.config["lambda"], json!(0.9));
    let text = format!("{HEAD}[axes]\nloss = [\"none\", \"iou\"]");
    let expected = "command line: loss.lambda=0.9: loss.lambda: this changes nothing: `ria` is no value of the axis \
                    `loss`\n      = give the axis its values with axes.loss=[...]";
    assert_eq!(errors_with(&text, &["loss.lambda=0.9"], &[]), expected);
}

#[test]
fn identity_sees_numbers_not_their_spelling() {
    let id = |text: &str| plan(text).trials[0].id.clone();
    let one = id("training.beta = 1\nloss = { name = \"ria\", lambda = 1 }");
    assert_eq!(
        one,
        id("name = \"x\"\ndevice = \"cpu\"\ntraining.beta = 1.0\nloss = { lambda = 1.0 }\nrun.workers = 2")
    );
    assert_ne!(one, id("training.beta = 1.5\nloss = { lambda = 1.0 }"));
    // Pinned: every finished trial on users' disks is found by such an id.
    assert_eq!(id("").as_str(), "324777a3625ad103");
}

#[test]
fn trials_share_their_warm_up() {
    let plan = plan("[axes]\ntraining.beta = [0.5, 1]\nloss = [\"none\", \"ria\"]\nseed = [0, 1]");
    assert_eq!(plan.stages.len(), 2);
    assert_eq!((plan.stages[0].epochs, plan.stages[0].trials.len()), (10, 4));
    assert_eq!(plan.stages[0].config, plan.trials[0].config);
    assert_eq!(plan.trials[1].stage.as_ref(), Some(&plan.stages[1].id));
    assert_eq!(plan.trials[6].stage.as_ref(), Some(&plan.stages[0].id));
    assert_eq!(plan.stages[0].trials[3], plan.trials[6].id);
}

#[test]
fn nothing_is_shared_without_warm_up_or_company() {
    let shared = |text: &str| plan(text).trials.iter().filter(|trial| trial.stage.is_some()).count();
    assert_eq!(shared("training.warmup_epochs = 0\naxes.loss = [\"none\", \"ria\"]"), 0);
    assert_eq!(shared("axes.seed = [0, 1]"), 0);
    assert_eq!(shared("axes.\"training.warmup_epochs\" = [1, 2]"), 0);
    assert_eq!(shared("axes.loss = [\"none\", \"ria\"]"), 2);
}

#[test]
fn several_errors_are_shown_at_once_each_in_its_place() {
    let text = r#"nmae = "x"
device = "gpu"
baseline = "loss=none"
[dataset]
name = "scenes"
bais = 0.5
[model]
name = "resnet-tinny"
[training]
epohcs = 3
batch_size = "many"
warmup_epochs = 60
optimizer.name = "adm"
[augmentation]
crop_scale = [0.9, 0.5]
[evaluation]
gaussian = [30, -1]
[axes]
loss = ["none", { name = "ria", lambdaa = 1 }, "modified-uio"]
"training.betta" = [1]
seed = [0, -1]
"#;
    let expected = r#"quick.toml:1:1: nmae: unknown key
    1 | nmae = "x"
      | ^^^^
      = did you mean `name`?

quick.toml:2:10: device: unknown device `gpu`
    2 | device = "gpu"
      |          ^^^^^
      = did you mean `cpu`?

quick.toml:6:1: dataset.bais: unknown key
    6 | bais = 0.5
      | ^^^^
      = did you mean `bias`?

quick.toml:8:8: model.name: unknown model `resnet-tinny`
    8 | name = "resnet-tinny"
      |        ^^^^^^^^^^^^^^
      = did you mean `resnet-tiny`?

quick.toml:10:1: training.epohcs: unknown key
   10 | epohcs = 3
      | ^^^^^^
      = did you mean `epochs`?

quick.toml:11:14: training.batch_size: expected a whole number, found the text "many"
   11 | batch_size = "many"
      |              ^^^^^^

quick.toml:12:17: training.warmup_epochs: 60 warm-up epochs are more than the 50 epochs there are (training.warmup_epochs, training.epochs)
   12 | warmup_epochs = 60
      |                 ^^

quick.toml:13:18: training.optimizer.name: unknown value `adm`
   13 | optimizer.name = "adm"
      |                  ^^^^^
      = did you mean `adam`?

quick.toml:15:14: augmentation.crop_scale: must be [smallest, largest], found [0.9, 0.5]
   15 | crop_scale = [0.9, 0.5]
      |              ^^^^^^^^^^

quick.toml:17:17: evaluation.gaussian.1: must be above 0, found -1
   17 | gaussian = [30, -1]
      |                 ^^

quick.toml:19:33: loss.lambdaa: unknown key
   19 | loss = ["none", { name = "ria", lambdaa = 1 }, "modified-uio"]
      |                                 ^^^^^^^
      = did you mean `lambda`?

quick.toml:19:48: loss.name: unknown loss `modified-uio`
   19 | loss = ["none", { name = "ria", lambdaa = 1 }, "modified-uio"]
      |                                                ^^^^^^^^^^^^^^
      = did you mean `modified-iou`?

quick.toml:20:1: axes.training.betta: there is no key `training.betta`
   20 | "training.betta" = [1]
      | ^^^^^^^^^^^^^^^^
      = did you mean `beta`?

quick.toml:21:12: seed: must not be negative, found -1
   21 | seed = [0, -1]
      |            ^^

14 errors"#;
    let shown = errors_with(text, &[], &[]);
    assert_eq!(shown, expected, "\n{shown}");
}

#[test]
fn errors_of_overrides_say_so() {
    let shown = errors_with(
        HEAD,
        &["training.epohcs=3", "loss.lambdaa=2", "just-a-word", "training.beta=-1"],
        &[("FOVEA_TRAINING__EPOCHS", "many"), ("FOVEA_SEEED", "1")],
    );
    let expected = r#"command line: just-a-word: expected key=value, with a dotted key, or ~key
      = for example training.epochs=3

command line: loss.lambdaa=2: loss.lambdaa: unknown key
      = did you mean `lambda`?

command line: training.beta=-1: training.beta: must not be negative, found -1

command line: training.epohcs=3: training.epohcs: unknown key
      = did you mean `epochs`?

environment: FOVEA_SEEED=1: seeed: unknown key
      = did you mean `seed`?

environment: FOVEA_TRAINING__EPOCHS=many: training.epochs: expected a whole number, found the text "many"

6 errors"#;
    assert_eq!(shown, expected, "\n{shown}");
    let axis = format!("{HEAD}[axes]\nloss = [\"none\"]");
    assert!(
        errors_with(&axis, &["loss=iuo"], &[])
            .starts_with("command line: loss=iuo: loss.name: unknown loss `iuo`")
    );
    assert!(
        errors_with(HEAD, &["axes.seed=3"], &[])
            .starts_with("command line: axes.seed=3: axes.seed: an axis is a")
    );
}

#[test]
fn errors_of_one_kind_each_have_place_and_help() {
    for (text, expected) in [
        ("seed = [", "quick.toml:3:9: "),
        ("[axes]\nloss = []", "quick.toml:4:8: axes.loss: the axis has no values, so the grid is empty"),
        (
            "[axes]\nloss = \"ria\"",
            "quick.toml:4:8: axes.loss: an axis is a list of values, found the text \"ria\"",
        ),
        (
            "[axes]\nrun.workers = [1]",
            "quick.toml:4:5: axes.run.workers: `run.workers` is no part of a trial",
        ),
        ("[axes]\nseed = [1, 1]", "quick.toml:4:12: axes.seed: the value 1 is listed twice"),
        (
            "[axes]\ntraining.beta = [1]\n\"training.beta\" = [2]",
            "quick.toml:5:1: axes.training.beta: this axis is declared twice",
        ),
        (
            "[axes]\n\"training.beta\" = [1, 1.0]",
            "quick.toml:4:23: axes.training.beta: two grid points are the same trial: `training.beta=1` and `training.beta=1.0`",
        ),
        (
            "[axes]\nloss = [\"ria\", { name = \"ria\", lambda = 0.1 }]\nseed = [0, 1]",
            "quick.toml:4:16: axes.loss: two grid points are the same trial: `loss=ria` and `loss=ria(lambda=0.1)`",
        ),
        (
            "[axes]\nloss = [\"ria\", { name = \"iou\", label = \"ria\" }]",
            "quick.toml:4:16: axes.loss: two values have the label `ria`",
        ),
        ("axes = 3", "quick.toml:3:8: axes: expected a table"),
        ("training = 3", "quick.toml:3:12: training: expected a table, found 3"),
        ("loss = 3", "quick.toml:3:8: loss: expected a table, found 3"),
        ("[loss]\nname = 3", "quick.toml:4:8: loss.name: expected text in quotes, found 3"),
        ("training.beta = nan", "quick.toml:3:17: training.beta: must be finite, found NaN"),
        (
            "epochs = 3",
            "quick.toml:3:1: epochs: unknown key\n    3 | epochs = 3\n      | ^^^^^^\n      = did you mean `training.epochs`?",
        ),
        ("training.epochs = 0", "quick.toml:3:19: training.epochs: must be at least 1, found 0"),
        (
            "training.epochs = 5",
            "quick.toml:3:19: training.epochs: 10 warm-up epochs are more than the 5 epochs",
        ),
        ("input.size = 0", "quick.toml:3:14: input.size: must be at least 1"),
        ("run.workers = 0", "quick.toml:3:15: run.workers: must be at least 1"),
        ("augmentation.crop_scale = [0, 1]", "quick.toml:3:27: augmentation.crop_scale: must lie above 0"),
        ("augmentation.flip = 1.5", "quick.toml:3:21: augmentation.flip: must be between 0 and 1"),
        (
            "training.optimizer.learning_rate = 0",
            "quick.toml:3:36: training.optimizer.learning_rate: must be above 0",
        ),
        ("evaluation.draws = 0", "quick.toml:3:20: evaluation.draws: must be at least 1"),
        ("name = \"a/b\"", "quick.toml:3:8: name: must be a name that a folder can have"),
        ("[[loss]]\nname = \"ria\"", "quick.toml:3:3: loss: expected a table, found a list"),
    ] {
        let shown = errors(text);
        assert!(shown.starts_with(expected), "{text}\nexpected {expected}\nshown    {shown}");
        assert!(!shown.contains("errors"), "only one error is expected: {text}\n{shown}");
    }
}

#[test]
fn missing_plugins_are_listed() {
    let shown = errors_with("[dataset]\nbias = 0.5\n", &[], &[]);
    let expected = r#"quick.toml:1:1: model.name: missing: which model to use
      = known names: resnet-tiny, resnet18

quick.toml:1:2: dataset.name: missing: which dataset to use
    1 | [dataset]
      |  ^^^^^^^
      = known names: scenes, folder

2 errors"#;
    assert_eq!(shown, expected, "\n{shown}");
}

#[test]
fn issues_of_a_replaced_table_are_not_blamed_on_the_base() {
    let text =
        format!("{HEAD}[axes]\nmodel = [{{ name = \"resnet18\", dropout = \"x\" }}]\n[loss]\nlambda = 0.1\n");
    let shown = errors_with(&text, &[], &[]);
    assert!(shown.starts_with("quick.toml:4:41: model.dropout: expected a number\n"), "{shown}");
    // `lambda` of the file's [loss] is gone with it, so this is no error at all.
    assert!(plan_with(&format!("{HEAD}[loss]\nlambda = 0.1\n"), &["loss=none"], &[]).is_ok());
    // Its type error is the axis's own.
    let shown = errors_with(HEAD, &["evaluation.gaussian=[1,-2]"], &[]);
    assert!(
        shown.starts_with("command line: evaluation.gaussian=[1,-2]: evaluation.gaussian.1: "),
        "{shown}"
    );
}

#[test]
fn huge_grids_are_refused_before_they_are_expanded() {
    let list = |n: usize| (1..=n).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!("[axes]\nseed = [{}]\n\"training.batch_size\" = [{}]", list(1000), list(101));
    let shown = errors(&text);
    assert!(
        shown.starts_with("quick.toml:3:2: axes: the grid has 101000 points; at most 100000 are planned"),
        "{shown}"
    );
    assert!(shown.ends_with("it is the product of seed (1000) x training.batch_size (101)"), "{shown}");
}

#[test]
fn the_baseline_is_a_variant() {
    let axes = "[axes]\nloss = [\"none\", \"ria\"]";
    assert_eq!(plan(&format!("baseline = \"loss=ria\"\n{axes}")).baseline.as_deref(), Some("loss=ria"));
    assert_eq!(plan(axes).baseline.as_deref(), Some("loss=none"));
    let shown = errors(&format!("baseline = \"CE\"\n{axes}"));
    let expected = "quick.toml:3:12: baseline: no variant is called `CE`\n    3 | baseline = \"CE\"\n      |            ^^^^\n      = known variants: `loss=none`, `loss=ria`";
    assert_eq!(shown, expected);
    let shown = errors(&format!("baseline = \"loss=nome\"\n{axes}"));
    assert!(shown.ends_with("= did you mean `loss=none`?"), "{shown}");
}

#[test]
fn unreadable_files_are_named_with_their_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("quickstart.toml"), HEAD).unwrap();
    fs::write(folder.path().join("latin.toml"), [0x61, 0xe9]).unwrap();
    let show = |name: &str| {
        let errors = load(&folder.path().join(name), &Overrides::default(), &Fake::default()).unwrap_err();
        assert_eq!(errors.len(), 1);
        errors.to_string().replace(folder.path().to_str().unwrap(), "F")
    };
    assert_eq!(
        show("quikstart.toml"),
        "F/quikstart.toml: no such file\n      = did you mean `F/quickstart.toml`?"
    );
    assert_eq!(show("quickstart"), "F/quickstart: no such file\n      = did you mean `F/quickstart.toml`?");
    assert_eq!(
        show("other.toml"),
        "F/other.toml: no such file\n      = there are: F/latin.toml, F/quickstart.toml"
    );
    assert_eq!(show("no/x.toml"), "F/no/x.toml: no such file\n      = there is no folder `F/no`");
    assert_eq!(
        show("latin.toml"),
        "F/latin.toml: it is not text (UTF-8)\n      = the first byte that is none, 0xe9 (Latin-1 has `é` there), \
         is in line 1; save the file as UTF-8"
    );
    assert!(show("").contains("this is a folder"), "{}", show(""));
}

#[test]
#[ignore = "a timing, for the eye"]
fn large_grids_are_planned_in_seconds() {
    let list = |n: usize| (1..=n).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!(
        "[axes]\nloss=[\"none\", \"ria\"]\n\"training.batch_size\" = [{}]\nseed=[{}]",
        list(50),
        list(1000)
    );
    let begin = std::time::Instant::now();
    assert_eq!(plan(&text).trials.len(), 100_000);
    println!("{:?}", begin.elapsed());
}

#[test]
fn the_command_is_quoted_for_a_shell() {
    let overrides = Overrides {
        smoke: true,
        command_line: vec!["training.epochs=3".into(), "axes.loss=[\"it's\"]".into()],
        environment: vec![("FOVEA_SEED".into(), "1".into())],
    };
    let command = overrides.command(std::path::Path::new("my grid.toml"));
    assert_eq!(
        command,
        r#"FOVEA_SEED=1 fovea run 'my grid.toml' --smoke training.epochs=3 'axes.loss=["it'\''s"]'"#
    );
}
