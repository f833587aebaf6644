//! What somebody deep in a call has to tell the user. The main functions are [`give`] and [`take`].
//!
//! A library's call has no way to the user's terminal, and its caller, no reason to hand one down; so what is to be told
//! waits here until whoever has one asks.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Told sentences, each once a process, and whether somebody has taken them.
static NOTICES: Mutex<(BTreeSet<String>, Vec<String>)> = Mutex::new((BTreeSet::new(), Vec::new()));

/// Leaves a sentence for the user; the same one is told once.
pub fn give(sentence: String) {
    let mut notices = NOTICES.lock().unwrap_or_else(PoisonError::into_inner);
    if notices.0.insert(sentence.clone()) {
        notices.1.push(sentence);
    }
}

/// What has been left since the last time.
#[must_use]
pub fn take() -> Vec<String> {
    std::mem::take(&mut NOTICES.lock().unwrap_or_else(PoisonError::into_inner).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_told_once() {
        give("a".to_owned());
        give("a".to_owned());
        assert_eq!(take(), ["a"]);
        give("a".to_owned());
        assert!(take().is_empty());
    }
}
