//! What is true of answers of every kind, whatever the numbers in them mean.

use super::arrays::{Layout, Place};
use super::ask::{Manner, ORDINARY};
use super::input::{Case, Input, cases, ordinary};
use super::property::{Found, HOLDS};
use super::subject::Subject;
use crate::library::Functions;
use fovea_api::PluginKind;

/// Rows of numbers, one for each item.
type Rows = Vec<Vec<f32>>;

/// The first difference of two answers of more than `tolerance` (relative to the largest number of the row).
fn difference(one: &[Vec<f32>], other: &[Vec<f32>], tolerance: f32) -> Option<String> {
    if one.len() != other.len() {
        return Some(format!("{} items and then {}", one.len(), other.len()));
    }
    for (item, (a, b)) in one.iter().zip(other).enumerate() {
        if a.len() != b.len() {
            return Some(format!("item {item} is {} and then {}", shown(a), shown(b)));
        }
        let most = a.iter().fold(0f32, |most, value| most.max(value.abs()));
        if let Some(at) = (0..a.len())
            .find(|&at| (a[at] - b[at]).abs() > tolerance * most || a[at].is_nan() != b[at].is_nan())
        {
            return Some(format!("item {item}, number {at} is {} and then {}", a[at], b[at]));
        }
    }
    None
}

/// The beginning of a row.
fn shown(row: &[f32]) -> String {
    const MOST: usize = 9;
    let more = if row.len() > MOST { ", ..." } else { "" };
    let numbers: Vec<String> = row.iter().take(MOST).map(ToString::to_string).collect();
    if row.is_empty() { "nothing".to_owned() } else { format!("[{}{more}]", numbers.join(", ")) }
}

impl Subject {
    fn kind(&self) -> PluginKind {
        self.plugin.kind
    }

    fn cases(&self) -> Vec<Case> {
        cases(self.kind(), &mut self.random("cases"))
    }

    /// As [`Subject::cases`], but those for which it has no answer; models refuse sizes that are too small for them.
    fn answerable(&self) -> Result<Vec<(Case, Rows)>, String> {
        let instance = self.instance()?;
        let mut found = Vec::new();
        for case in self.cases() {
            if let Ok(rows) = self.ask(&instance, &case.input, ORDINARY) {
                found.push((case, rows));
            }
        }
        Ok(found)
    }
}

pub(super) fn answers(subject: &Subject) -> Result<Found, String> {
    let instance = subject.instance()?;
    let mut random = subject.random("answers");
    let mut nothing = 0;
    for n in [1, 3] {
        let input = ordinary(subject.kind(), &mut random, n, 48, 64);
        let rows = subject.ask(&instance, &input, ORDINARY)?;
        nothing += rows.iter().filter(|row| row.is_empty() || **row == [0.0]).count();
    }
    let what = match subject.kind() {
        PluginKind::Localizer => "pictures",
        PluginKind::Extractor => "heatmaps",
        _ => return Ok(HOLDS),
    };
    Ok(if nothing == 4 { Found::Holds(format!("it found nothing in 4 {what}")) } else { HOLDS })
}

pub(super) fn sizes(subject: &Subject) -> Result<Found, String> {
    let instance = subject.instance()?;
    let mut refused = Vec::new();
    for case in subject.cases() {
        match subject.ask(&instance, &case.input, ORDINARY) {
            Ok(_) => {}
            Err(error) if subject.kind() == PluginKind::Model => {
                refused.push(format!("{}: {error}", case.name));
            }
            Err(error) => return Err(format!("{}: {error}", case.name)),
        }
    }
    Ok(Found::Holds(refused.join("; ")))
}

pub(super) fn empty(subject: &Subject) -> Result<Found, String> {
    let Some(input) = Input::empty(subject.kind()) else {
        return Ok(Found::Skipped("it takes no batches".to_owned()));
    };
    subject.ask(&subject.instance()?, &input, ORDINARY).map(|_| HOLDS)
}

pub(super) fn repeats(subject: &Subject) -> Result<Found, String> {
    let instance = subject.instance()?;
    let mut first = Vec::new();
    for case in subject.cases() {
        if let Ok(rows) = subject.ask(&instance, &case.input, ORDINARY) {
            first.push((case, rows));
        }
    }
    for round in [2, 3] {
        for (case, rows) in first.iter().rev() {
            let again = subject.ask(&instance, &case.input, ORDINARY)?;
            if let Some(what) = difference(rows, &again, 0.0) {
                return Err(format!(
                    "{}, at first and then in round {round}, after others: {what}",
                    case.name
                ));
            }
        }
    }
    Ok(HOLDS)
}

pub(super) fn fresh_instance(subject: &Subject) -> Result<Found, String> {
    for (case, rows) in subject.answerable()? {
        let again = subject.ask(&subject.instance()?, &case.input, ORDINARY)?;
        if let Some(what) = difference(&rows, &again, 0.0) {
            return Err(format!("{}: {what}", case.name));
        }
    }
    Ok(HOLDS)
}

