//! `fovea plugin check`: whether a library keeps its promises, property by property. The suite is [`fovea_host::check`].

use crate::exit::Exit;
use crate::output::print;
use crate::{Failure, Outcome};
use fovea_api::PluginKind;
use fovea_host::check::property::PROPERTIES;
use fovea_host::check::{Checked, Options, Report, Verdict, run};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `fovea plugin check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The library.
    file: PathBuf,
    /// Check its plugins of this kind only.
    #[arg(long, value_parser = ["model", "localizer", "extractor", "loss"])]
    kind: Option<String>,
    /// Check its plugins of this name only.
    #[arg(long)]
    name: Option<String>,
    /// Ask this property only; may be given several times.
    #[arg(long, value_name = "NAME")]
    property: Vec<String>,
    /// The plugin's configuration: a JSON object, or KEY=VALUE with the value in JSON; may be given several times.
    #[arg(long, value_name = "JSON|KEY=VALUE")]
    config: Vec<String>,
    /// Seed of the inputs: the same seed asks the same again.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How long a call, and all calls for a property, may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0)]
    timeout: f64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &Args) -> Outcome {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    if let Some(name) = args.property.iter().find(|name| !PROPERTIES.iter().any(|known| known.name == **name))
    {
        let mut known: Vec<&str> = PROPERTIES.iter().map(|property| property.name).collect();
        known.dedup();
        return Err(usage(format!("there is no property `{name}`; known: {}", known.join(", "))));
    }
    let time = Duration::try_from_secs_f64(args.timeout)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| usage(format!("--timeout {}: seconds, more than 0, are expected", args.timeout)))?;
    let files = |e: std::io::Error| Failure::new(Exit::Files, e);
    let options = Options {
        program: fovea_host::own_image().map_err(files)?,
        file: args.file.clone(),
        kind: PluginKind::ALL.into_iter().find(|kind| args.kind.as_deref() == Some(kind.as_str())),
        name: args.name.clone(),
        properties: args.property.clone(),
        config: config(&args.config)?,
        base_dir: std::env::current_dir().map_err(files)?,
        seed: args.seed,
        time,
    };
    let mut about = None;
    let report = run(&options, &mut |checked| {
        if !args.json {
            if about != checked.plugin {
                about.clone_from(&checked.plugin);
                print(&format!("{}\n", checked.plugin.as_deref().unwrap_or_default()));
            }
            print(&line(checked));
        }
    });
    if args.json {
        let text = serde_json::to_string_pretty(&report).map_err(|e| Failure::new(Exit::Files, e))?;
        print(&format!("{text}\n"));
    } else {
        print(&summary(&report));
    }
    Ok(if report.holds() { Exit::Success } else { Exit::TrialsFailed })
}

fn config(texts: &[String]) -> Result<Value, Failure> {
    let mut config = Map::new();
    for text in texts {
        match serde_json::from_str(text) {
            Ok(Value::Object(table)) => config.extend(table),
            _ => {
                let (key, value) = text.split_once('=').ok_or_else(|| {
                    Failure::new(Exit::Usage, format!("--config {text}: write a JSON object or KEY=VALUE"))
                })?;
                config.insert(key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into()));
            }
        }
    }
    Ok(Value::Object(config))
}

fn line(checked: &Checked) -> String {
    let Checked { property, asks, message, .. } = checked;
    let remark = if message.is_empty() { String::new() } else { format!(" ({message})") };
    match checked.verdict {
        Verdict::Pass => format!("  pass  {property:<16} {asks}{remark}\n"),
        Verdict::Skip => format!("  skip  {property:<16} {message}\n"),
        Verdict::Fail => {
            let remedy = checked.remedy.as_ref().map_or_else(String::new, |remedy| format!("; {remedy}"));
            format!("  FAIL  {property:<16} {asks} Found: {message}{remedy}\n")
        }
    }
}

fn summary(report: &Report) -> String {
    let Report { file, seed, passed, failed, skipped, .. } = report;
    let verdict = if *failed == 0 { "keeps its promises" } else { "does not keep its promises" };
    format!("{file} {verdict}: {passed} passed, {failed} failed, {skipped} skipped (seed {seed})\n")
}
