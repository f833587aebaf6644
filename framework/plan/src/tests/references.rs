//! `[[reference]]`.

use super::{HEAD, errors, plan, plan_with};

const AXES: &str =
    "[axes]\nloss = [\"none\", { name = \"ria\", lambda = 0.3 }]\ntraining.beta = [0.5, 1]\nseed = [0]\n";

fn entry(rest: &str) -> String {
    format!("{AXES}[[reference]]\n{rest}\n")
}

#[test]
fn they_are_kept_for_every_variant_that_has_the_values() {
    let full = "where = { loss = \"ria\", training.beta = 1.0 }\nmetric = \"accuracy\"\nsplit = \"test\"\nvalue = 0.5\nsd = 0.01\nsource = \"nowhere, Table 1\"";
    let with = plan(&entry(full));
    let plain = plan(AXES);
    let ids = |plan: &crate::Plan| plan.trials.iter().map(|trial| trial.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&with), ids(&plain), "they are no part of a trial");
    let reference = &with.to_run_plan().references[0];
    assert_eq!(
        (reference.variant.as_str(), reference.metric.as_str(), reference.value, reference.sd),
        ("loss=ria(lambda=0.3), beta=1", "accuracy", 0.5, Some(0.01))
    );
    let wide = entry(
        "where.beta = 1\nmetric = \"rfs\"\nnoise = \"gaussian\"\nlevel = 30\nsplit = \"test\"\nvalue = 0.5\nsource = \"x\"",
    );
    let variants: Vec<_> = plan(&wide).references.into_iter().map(|r| (r.variant, r.level)).collect();
    let both = ["loss=none, beta=1", "loss=ria(lambda=0.3), beta=1"];
    assert_eq!(variants, both.map(|variant| (variant.to_owned(), Some(30.0))));
    let narrowed = plan_with(&format!("{HEAD}{}", entry(full)), &["loss=none"], &[]).unwrap();
    assert_eq!(narrowed.references, [], "an override may leave a variant out");
}

#[test]
fn mistakes_have_their_places() {
    let rest = "metric = \"accuracy\"\nsplit = \"test\"\nvalue = 0.5\nsource = \"x\"";
    for (entry_text, expected) in [
        (
            format!("where = {{ loss = \"iou\" }}\n{rest}"),
            "quick.toml:8:18: reference.where.loss: the axis `loss` has no such value",
        ),
        (
            format!("where.modle = 3\n{rest}"),
            "quick.toml:8:7: reference.where.modle: there is no axis `modle`",
        ),
        (format!("where.seed = 0\n{rest}"), "quick.toml:8:7: reference.where.seed: there is no axis `seed`"),
        (
            rest.replace("accuracy", "acuracy"),
            "quick.toml:8:10: reference.metric: unknown metric `acuracy`\n    8 | metric = \"acuracy\"\n      |          ^^^^^^^^^\n      = did you mean `accuracy`?",
        ),
        (
            rest.replace("0.5", "93.1"),
            "quick.toml:10:9: reference.value: accuracy is a fraction, not per cent, found 93.1",
        ),
        (
            rest.replace("accuracy", "rfs"),
            "quick.toml:8:10: reference.metric: this is measured under noise, and which is not said",
        ),
        (format!("noise = \"salt\"\n{rest}"), "quick.toml:8:9: reference.noise: unknown noise `salt`"),
        (format!("sd = -1\n{rest}"), "quick.toml:8:6: reference.sd: must not be negative"),
        (format!("vlaue = 1\n{rest}"), "quick.toml:8:1: reference.vlaue: unknown key"),
        (rest.replace("value = 0.5\n", ""), "quick.toml:7:1: reference: missing: `value`"),
        (
            rest.replace("0.5", "\"x\""),
            "quick.toml:10:9: reference.value: expected a number, found the text \"x\"",
        ),
    ] {
        let shown = errors(&entry(&entry_text));
        assert!(shown.starts_with(expected), "{entry_text}\nexpected {expected}\nshown    {shown}");
        assert!(!shown.contains("errors"), "only one error is expected: {entry_text}\n{shown}");
    }
    let shown = errors("[reference]\nvalue = 1");
    assert!(shown.starts_with("quick.toml:3:2: reference: expected tables of published numbers"), "{shown}");
}
