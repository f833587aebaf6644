//! `fovea report` over several runs, into other folders and by templates of the user's.

use crate::harness::{SMALL, Workspace};
use std::fs;

#[test]
fn reports_of_several_runs_go_where_they_are_told_and_templates_are_the_users() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    let trained = ["training.epochs=1", "training.warmup_epochs=0", "axes.seed=[0]"];
    for (dir, losses) in [("runs/a", "loss=none,iou"), ("runs/b", "loss=none,ria")] {
        let dir = format!("run.dir={dir}");
        workspace.fovea(&[&["run", "small.toml", "--quiet", losses, &dir], &trained[..]].concat()).ok();
    }
    let before = fs::read_to_string(workspace.path().join("runs/a/report/index.html")).unwrap();

    // Beside the first, in a folder named after both.
    let both = workspace.fovea(&["report", "runs/a", "runs/b"]).ok();
    assert!(both.stdout.contains("report: runs/a+b/report/index.html"), "{}", both.stdout);
    assert!(both.stdout.contains("Baseline: loss=none (a)."), "{}", both.stdout);
    let page = fs::read_to_string(workspace.path().join("runs/a+b/report/index.html")).unwrap();
    // The seed of the baseline is one trial, whichever run it is of.
    assert!(
        page.contains("loss=none (b) has the very numbers of")
            || page.contains("loss=none (b) has RFS 0.000"),
        "no twin"
    );
    assert!(page.contains("href=\"../../b/trials/"), "links lead to the records");
    assert!(!page.contains("should have ended with the same bits"), "equal trials have equal bits");
    assert!(workspace.path().join("runs/a+b/tables/summary.csv").exists());

    let elsewhere = workspace.fovea(&["report", "runs/a", "--out", "elsewhere"]).ok();
    assert!(elsewhere.stdout.contains("report: elsewhere/report/index.html"), "{}", elsewhere.stdout);
    let same = fs::read_to_string(workspace.path().join("runs/a/report/index.html")).unwrap();
    assert_eq!(same, before, "the run's own report stays as it is");

    workspace
        .fovea(&["report", "runs/a", "--out", "runs/b"])
        .fails(2, &["runs/b is a run directory", "--out"]);
    workspace.fovea(&["report", "runs/a", "runs/./a"]).fails(2, &["runs/./a is given twice"]);
    workspace.fovea(&["report"]).fails(2, &["<RUN>"]);

    // A template that begins as the built-in one.
    let built_in = workspace.fovea(&["report", "--print-template"]).ok().stdout;
    workspace.write(
        "own.html",
        built_in.replace("<h2 id=\"answer\">Answer</h2>", "<h2 id=\"answer\">In short</h2>"),
    );
    workspace.fovea(&["report", "runs/a", "--template", "own.html"]).ok();
    let page = fs::read_to_string(workspace.path().join("runs/a/report/index.html")).unwrap();
    assert!(page.contains(">In short</h2>") && page.contains("id=\"leaderboard\""));
    workspace
        .write("wrong.html", "{% extends \"report.html\" %}\n{% block footer %}{{ nmae }}{% endblock %}");
    workspace
        .fovea(&["report", "runs/a", "--template", "wrong.html"])
        .fails(2, &["cannot fill in the report's template: wrong.html:2: undefined value"]);
    workspace
        .fovea(&["report", "runs/a", "--template", "none.html"])
        .fails(3, &["none.html", "No such file"]);
}
