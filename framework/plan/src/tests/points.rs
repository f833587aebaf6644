//! Ranges, `[[exclude]]` and `[[include]]`.

use super::{HEAD, errors, errors_with, plan, plan_with, variants, without_origins};

const AXES: &str = "[axes]\nloss = [\"none\", \"ria\", \"iou\"]\ntraining.beta = [0.5, 1.0]\nseed = [0, 1]\n";

#[test]
fn a_range_is_the_list_one_would_write() {
    let of =
        |values: &str| without_origins(&plan(&format!("[axes]\nseed = [0]\n\"training.beta\" = {values}")));
    assert_eq!(of("{ range = [0.1, 0.4], steps = 4 }"), of("[0.1, 0.2, 0.3, 0.4]"));
    let zipped = plan("[[zip]]\ntraining.alpha = { range = [1, 3], step = 1 }\ntraining.beta = [1, 2, 3]");
    assert_eq!(variants(&zipped), ["alpha=1", "alpha=2", "alpha=3"]);
    let seeds = plan_with(HEAD, &["axes.seed={ range = [0, 4], steps = 5 }"], &[]).unwrap();
    assert_eq!(seeds.trials.iter().map(|trial| trial.config.seed).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let table = plan("[axes.training.beta]\nlogspace = [1e-4, 1e-2]\nsteps = 3");
    assert_eq!(variants(&table), ["beta=0.0001", "beta=0.001", "beta=0.01"]);
}

#[test]
fn mistakes_of_ranges_have_their_places() {
    for (values, expected) in [
        ("{ range = [0.0, 1.0], stpes = 5 }", "quick.toml:4:30: axes.seed: `stpes` is no key of a range"),
        ("{ range = [0, 10], step = 3 }", "quick.toml:4:34: axes.seed: steps of 3 from 0 miss 10"),
        (
            "{ range = [0, 1000000000], step = 1 }",
            "quick.toml:4:42: axes.seed: the axis has 1000000000 values",
        ),
        ("{ range = [0, 1] }", "quick.toml:4:8: axes.seed: a range needs either `steps`"),
    ] {
        let shown = errors(&format!("[axes]\nseed = {values}"));
        assert!(shown.starts_with(expected), "{shown}");
    }
    let text = "axes.\"training.beta\" = { range = [0.0, 1.0], steps = 1000 }\naxes.seed = { range = [1, 1000000], steps = 1000 }";
    let shown = errors(&format!("{text}\n[[include]]\nloss = \"iou\""));
    assert!(shown.contains("the grid has 1000001 points; at most 100000"), "{shown}");
    let shown = errors(
        "[[include]]\nseed = { range = [1, 90000], step = 1 }\n[[include]]\nseed = { range = [1, 90000], step = 1 }\n\"training.batch_size\" = { range = [1, 20000], step = 1 }",
    );
    assert!(shown.starts_with("quick.toml:5:1: include: the grid has 1800090001 points"), "{shown}");
}

#[test]
fn excluded_points_are_kept_with_their_reason() {
    let rule =
        "[[exclude]]\nwhere = { loss = [\"ria\", \"iou\"], beta = 1, seed = 1 }\nreason = \"too slow\"\n";
    let with = plan(&format!("{AXES}{rule}"));
    assert_eq!((with.trials.len(), with.excluded.len()), (10, 2));
    assert_eq!(with.trials.iter().map(|t| t.index).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    let first = &with.excluded[0];
    assert_eq!(
        (first.variant.as_str(), first.seed, first.reason.as_str()),
        ("loss=ria, beta=1.0", 1, "too slow")
    );
    assert!(first.rule.to_string().ends_with("quick.toml:8:1"), "{}", first.rule);
    let narrowed = plan_with(&format!("{HEAD}{AXES}{rule}"), &["axes.loss=[\"iou\"]"], &[]).unwrap();
    assert_eq!((narrowed.trials.len(), narrowed.excluded.len()), (3, 1), "the rule still holds for iou");
    assert!(plan_with(&format!("{HEAD}{AXES}{rule}"), &["loss=none"], &[]).unwrap().excluded.is_empty());
    let zip = "[[zip]]\nmodel = [\"resnet-tiny\", \"resnet18\"]\ntraining.alpha = [1, 2]\n[[exclude]]\nwhere.alpha = 2\nreason = \"x\"";
    assert_eq!(variants(&plan(zip)), ["model=resnet-tiny"]);
}

#[test]
fn an_excluded_point_may_make_no_sense() {
    let axes = "[axes]\ntraining.epochs = [5, 20]\ntraining.warmup_epochs = [1, 10]\n";
    assert!(errors(axes).contains("10 warm-up epochs are more than the 5 epochs"));
    let rule = "[[exclude]]\nwhere = { epochs = 5, warmup_epochs = 10 }\nreason = \"no epochs left\"";
    assert_eq!(plan(&format!("{axes}{rule}")).trials.len(), 3);
}

#[test]
fn mistakes_of_rules_have_their_places() {
    let rule = |text: &str| errors(&format!("{AXES}[[exclude]]\n{text}"));
    for (text, expected) in [
        (
            "where = { loss = \"iuo\" }\nreason = \"x\"",
            "quick.toml:8:18: exclude.where.loss: the axis `loss` has no such value",
        ),
        (
            "where = { loss = [\"ria\", \"iuo\"] }\nreason = \"x\"",
            "quick.toml:8:26: exclude.where.loss.1: the axis `loss` has no such value",
        ),
        ("where = { lss = 1 }\nreason = \"x\"", "quick.toml:8:11: exclude.where.lss: there is no axis `lss`"),
        ("where = { loss = \"iou\" }", "quick.toml:7:1: exclude: missing: `reason`"),
        (
            "where = { loss = \"iou\" }\nreason = \" \"",
            "quick.toml:9:10: exclude.reason: the reason is empty",
        ),
        ("where = {}\nreason = \"x\"", "quick.toml:8:9: exclude.where: this excludes every point"),
        (
            "where.loss = [\"none\", \"ria\", \"iou\"]\nreason = \"x\"",
            "quick.toml:7:3: exclude: every point is excluded",
        ),
    ] {
        let shown = rule(text);
        assert!(shown.starts_with(expected), "{text}\n{shown}");
    }
    let zip = "[[zip]]\nmodel = [\"resnet-tiny\", \"resnet18\"]\ntraining.alpha = [1, 2]\n[[exclude]]\nwhere = { alpha = 2, model = \"resnet-tiny\" }\nreason = \"x\"";
    let shown = errors(zip);
    assert!(shown.starts_with("quick.toml:7:1: exclude.where: this excludes nothing"), "{shown}");
    assert!(errors("exclude = 3").starts_with("quick.toml:3:11: exclude: expected tables of points"));
}

#[test]
fn includes_add_points_to_the_cross_product() {
    let text = "training.beta = 0.7\n[axes]\nloss = [\"none\", \"ria\"]\nseed = [0, 1]\n[[include]]\nloss = { name = \"ria\", lambda = 0.9 }\nseed = [0, 1]\n[[include]]\nloss = \"iou\"\ntraining.beta = [0.1, 0.2]\n";
    let all = plan(text);
    let labels: Vec<_> = all.trials.iter().map(|t| (t.variant.as_str(), t.config.seed)).collect();
    assert_eq!(
        labels[4..],
        [
            ("loss=ria(lambda=0.9)", 0),
            ("loss=ria(lambda=0.9)", 1),
            ("loss=iou, beta=0.1", 0),
            ("loss=iou, beta=0.2", 0),
        ]
    );
    assert_eq!(
        labels[..4],
        plan(text.split_once("[[include]]").unwrap().0)
            .trials
            .iter()
            .map(|t| (t.variant.as_str(), t.config.seed))
            .collect::<Vec<_>>()
    );
    assert_eq!(all.trials[0].config.training.beta, 0.7);
    assert_eq!(all.trials[7].axes[2], ("training.beta".to_owned(), "0.2".to_owned()));
    assert_eq!(
        (all.axes.join(" "), all.label_axes.join(" ")),
        ("loss seed training.beta".to_owned(), "loss training.beta".to_owned())
    );
    let narrowed = |override_: &str| {
        variants(&plan_with(&format!("{HEAD}{text}"), &[override_], &[]).unwrap()).join("; ")
    };
    assert_eq!(narrowed("loss=none"), "loss=none; loss=none");
    assert_eq!(
        narrowed("axes.seed=[1]"),
        "loss=none; loss=ria; loss=ria(lambda=0.9); loss=iou, beta=0.1; loss=iou, beta=0.2"
    );
    assert_eq!(
        narrowed("training.beta=0.2"),
        "loss=none; loss=none; loss=ria; loss=ria; loss=ria(lambda=0.9); loss=ria(lambda=0.9); loss=iou"
    );
    let excluded = plan(&format!("{text}[[exclude]]\nwhere.beta = 0.1\nreason = \"x\""));
    assert_eq!((excluded.trials.len(), excluded.excluded[0].variant.as_str()), (7, "loss=iou, beta=0.1"));
}

#[test]
fn includes_of_what_is_there_already_name_both() {
    let shown = errors(&format!("{AXES}[[include]]\nloss = \"ria\"\ntraining.beta = 1"));
    assert!(shown.starts_with("quick.toml:7:1: include: `loss=ria, beta=1.0` with seed 0 is the same trial as `loss=ria, beta=1.0` with seed 0, which is there already"), "{shown}");
    let shown = errors(&format!("{AXES}[[include]]\nlos = \"ria\"\n[[include]]\n"));
    assert!(
        shown.contains("quick.toml:8:1: include.los: there is no key `los`")
            && shown.contains("quick.toml:9:1: include: it names no key"),
        "{shown}"
    );
    let shown = errors_with(&format!("{HEAD}[[include]]\ntraining.beta = \"x\""), &[], &[]);
    assert!(shown.starts_with("quick.toml:4:17: training.beta: expected a number"), "{shown}");
}
