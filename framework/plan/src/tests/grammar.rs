//! Hydra's grammar on the command line.

use super::{HEAD, errors_with, plan_with, variants};

const FILE: &str = "training.beta = 0.7\n[axes]\nloss = [\"none\", \"ria\"]\nseed = [0, 1]\n[[exclude]]\nwhere.loss = \"ria\"\nreason = \"x\"\n";

fn labels(overrides: &[&str]) -> String {
    let plan =
        plan_with(&format!("{HEAD}{FILE}"), overrides, &[]).unwrap_or_else(|errors| panic!("{errors}"));
    variants(&plan).join("; ")
}

fn error(overrides: &[&str]) -> String {
    errors_with(&format!("{HEAD}{FILE}"), overrides, &[])
}

#[test]
fn commas_make_axes_and_tildes_remove() {
    assert_eq!(labels(&["seed=3", "training.beta=0.1,0.2"]), "loss=none, beta=0.1; loss=none, beta=0.2");
    assert_eq!(labels(&["seed=3", "loss=iou,none"]), "loss=iou; loss=none");
    assert_eq!(labels(&["~seed", "~exclude"]), "loss=none; loss=ria");
    assert_eq!(labels(&["~axes", "+loss=iou"]), "quick");
    assert_eq!(labels(&["~axes.loss", "seed=range(1,3)"]), "quick; quick");
    assert_eq!(labels(&["seed=0", "+training.alpha=2", "++training.beta=3"]), "loss=none");
    let beta = |overrides: &[&str]| {
        let plan = plan_with(&format!("{HEAD}{FILE}"), overrides, &[]).unwrap();
        plan.trials[0].config.training.beta
    };
    assert_eq!(
        (beta(&[]), beta(&["~training.beta"]), beta(&["training.beta=3", "~training.beta"])),
        (0.7, 0.5, 0.5)
    );
}

#[test]
fn mistakes_say_what_is_meant() {
    assert!(
        error(&["~training.betta"])
            .ends_with("the file does not have it\n      = did you mean `training.beta`?")
    );
    let shown = error(&["+training.beta=1"]);
    assert!(
        shown.contains("`training.beta` is there already: ") && shown.contains("quick.toml:3:10\n"),
        "{shown}"
    );
    let shown = error(&["+loss=iou"]);
    assert!(shown.contains("`loss` is there already: ") && shown.contains("quick.toml:5:1\n"), "{shown}");
    let shown = error(&["loss=none,iuo"]);
    assert!(shown.starts_with("command line: loss=none,iuo: loss.name: unknown loss `iuo`"), "{shown}");
    assert!(error(&["training.betta=1,2"]).ends_with("did you mean `beta`?"));
}
