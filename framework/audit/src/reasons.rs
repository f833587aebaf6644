//! Why a rerun may have left the record. The main function is [`likely`].

use crate::circumstances::{CPU, DATA, DEVICE, FILES, INSTRUCTIONS, PLUGIN, PROGRAM, THREADS, VARIABLE};
use crate::compare::is_made_of_predictions;
use fovea_records::verdict::{Change, Departure};

/// What may change results, by where it shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Suspect {
    Data,
    Files,
    Plugin,
    Program,
    Arithmetic,
    Variable,
}

/// The likely reasons, in full sentences, the likeliest first: where the rerun left says what can be the cause, and what
/// has changed says what is. `recorded`: whether the record has the circumstances of the trial at all.
pub(crate) fn likely(departure: &Departure, changes: &[Change], on_gpu: bool, recorded: bool) -> Vec<String> {
    use Suspect::{Arithmetic, Data, Files, Plugin, Program, Variable};
    let (means, order): (&str, &[Suspect]) = match (departure.what.as_str(), departure.step) {
        ("batch", _) => (
            "The pictures, labels or target boxes of a training batch are not the same, before anything is computed from them",
            &[Data, Files, Plugin, Program],
        ),
        ("cross-entropy", Some(1)) => (
            "The first batch is the same and its loss is not: the network begins with other weights, or computes in another way",
            &[Files, Program, Arithmetic, Plugin, Variable],
        ),
        ("cross-entropy", _) => (
            "The batches are the same and the loss is not: steps before it left other weights, in digits that no loss showed",
            &[Program, Arithmetic, Plugin, Variable],
        ),
        ("explanation loss", _) => (
            "Cross-entropy is the same and the explanation loss is not: localizer, extractor, loss or Grad-CAM differ",
            &[Plugin, Files, Program, Arithmetic, Variable],
        ),
        ("network", _) => (
            "The losses are the same and the network after the step is not: gradients or the optimizer differ",
            &[Program, Arithmetic, Plugin, Variable],
        ),
        ("length of training", _) => {
            ("One training has more steps than the other", &[Data, Program, Plugin, Files])
        }
        (what, _) if is_made_of_predictions(what) => (
            "Weights and predictions are the same, bit for bit, and what was made of them is not",
            &[Program, Plugin],
        ),
        _ => (
            "Training, as far as it is recorded, is the same and what was made of it is not: evaluation differs",
            &[Data, Program, Arithmetic, Plugin, Files, Variable],
        ),
    };
    let mut reasons = vec![format!("{means}.")];
    for suspect in order {
        reasons.extend(changes.iter().filter(|change| is(change, *suspect)).map(sentence));
    }
    if !recorded {
        reasons.push(
            "The record is of a version of Fovea that kept neither program nor machine: another program is the likeliest reason."
                .to_owned(),
        );
    } else if reasons.len() == 1 {
        reasons.push(match on_gpu {
            true => "Nothing that is recorded has changed: on a GPU, atomic additions add in no fixed order, so last digits may \
                     differ from run to run."
                .to_owned(),
            false => "Nothing that is recorded has changed, and on a CPU equal trials have equal bits: look for a plugin that \
                      depends on anything else than its seed, for a record that was changed together with its hashes, or for \
                      failing memory."
                .to_owned(),
        });
    } else if on_gpu && order.contains(&Arithmetic) {
        reasons.push("On a GPU, atomic additions may change last digits from run to run, too.".to_owned());
    }
    reasons
}

fn is(change: &Change, suspect: Suspect) -> bool {
    let what = change.what.as_str();
    match suspect {
        Suspect::Data => what.starts_with(DATA),
        Suspect::Files => what.starts_with(FILES),
        Suspect::Plugin => what.starts_with(PLUGIN),
        Suspect::Variable => what.starts_with(VARIABLE),
        Suspect::Program => {
            [PROGRAM, "version of Fovea", "Cargo.lock", "compiler", "target", "features of the build"]
                .contains(&what)
        }
        Suspect::Arithmetic => [DEVICE, "GPU", "driver", CPU, INSTRUCTIONS, THREADS].contains(&what),
    }
}

/// A change as a sentence.
pub(crate) fn sentence(change: &Change) -> String {
    let Change { what, recorded, now } = change;
    match what.as_str() {
        PROGRAM => format!("The program is another file: recorded {recorded}, now {now}."),
        THREADS => format!("The number of threads is another: recorded {recorded}, now {now}."),
        _ => {
            let mut letters = what.chars();
            let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
            format!("{first}{}: recorded {recorded}, now {now}.", letters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departure(what: &str, step: Option<usize>) -> Departure {
        let text = String::new;
        Departure { step, what: what.to_owned(), tensor: None, recorded: text(), rerun: text() }
    }

    fn change(what: &str) -> Change {
        Change { what: what.to_owned(), recorded: "a".to_owned(), now: "b".to_owned() }
    }

    #[test]
    fn where_a_rerun_leaves_says_what_is_suspected() {
        let changes = [change(PROGRAM), change("data set scenes"), change(THREADS), change("commit")];
        let second = |what: &str, step| likely(&departure(what, step), &changes, false, true)[1].clone();
        assert_eq!(second("batch", Some(1)), "Data set scenes: recorded a, now b.");
        assert_eq!(second("cross-entropy", Some(1)), "The program is another file: recorded a, now b.");
        let batch = likely(&departure("batch", Some(1)), &changes, false, true);
        assert!(!batch.iter().any(|reason| reason.contains("threads")), "{batch:?}");
        let network = likely(&departure("network", Some(4)), &changes, false, true);
        assert!(network[2].contains("number of threads"), "{network:?}");
        assert_eq!(network.len(), 3, "a commit is where the command was given: {network:?}");
    }

    #[test]
    fn without_changes_a_gpu_is_told_from_a_cpu() {
        let reasons = |on_gpu| likely(&departure("network", Some(4)), &[], on_gpu, true);
        assert!(reasons(true)[1].contains("atomic additions"));
        assert!(reasons(false)[1].contains("equal bits"));
        let old = likely(&departure("network", Some(4)), &[], false, false);
        assert!(old[1].contains("another program is the likeliest reason"), "{old:?}");
    }
}
