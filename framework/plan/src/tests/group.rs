//! Named groups of variants.

use super::{HEAD, errors, plan, plan_with};

const GRID: &str =
    "[axes]\nloss = [\"none\", \"iou\", \"ria\"]\n\"training.beta\" = [0.1, 1]\nseed = [0, 1]\n[group]\n";

#[test]
fn every_trial_of_a_variant_is_in_its_group() {
    let grouped = plan(&format!(
        "{GRID}boxes = {{ loss = [\"iou\", \"ria\"], beta = 1 }}\n\"no loss\".loss = \"none\""
    ));
    let groups: Vec<_> = grouped.trials.iter().map(|trial| trial.group.as_deref().unwrap_or("-")).collect();
    let pair = |group| [group, group];
    assert_eq!(
        groups,
        [pair("no loss"), pair("no loss"), pair("-"), pair("boxes"), pair("-"), pair("boxes")].concat()
    );
    assert_eq!(grouped.to_run_plan().trials[6].group.as_deref(), Some("boxes"));
    let plain = plan(GRID);
    assert_eq!(plain.trials[6].id, grouped.trials[6].id, "a group is no part of an identity");
}

#[test]
fn overrides_may_leave_groups_empty() {
    let text = format!("{HEAD}{GRID}boxes = {{ loss = [\"iou\", \"ria\"] }}\nnone = {{ loss = \"none\" }}");
    let plan = plan_with(&text, &["loss=ria"], &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(plan.trials.iter().all(|trial| trial.group.as_deref() == Some("boxes")));
}

#[test]
fn mistakes_have_their_places() {
    for (group, expected) in [
        ("a = { loss = \"riaa\" }", "quick.toml:8:14: group.a.loss: the axis `loss` has no such value"),
        ("a = { los = \"ria\" }", "quick.toml:8:7: group.a.los: there is no axis `los`"),
        ("a = { seed = 0 }", "quick.toml:8:7: group.a.seed: there is no axis `seed`"),
        ("a = 3", "quick.toml:8:5: group.a: expected a table of values of axes, found 3"),
        ("a = {}", "quick.toml:8:5: group.a: expected values of axes, found nothing"),
        (
            "a = { loss = \"ria\" }\nb = { beta = 1 }",
            "quick.toml:9:1: group.b: `loss=ria, beta=1` is in the group `a`, too",
        ),
        (
            "a = { loss = \"none\" }\n[[exclude]]\nwhere = { loss = \"none\" }\nreason = \"x\"",
            "quick.toml:8:1: group.a: no variant has all these values, so the group is empty",
        ),
    ] {
        let said = errors(&format!("{GRID}{group}"));
        assert!(said.contains(expected), "{group}\n{said}");
    }
    let list = errors("group = [1]");
    assert!(list.contains("quick.toml:3:9: group: expected a table of groups, found a list"), "{list}");
}
