//! Where output goes: a full disk is told, a reader that went away is no mistake, and nothing panics for either.

use crate::harness::{Ran, SMALL, Workspace};
use crate::plugins::compile;
use fovea_records::RunStore;
use std::fs::File;
use std::process::{Command, Stdio};

/// A way to end up without stdout or stderr.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sink {
    /// `> /dev/full`.
    FullStdout,
    /// `| true`.
    NoReader,
    /// `2> /dev/full`.
    FullStderr,
}

fn run(mut command: Command, sink: Sink) -> Ran {
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    match sink {
        Sink::FullStdout => drop(command.stdout(full())),
        Sink::FullStderr => drop(command.stderr(full())),
        Sink::NoReader => {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            command.stdout(writer);
        }
    }
    Ran::of(command.output().unwrap())
}

/// The subcommands that `fovea COMMAND --help` lists.
fn subcommands(workspace: &Workspace, of: &[&str]) -> Vec<String> {
    let help = workspace.fovea(&[of, &["--help"]].concat()).ok().stdout;
    let listed = help.split_once("Commands:\n").unwrap().1;
    let listed = listed.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let names = listed.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Arguments of every command that prints, after `small.toml` was run; `{n}` is another number each time.
fn commands(store: &RunStore) -> Vec<String> {
    let id = store.read_plan().unwrap().trials[0].id.to_string();
    let lines = "
        --help
        --version
        run --help
        run small.toml
        plan small.toml
        plan small.toml --json
        config small.toml
        config small.toml --origins
        schema
        status runs/small
        logs runs/small/ID
        ls
        ls runs/small --json
        show runs/small/ID
        show runs/small/ID --json
        gc
        gc --json
        report runs/small
        report --print-template
        verify runs/small --no-rerun
        verify runs/small --no-rerun --json
        rerun runs/small/ID --out again-{n}
        diff runs/small runs/small
        bundle runs/small --out {n}.tar.gz
        data check small.toml
        data check small.toml --json
        data demo demo-{n} --train 12 --test 10 --size 16
        localize --images pictures --out boxes-{n} --localizer center-box
        explain --trial runs/small/ID --images pictures --out looks-{n}
        export runs/small/ID --format safetensors --out {n}.safetensors
        table runs/small
        table runs/small --metric accuracy --format csv
        eval runs/small --list
        eval runs/small --metrics accuracy
        plugin list
        plugin list --json
        plugin show ria
        plugin new mine-{n} --kind loss
        plugin check good.so --property description
        bench extract --batch 1 --size 16 --repeats 1 --device cpu";
    lines.lines().map(|line| line.trim().replace("ID", &id)).filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_command_tells_of_a_full_disk_and_minds_no_reader_that_went_away() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[loss]\nname = \"none\"\n"));
    workspace.write("pictures/a.png", crate::harness::png(90));
    compile(&workspace, "good", &[], "good.so");
    let tiny = ["training.epochs=1", "training.warmup_epochs=0", "dataset.train=32", "dataset.test=16"];
    workspace.fovea(&[&["run", "small.toml"][..], &tiny].concat()).ok();
    let commands = commands(&workspace.run("small"));
    for name in subcommands(&workspace, &[]) {
        assert!(commands.iter().any(|line| line.split(' ').next() == Some(&name)), "{name} is not tried");
    }
    let mut number = 0;
    for line in &commands {
        for sink in [Sink::FullStdout, Sink::NoReader, Sink::FullStderr] {
            number += 1;
            let line = line.replace("{n}", &number.to_string());
            let mut args: Vec<&str> = line.split(' ').collect();
            if ["run", "plan", "config", "data"].contains(&args[0]) && args[1..].contains(&"small.toml") {
                args.extend(tiny);
            }
            let ran = run(workspace.command(&args), sink);
            assert!(!ran.stderr.contains("panicked"), "{line}, {sink:?}: {}", ran.stderr);
            if sink == Sink::FullStdout {
                let told = "error: cannot write to stdout: No space left on device";
                assert!(ran.code == 3 && ran.stderr.contains(told), "{line}: {} {}", ran.code, ran.stderr);
            } else {
                assert_eq!(ran.code, 0, "{line}, {sink:?}: {}", ran.stderr);
            }
        }
    }
}

#[test]
fn a_run_goes_on_when_its_reader_goes_away() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[loss]\nname = \"none\"\n"));
    let args = ["run", "small.toml", "training.epochs=2", "dataset.train=32"];
    let ran = run(workspace.command(&args), Sink::NoReader).ok();
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let store = workspace.run("small");
    assert!(store.done(&store.read_plan().unwrap().trials[0].id).unwrap().is_some());
    assert!(store.root().join("report/index.html").exists());
}
