//! What is true of localizers, and of what writes to sinks.

use super::ask::{Manner, ORDINARY, refusing};
use super::input::ordinary;
use super::property::{Found, HOLDS};
use super::subject::Subject;

pub(super) fn origin(subject: &Subject) -> Result<Found, String> {
    let instance = subject.instance()?;
    let input = ordinary(subject.plugin.kind, &mut subject.random("origin"), 2, 48, 64);
    let first = subject.ask(&instance, &input, ORDINARY)?;
    let manner = Manner { origin: ("train", 1234), ..ORDINARY };
    if first == subject.ask(&instance, &input, manner)? {
        return Ok(HOLDS);
    }
    Err("the same pixels got another answer under another name, split and index".to_owned())
}

pub(super) fn sink(subject: &Subject) -> Result<Found, String> {
    let instance = subject.instance()?;
    let input = ordinary(subject.plugin.kind, &mut subject.random("sink"), 3, 48, 64);
    let (calls, status) = refusing(&instance, subject.plugin.functions, &input)?;
    match (calls, status) {
        (0, _) => Ok(Found::Skipped("it called no sink".to_owned())),
        (1, false) => Ok(HOLDS),
        (1, true) => Err("the sink refused, and the function returned FOVEA_OK".to_owned()),
        (calls, _) => Err(format!("the sink refused the first time and was called {calls} times")),
    }
}
