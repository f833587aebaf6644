//! Parts that are switched on and off.

use super::{HEAD, errors, errors_with, plan, plan_with, variants};

const PARTS: &str = r#"
[loss]
name = "ria"
[ablate]
[ablate.factors]
diagonal = { key = "loss.lambda", on = 0.1, off = 0.0 }
"training.warmup_epochs" = { on = 3, off = 0 }
localizer = { on = "ground-truth", off = { name = "center-box", size = 0.7 } }
"#;

#[test]
fn each_part_is_left_out_in_turn() {
    let plan = plan(&format!("{PARTS}[axes]\nseed = [0, 1]"));
    let full = ["ablate=full", "ablate=without diagonal", "ablate=without training.warmup_epochs"];
    assert_eq!(variants(&plan)[..6].chunks(2).map(|pair| pair[0]).collect::<Vec<_>>(), full);
    assert_eq!((plan.trials.len(), plan.baseline.as_deref()), (8, Some("ablate=full")));
    assert_eq!(plan.axes, ["ablate", "loss.lambda", "training.warmup_epochs", "localizer", "seed"]);
    assert_eq!(plan.label_axes, ["ablate"]);
    let last = &plan.trials[7];
    let values: Vec<_> = last.axes.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["without localizer", "0.1", "3", "center-box(size=0.7)", "1"]);
    assert_eq!(last.config.localizer.config["size"], 0.7);
    assert!(last.origins.get("localizer.size").unwrap().ends_with("quick.toml:10"), "{:?}", last.origins);
    let alone = super::plan("loss = { name = \"ria\", lambda = 0.0 }\ntraining.warmup_epochs = 3");
    assert_eq!(plan.trials[2].id, alone.trials[0].id, "the names of points are no part of an identity");
}

#[test]
fn modes_cross_with_everything_else() {
    let text = PARTS.replace("[ablate]\n", "[ablate]\nmode = \"pairwise\"\n");
    let crossed = format!("{text}[[zip]]\ntraining.alpha = [1, 2]\n[axes]\n\"training.beta\" = [0.5, 1]");
    let plan = plan(&crossed);
    assert_eq!(plan.trials.len(), 2 * 7 * 2);
    assert_eq!(variants(&plan)[0], "alpha=1, ablate=none, beta=0.5");
    assert_eq!(variants(&plan)[13], "alpha=1, ablate=with training.warmup_epochs, localizer, beta=1");
    let none = &plan.trials[0].config;
    assert_eq!((none.training.warmup_epochs, &none.localizer.name[..]), (0, "center-box"));
    let text = text.replace("pairwise", "one-at-a-time");
    let rules = "[[exclude]]\nwhere = { ablate = \"with diagonal\" }\nreason = \"known\"\n[[include]]\n\"training.beta\" = 2";
    let plan = super::plan(&format!("{text}{rules}"));
    assert_eq!(variants(&plan)[..2], ["ablate=none", "ablate=with training.warmup_epochs"]);
    assert_eq!(variants(&plan)[3], "lambda=default, warmup_epochs=10, localizer=ground-truth, beta=2");
}

#[test]
fn overrides_keep_points_or_drop_all() {
    let text = format!("{HEAD}{PARTS}");
    let kept = |overrides: &[&str]| {
        let plan = plan_with(&text, overrides, &[]).unwrap_or_else(|errors| panic!("{errors}"));
        variants(&plan).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(kept(&["ablate=without diagonal"]), ["ablate=without diagonal"]);
    assert_eq!(kept(&["loss.lambda=0"]), ["ablate=without diagonal"]);
    assert_eq!(kept(&["~ablate", "zip=[]"]), ["quick"]);
    assert_eq!(kept(&["zip=[]"]).len(), 4);
    let axis = errors_with(&text, &["axes.loss.lambda=[1]"], &[]);
    assert!(axis.contains("`loss.lambda` moves together with other keys in [ablate]"), "{axis}");
    let value = errors_with(&text, &["ablate=without"], &[]);
    assert!(value.contains("no position of [ablate] has this value") && value.contains("~ablate"), "{value}");
}

#[test]
fn mistakes_have_their_places() {
    for (text, expected) in [
        ("ablate = 3", "quick.toml:3:10: ablate: expected a table, found 3"),
        ("[ablate]\nmode = \"pairwize\"", "quick.toml:4:8: ablate.mode: unknown value `pairwize`"),
        ("[ablate]\nfactor = 1", "quick.toml:4:1: ablate.factor: unknown key"),
        ("[ablate]\n[ablate.factors]", "quick.toml:3:2: ablate: there is no factor"),
        (
            "[ablate]\nfactors = [1]",
            "quick.toml:4:11: ablate.factors: expected a table of factors, found a list",
        ),
        (
            "[ablate.factors]\ntraining.beta = { on = 1 }",
            "quick.toml:4:10: ablate.factors.training.beta: missing: `off`",
        ),
        (
            "[ablate.factors]\n\"training.beta\" = 1",
            "quick.toml:4:19: ablate.factors.training.beta: expected a table",
        ),
        (
            "[ablate.factors]\nx = { key = \"training.beta\", on = 1, of = 0 }",
            "quick.toml:4:38: ablate.factors.x.of: unknown key",
        ),
        (
            "[ablate.factors]\nx = { key = \"training.beta\", on = 1, off = 1 }",
            "quick.toml:4:5: ablate.factors.x: `on` and `off` are the same",
        ),
        (
            "[ablate.factors]\nx = { key = \"training.betta\", on = 1, off = 0 }",
            "quick.toml:4:7: ablate.factors.training.betta: there is no key `training.betta`",
        ),
        (
            "[ablate.factors]\n\"training.beta\" = { on = 1, off = 0 }\n[axes]\n\"training.beta\" = [1]",
            "quick.toml:6:1: axes.training.beta: `training.beta` is in [axes] and in [ablate]",
        ),
        (
            "[ablate.factors]\n\"loss.lamda\" = { on = 1, off = 0 }\n[loss]\nname = \"ria\"",
            "quick.toml:4:18: loss.lamda: unknown key",
        ),
        (
            "[ablate.factors]\nseed = { on = 1, off = 0 }",
            "quick.toml:4:1: ablate.factors.seed: variants are averaged",
        ),
    ] {
        let said = errors(text);
        assert!(said.contains(expected), "{text}\n{said}");
    }
    assert!(errors("[ablate]\nmode = \"pairwize\"").contains("did you mean `pairwise`?"));
    let key = errors("[ablate.factors]\nx = { key = \"training.betta\", on = 1, off = 0 }");
    assert!(key.contains("did you mean `beta`?"), "{key}");
}
