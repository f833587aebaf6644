//! What was different when two trials ran. The main function is [`differences`].

use crate::TrialRecord;
use fovea_records::Provenance;
use fovea_records::provenance::PluginRecord;
use fovea_records::verdict::Change;
use std::collections::BTreeSet;

/// Digits of a hash that are shown.
const DIGITS: usize = 16;

/// What [`Change::what`] calls the CPU threads.
pub const THREADS: &str = "threads";
/// What [`Change::what`] calls the executable file.
pub const PROGRAM: &str = "program";
/// What [`Change::what`] calls the device.
pub const DEVICE: &str = "device";
/// What [`Change::what`] calls the model of the CPU.
pub const CPU: &str = "CPU";
/// What [`Change::what`] calls the vector instructions of the CPU.
pub const INSTRUCTIONS: &str = "instruction sets";
/// How [`Change::what`] begins for the contents of a data set.
pub const DATA: &str = "data set";
/// How [`Change::what`] begins for other files that a plugin read.
pub const FILES: &str = "files of";
/// How [`Change::what`] begins for a plugin's version or library.
pub const PLUGIN: &str = "plugin";
/// How [`Change::what`] begins for an environment variable.
pub const VARIABLE: &str = "environment variable";

/// Every circumstance that was another for `now` than for `recorded`, the most telling first. Of a trial of an earlier
/// version, which recorded none, only version, device and threads are known.
#[must_use]
pub fn differences(recorded: &TrialRecord, now: &TrialRecord) -> Vec<Change> {
    match (recorded.last_process(), now.last_process()) {
        (Some(then), Some(now)) => between(then, now),
        _ => {
            let mut found = Found::default();
            let version = |of: &TrialRecord| of.done.as_ref().map(|done| done.version.clone());
            found.add("version of Fovea", version(recorded), version(now));
            found.add(DEVICE, Some(kind_of(recorded.device_name())), Some(kind_of(now.device_name())));
            let threads = |of: &TrialRecord| of.threads().map(|count| count.to_string());
            found.add(THREADS, threads(recorded), threads(now));
            found.0
        }
    }
}

/// Those of them that no configuration tells: with two configurations beside each other, plugins and data are among what
/// they say.
#[must_use]
pub fn beside_plugins(recorded: &TrialRecord, now: &TrialRecord) -> Vec<Change> {
    let mut changes = differences(recorded, now);
    changes.retain(|change| ![PLUGIN, DATA, FILES].iter().any(|kind| change.what.starts_with(kind)));
    changes
}

/// Every circumstance of two processes that differs.
#[must_use]
pub fn between(then: &Provenance, now: &Provenance) -> Vec<Change> {
    let mut found = Found::default();
    plugins(&then.plugins, &now.plugins, &mut found);
    let (a, b) = (&then.program, &now.program);
    found.text("version of Fovea", &a.version, &b.version);
    found.hash(PROGRAM, &a.blake3, &b.blake3);
    found.hash("Cargo.lock", &a.cargo_lock, &b.cargo_lock);
    found.text("compiler", &a.compiler, &b.compiler);
    found.text("target", &a.target, &b.target);
    found.text("features of the build", &a.features, &b.features);
    found.text(DEVICE, &kind_of(&then.device.name), &kind_of(&now.device.name));
    found.add("GPU", then.device.model.clone(), now.device.model.clone());
    found.add("driver", then.device.driver.clone(), now.device.driver.clone());
    found.add("products of f32", then.device.products.clone(), now.device.products.clone());
    found.text(THREADS, &then.threads.to_string(), &now.threads.to_string());
    found.text(CPU, &then.machine.cpu, &now.machine.cpu);
    found.text(INSTRUCTIONS, &then.machine.instructions.join(" "), &now.machine.instructions.join(" "));
    let names: BTreeSet<&String> = then.environment.keys().chain(now.environment.keys()).collect();
    // Every worker has one, set to its threads.
    for name in names.into_iter().filter(|name| *name != "RAYON_NUM_THREADS") {
        let value = |of: &Provenance| of.environment.get(name).cloned();
        found.add(&format!("{VARIABLE} {name}"), value(then), value(now));
    }
    let commit = |of: &Provenance| of.source.as_ref().map(|source| short(&source.commit));
    found.add("commit", commit(then), commit(now));
    let patch = |of: &Provenance| of.source.as_ref().and_then(|source| source.patch.as_deref().map(short));
    found.add("uncommitted changes", patch(then), patch(now));
    found.text("operating system", &then.machine.system, &now.machine.system);
    found.0
}

fn plugins(then: &[PluginRecord], now: &[PluginRecord], found: &mut Found) {
    for was in then {
        let Some(is) = now.iter().find(|plugin| plugin.kind == was.kind) else { continue };
        let name = format!("{} {}", was.kind, was.name);
        if was.name != is.name {
            found.text(&format!("{PLUGIN} {}", was.kind), &was.name, &is.name);
            continue;
        }
        let about = match was.kind.as_str() {
            "dataset" => format!("{DATA} {}", was.name),
            _ => format!("{PLUGIN} {name}"),
        };
        found.text(&about, &was.fingerprint, &is.fingerprint);
        let keys: BTreeSet<&String> = was.files.keys().chain(is.files.keys()).collect();
        for key in keys {
            let hash = |of: &PluginRecord| of.files.get(key).map(|hash| short(hash));
            found.add(&format!("{FILES} {name}, {key}"), hash(was), hash(is));
        }
    }
}

/// Changes as they are found.
#[derive(Default)]
struct Found(Vec<Change>);

impl Found {
    fn add(&mut self, what: &str, recorded: Option<String>, now: Option<String>) {
        if recorded != now {
            let text = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
            self.0.push(Change { what: what.to_owned(), recorded: text(recorded), now: text(now) });
        }
    }

    fn text(&mut self, what: &str, recorded: &str, now: &str) {
        self.add(what, Some(recorded.to_owned()), Some(now.to_owned()));
    }

    fn hash(&mut self, what: &str, recorded: &str, now: &str) {
        if recorded != now {
            self.text(what, &short(recorded), &short(now));
        }
    }
}

fn short(hash: &str) -> String {
    hash.chars().take(DIGITS).collect()
}

/// `cpu` of `cpu (2 threads)`: threads are a circumstance of their own.
fn kind_of(device: &str) -> String {
    device.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::provenance;

    #[test]
    fn every_circumstance_is_named() {
        let then = provenance();
        assert_eq!(between(&then, &then), []);
        let mut now = provenance();
        now.threads = 2;
        now.device.name = "cpu (2 threads)".into();
        now.program.blake3 = "c".repeat(64);
        now.machine.instructions.push("avx512f".into());
        now.environment.insert("OMP".into(), "1".into());
        now.plugins[0].fingerprint = "v2".into();
        let what: Vec<String> = between(&then, &now).into_iter().map(|change| change.what).collect();
        assert_eq!(
            what,
            ["data set scenes", "program", "threads", "instruction sets", "environment variable OMP"]
        );
    }
}