pub(super) fn fresh_process(subject: &Subject) -> Result<Found, String> {
    let mut lines = Vec::new();
    for (case, rows) in subject.answerable()? {
        for row in rows {
            let mix =
                |hash: u64, value: &f32| (hash ^ u64::from(value.to_bits())).wrapping_mul(0x100_0000_01b3);
            let hash = row.iter().fold(0xcbf2_9ce4_8422_2325, mix);
            lines.push(format!("{} for {} (hash {hash:016x})", shown(&row), case.name));
        }
    }
    if let Ok(mut trace) = subject.trace.lock() {
        *trace = lines;
    }
    Ok(HOLDS)
}

pub(super) fn threads(subject: &Subject) -> Result<Found, String> {
    const THREADS: usize = 4;
    let expected = subject.answerable()?;
    // Made here, asked and freed there.
    let handed: Vec<_> = (0..THREADS).map(|_| subject.instance()).collect::<Result<_, _>>()?;
    let work = |instance: crate::call::Instance| -> Result<(), String> {
        let own = subject.instance()?;
        for instance in [&instance, &own, &instance] {
            for (case, rows) in &expected {
                let again = subject.ask(instance, &case.input, ORDINARY)?;
                if let Some(what) = difference(rows, &again, 0.0) {
                    return Err(format!("{}, in one of {THREADS} threads: {what}", case.name));
                }
            }
        }
        Ok(())
    };
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            handed.into_iter().map(|instance| scope.spawn(move || work(instance))).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err("one of the threads panicked".to_owned()))
        })
    })?;
    Ok(HOLDS)
}

pub(super) fn batch(subject: &Subject) -> Result<Found, String> {
    let mut random = subject.random("batch");
    let batch = match subject.plugin.functions {
        Functions::Localizer(functions) => usize::try_from(functions.batch).unwrap_or(3).clamp(3, 16),
        _ => 5,
    };
    let mut input = ordinary(subject.kind(), &mut random, batch, 37, 29);
    if let Input::Pictures(pictures) = &mut input {
        // Pictures of a batch need not be of one size.
        pictures[1] = super::input::picture(&mut random, 16, 50, "other-size");
    }
    let whole = subject.ask(&subject.instance()?, &input, ORDINARY)?;
    let instance = subject.instance()?;
    for item in 0..input.len() {
        let alone = subject.ask(&instance, &input.item(item), ORDINARY)?;
        if let Some(what) = difference(&whole[item..=item], &alone, 0.0) {
            let what = what.replacen("item 0", &format!("item {item} of {}", input.len()), 1);
            return Err(format!("in the batch and then alone: {what}"));
        }
    }
    Ok(HOLDS)
}

/// Makes all rows of pictures (along the axis of [`Layout::Repeated`]) and heatmaps one.
fn repeated(input: &mut Input) {
    match input {
        Input::Pictures(pictures) => {
            for image in pictures.iter_mut().map(|picture| &mut picture.image) {
                for row in image.pixels.chunks_exact_mut(image.width * 3) {
                    let first = [row[0], row[1], row[2]];
                    row.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&first));
                }
            }
        }
        Input::Heatmaps(values, [_, h, w]) => repeat_rows(values, *h, *w),
        Input::Seen(seen) => {
            let [_, h, w] = seen.shape;
            repeat_rows(&mut seen.heatmaps, h, w);
        }
        Input::Request(..) => {}
    }
}

fn repeat_rows(values: &mut [f32], h: usize, w: usize) {
    for one in values.chunks_exact_mut(h * w) {
        let first = one[..w].to_vec();
        one.chunks_exact_mut(w).for_each(|row| row.copy_from_slice(&first));
    }
}

pub(super) fn strides(subject: &Subject) -> Result<Found, String> {
    /// Sums in another order end in other digits.
    const TOLERANCE: f32 = 1e-4;
    let instance = subject.instance()?;
    for layout in [Layout::Padded, Layout::Reversed, Layout::Transposed, Layout::Repeated] {
        let mut input = ordinary(subject.kind(), &mut subject.random("strides"), 2, 23, 31);
        if layout == Layout::Repeated {
            repeated(&mut input);
        }
        let plain = subject.ask(&instance, &input, ORDINARY)?;
        let name = match layout {
            Layout::Padded => "rows with gaps",
            Layout::Reversed => "negative strides",
            Layout::Transposed => "axes in the opposite order",
            _ => "a stride of 0",
        };
        let strided = subject
            .ask(&instance, &input, Manner { layout, ..ORDINARY })
            .map_err(|error| format!("with {name}: {error}"))?;
        if let Some(what) = difference(&plain, &strided, TOLERANCE) {
            return Err(format!("without gaps and then with {name}: {what}"));
        }
    }
    Ok(HOLDS)
}

pub(super) fn inputs(subject: &Subject) -> Result<Found, String> {
    let instance = subject.instance()?;
    for (case, _) in subject.answerable()? {
        let manner = Manner { place: Place::Guarded, ..ORDINARY };
        subject.ask(&instance, &case.input, manner).map_err(|error| format!("{}: {error}", case.name))?;
    }
    Ok(HOLDS)
}

pub(super) fn kept_inputs(subject: &Subject) -> Result<Found, String> {
    let lost = Manner { place: Place::Lost, ..ORDINARY };
    let mut random = subject.random("kept-inputs");
    let instance = subject.instance()?;
    for _ in 0..3 {
        subject.ask(&instance, &ordinary(subject.kind(), &mut random, 2, 23, 31), lost)?;
    }
    Ok(HOLDS)
}
