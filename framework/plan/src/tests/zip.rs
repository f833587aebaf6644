//! Axes that move together.

use super::{HEAD, errors, errors_with, plan, plan_with, variants};

const MODELS: &str = r#"
[[zip]]
model = ["resnet-tiny", { name = "resnet18", dropout = 0.5 }]
"training.optimizer" = [{ name = "adam", learning_rate = 1e-3 }, { name = "sgd", learning_rate = 1e-2 }]
"#;

#[test]
fn a_group_is_one_slow_axis_named_by_its_first_key() {
    let plan = plan(&format!("{MODELS}[axes]\nloss = [\"none\", \"ria\"]\nseed = [0, 1]"));
    assert_eq!(plan.trials.len(), 8);
    let some: Vec<_> = plan.trials.iter().step_by(2).map(|t| t.variant.as_str()).collect();
    assert_eq!(
        some,
        [
            "model=resnet-tiny, loss=none",
            "model=resnet-tiny, loss=ria",
            "model=resnet18(dropout=0.5), loss=none",
            "model=resnet18(dropout=0.5), loss=ria",
        ]
    );
    assert_eq!(plan.axes, ["model", "training.optimizer", "loss", "seed"]);
    assert_eq!(plan.label_axes, ["model", "loss"]);
    let optimizer = &plan.trials[7].config.training.optimizer;
    assert_eq!(
        (optimizer.learning_rate, plan.trials[0].config.training.optimizer.learning_rate),
        (1e-2, 1e-3)
    );
    assert_eq!(plan.trials[7].axes[1].1, "sgd(learning_rate=0.01)", "plan.json has every key");
}

#[test]
fn groups_cross_and_their_identities_are_those_of_plain_grids() {
    let grid = plan(
        "[[zip]]\ntraining.alpha = [1, 2]\ntraining.beta = [0.1, 0.2]\n[[zip]]\nloss = [\"none\", \"ria\"]",
    );
    assert_eq!(
        variants(&grid),
        ["alpha=1, loss=none", "alpha=1, loss=ria", "alpha=2, loss=none", "alpha=2, loss=ria"]
    );
    let alone = plan("training.alpha = 2\ntraining.beta = 0.2\nloss = \"ria\"");
    assert_eq!(grid.trials[3].id, alone.trials[0].id);
}

#[test]
fn labels_take_every_key_where_the_first_repeats_itself() {
    let text = "[[zip]]\ntraining.alpha = [1, 1]\ntraining.beta = [0.1, 0.2]";
    assert_eq!(variants(&plan(text)), ["alpha=1, beta=0.1", "alpha=1, beta=0.2"]);
}

#[test]
fn mistakes_have_their_places() {
    for (text, expected) in [
        (
            "[[zip]]\nloss = [\"none\", \"ria\"]\ntraining.beta = [1]",
            "quick.toml:5:17: zip.training.beta: axes that move together need equally many values: loss has 2, training.beta has 1",
        ),
        (
            "[[zip]]\nloss = [\"none\"]\n[axes]\nloss = [\"ria\"]",
            "quick.toml:6:1: axes.loss: `loss` is in [axes] and in [[zip]]",
        ),
        (
            "[[zip]]\nloss = [\"none\"]\n[[zip]]\nloss = [\"ria\"]",
            "quick.toml:6:1: zip.loss: `loss` is in [[zip]] twice",
        ),
        ("[[zip]]\n", "quick.toml:3:1: zip: the group has no axes"),
        ("[[zip]]\nloss = []", "quick.toml:4:8: zip.loss: the axis has no values"),
        (
            "[[zip]]\nloss = \"ria\"",
            "quick.toml:4:8: zip.loss: an axis is a list of values, found the text \"ria\"",
        ),
        (
            "[zip]\nloss = [\"ria\"]",
            "quick.toml:3:2: zip: expected tables of axes that move together, found a table",
        ),
        ("zip = [3]", "quick.toml:3:8: zip: expected a table with one list per axis"),
        (
            "[[zip]]\nlos = [\"ria\"]",
            "quick.toml:4:1: zip.los: there is no key `los`\n    4 | los = [\"ria\"]\n      | ^^^\n      = did you mean `loss`?",
        ),
        ("[[zip]]\nseed = [0, 1]", "quick.toml:4:1: zip.seed: variants are averaged over seeds"),
        (
            "[[zip]]\ntraining.alpha = [1, 1]\ntraining.beta = [2, 2]",
            "quick.toml:4:22: zip.training.alpha: positions 1 and 2 of [[zip]] are the same",
        ),
        (
            "[[zip]]\ntraining.alpha = [1, 1.0]\ntraining.beta = [2, 2.0]",
            "quick.toml:5:21: zip.training.beta: two grid points are the same trial",
        ),
        ("[[zip]]\nloss = [{ name = \"ria\", lambdaa = 1 }]", "quick.toml:4:25: loss.lambdaa: unknown key"),
    ] {
        let shown = errors(text);
        assert!(shown.starts_with(expected), "{text}\nexpected {expected}\nshown    {shown}");
        assert!(!shown.contains("errors"), "only one error is expected: {text}\n{shown}");
    }
}

#[test]
fn overrides_keep_a_position_or_replace_the_groups() {
    let text = format!("{HEAD}{MODELS}[axes]\nseed = [0, 1]");
    let with =
        |overrides: &[&str]| plan_with(&text, overrides, &[]).unwrap_or_else(|errors| panic!("{errors}"));
    let kept = with(&["model=resnet18"]);
    assert_eq!(variants(&kept), ["model=resnet18(dropout=0.5)"; 2], "a plugin's name is enough");
    assert_eq!(kept.trials[0].config.training.optimizer.learning_rate, 1e-2, "the others move with it");
    assert_eq!(with(&["model.name=resnet-tiny"]).trials[0].config.training.optimizer.learning_rate, 1e-3);
    let below = errors_with(&text, &["model=resnet18", "model.dropout=0.2"], &[]);
    assert!(below.ends_with("= give it with the values of [[zip]]"), "{below}");
    assert_eq!(with(&["zip=[]"]).trials.len(), 2);
    let replaced = with(&["zip=[{loss=[\"none\", \"ria\"], training.beta=[0, 1]}]"]);
    assert_eq!(variants(&replaced), ["loss=none", "loss=none", "loss=ria", "loss=ria"]);
    assert_eq!(
        errors_with(&text, &["model=resnet34"], &[]),
        "command line: model=resnet34: model: no position of [[zip]] has this value, and the keys that move with \
         `model` have none for another\n      = it has `resnet-tiny`, `resnet18`; zip=[{...}] replaces every [[zip]], \
         zip=[] drops them"
    );
    assert_eq!(
        errors_with(&text, &["axes.model=[\"resnet18\"]"], &[]),
        "command line: axes.model=[\"resnet18\"]: axes.model: `model` moves together with other keys in [[zip]], so \
         it is no axis of its own\n      = keep one position with model=VALUE, or replace every [[zip]] with zip=[{...}]"
    );
    let short = errors_with(&text, &["zip=[{loss=[\"ria\"], training.beta=[0, 1]}]"], &[]);
    assert!(short.contains("loss has 1, training.beta has 2"), "{short}");
}
