//! The model `graph`: a network written in JSON or in the experiment.

use crate::harness::{SMALL, Workspace, bits};

/// An experiment with this `[model]` table.
fn experiment(name: &str, model: &str) -> String {
    let (before, rest) = SMALL.split_once("[model]").unwrap();
    let (_, after) = rest.split_once("[training]").unwrap();
    let before = before.replace("name = \"small\"", &format!("name = \"{name}\""));
    let axes = "[axes]\nloss = [\"ria\"]\n";
    format!("{before}[model]\n{model}\n[training]{after}{axes}").replace("epochs = 3", "epochs = 2")
}

#[test]
fn the_example_trains_to_the_bits_of_the_built_in_network() {
    let workspace = Workspace::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/models/resnet-tiny.json");
    let net = workspace.write("nets/net.json", std::fs::read(example).unwrap());
    workspace.write("built-in.toml", experiment("built-in", "name = \"resnet-tiny\""));
    workspace.write("graph.toml", experiment("graph", "name = \"graph\"\nfile = \"nets/net.json\""));
    workspace.fovea(&["run", "built-in.toml"]).ok();
    workspace.fovea(&["run", "graph.toml"]).ok();
    let of = |name: &str| bits(&workspace.run(name), "loss=ria", 0);
    assert_eq!(of("graph"), of("built-in"));

    // The record of the trial has the layers: nothing needs the file any more.
    std::fs::remove_file(net).unwrap();
    let id = workspace.run("graph").read_plan().unwrap().trials[0].id.to_string();
    workspace.fovea(&["export", &format!("runs/graph/{id}"), "--format", "pytorch-keys"]).ok();
}

#[test]
fn mistakes_in_layers_are_shown_where_they_are() {
    let workspace = Workspace::new();
    let layers = "name = \"graph\"\nlayers = [\n  { op = \"conv\", out = 4 },\n  { op = \"rleu\" },\n  { op = \"conv\" },\n]";
    workspace.write("graph.toml", experiment("graph", layers));
    workspace.fovea(&["plan", "graph.toml"]).fails(
        2,
        &[
            "graph.toml:18:3: model.layers.1: unknown op `rleu`; known: conv, ",
            "did you mean `relu`?",
            "graph.toml:19:3: model.layers.2: conv: missing field `out`",
        ],
    );
    // What depends on the size of the input is found when the network is built.
    let layers = "name = \"graph\"\nlayers = [{ op = \"max-pool\", kernel = 40 }, { op = \"flatten\" }, { op = \"linear\", out = \"classes\" }]";
    workspace.write("graph.toml", experiment("graph", layers));
    let ran = workspace.fovea(&["run", "graph.toml", "run.retries=0"]);
    assert_ne!(ran.code, 0);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("its kernel of 40x40 is larger than its input of 32x32"), "{said}");
}
