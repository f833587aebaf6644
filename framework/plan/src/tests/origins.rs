//! Where values were given.

use super::plan_with;

#[test]
fn each_value_knows_where_it_was_given_unless_it_is_a_default() {
    let text = "dataset = \"scenes\"\nmodel = \"resnet-tiny\"\n\n[training]\nepochs = 12\nwarmup_epochs = 2\n\n\
                [axes]\nloss = [\"none\", { name = \"ria\", lambda = 0.5 }]\nseed = [0, 1]\n";
    let plan = plan_with(text, &["training.warmup_epochs=1"], &[("FOVEA_TRAINING__ALPHA", "2.0")]).unwrap();
    let trial = &plan.trials[3];
    let origin = |key: &str| {
        let origin = trial.origins.get(key).unwrap_or("default");
        let file = origin.find("/").zip(origin.find("quick.toml"));
        file.map_or_else(|| origin.to_owned(), |(from, to)| format!("{}{}", &origin[..from], &origin[to..]))
    };
    assert_eq!(origin("dataset.name"), "quick.toml:1");
    assert_eq!(origin("training.epochs"), "quick.toml:5");
    assert_eq!(origin("training.warmup_epochs"), "command line: training.warmup_epochs=1");
    assert_eq!(origin("training.alpha"), "environment FOVEA_TRAINING__ALPHA");
    assert_eq!(origin("loss.name"), "axis loss, quick.toml:9");
    assert_eq!(origin("loss.lambda"), "axis loss, quick.toml:9");
    assert_eq!(origin("seed"), "axis seed, quick.toml:10");
    for default in ["loss.power", "training.beta", "extractor.name", "extractor.threshold", "dataset.bias"] {
        assert_eq!(origin(default), "default", "{default}");
    }
    let bare = plan_with(text, &[], &[]).unwrap();
    assert_eq!(bare.trials[0].origins.get("loss.lambda"), None);
    assert_eq!(plan.to_run_plan().trials[3].origins, trial.origins.to_map());
}

#[test]
fn points_of_an_include_have_the_bases_values_where_it_names_none() {
    let text = "dataset = \"scenes\"\nmodel = \"resnet-tiny\"\ntraining.epochs = 12\n\n[axes]\nloss = [\"none\", \"ria\"]\n\n\
                [[include]]\nloss = \"iou\"\n\"training.epochs\" = 13\n\"training.alpha\" = 2.0\n\n\
                [[include]]\nseed = 7\n";
    let plan = plan_with(text, &[], &[]).unwrap();
    let origin = |trial: usize, key: &str| {
        let origin = plan.trials[trial].origins.get(key).unwrap_or("default");
        let named = origin.split_once(", ").map(|(axis, _)| axis);
        (named.map(str::to_owned), origin.rsplit(':').next().unwrap_or_default().to_owned())
    };
    let at = |axis: Option<&str>, line: &str| (axis.map(str::to_owned), line.to_owned());
    assert_eq!(origin(0, "loss.name"), at(Some("axis loss"), "6"));
    assert_eq!(origin(0, "training.epochs"), at(None, "3"));
    assert_eq!(origin(0, "training.alpha"), at(None, "default"));
    assert_eq!(origin(2, "loss.name"), at(Some("axis loss"), "9"));
    assert_eq!(origin(2, "training.epochs"), at(Some("axis training.epochs"), "10"));
    assert_eq!(origin(2, "training.alpha"), at(Some("axis training.alpha"), "11"));
    assert_eq!(origin(3, "seed"), at(Some("axis seed"), "14"));
    assert_eq!(origin(3, "loss.name"), at(None, "default"));
}
