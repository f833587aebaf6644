//! What variants are called where space is short. The main function is [`shorten`].

use super::{Run, Variant};
use std::collections::{HashMap, HashSet};

/// Takes out of labels what all variants have in common, and where only one key is left, all but its value.
pub(super) fn shorten(mut run: Run) -> Run {
    if run.variants.len() > 1 {
        let labels: Vec<&str> = run.variants.iter().map(|variant| variant.label.as_str()).collect();
        if let Some(short) = differing(&labels) {
            let value_alone = run.variants.iter().all(|variant| variant.short != variant.label);
            let heading = (!value_alone).then(|| only_key(&short)).flatten();
            for (variant, parts) in run.variants.iter_mut().zip(&short) {
                variant.label =
                    parts.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ");
                if !value_alone {
                    variant.short = match (&heading, &parts[..]) {
                        (Some(_), [(_, value)]) => value.clone(),
                        _ => variant.label.clone(),
                    };
                }
            }
            if let Some(heading) = heading {
                run.variant_heading = heading;
            }
        }
    }
    if run.is_joined() {
        let names: Vec<String> = run.sources.iter().map(|source| source.label.clone()).collect();
        tell_apart(&mut run.variants, &names, |variant| &mut variant.label);
        tell_apart(&mut run.variants, &names, |variant| &mut variant.short);
    }
    run
}

/// Adds the run to names that several variants have.
pub(super) fn tell_apart(
    variants: &mut [Variant],
    runs: &[String],
    name: impl Fn(&mut Variant) -> &mut String,
) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for variant in variants.iter_mut() {
        *seen.entry(name(variant).clone()).or_default() += 1;
    }
    for variant in variants {
        let run = &runs[variant.source];
        let name = name(variant);
        if seen[name] > 1 {
            *name = format!("{name} ({run})");
        }
    }
}

type Parts = Vec<(String, String)>;

/// The parts of each label that are not in all; `None` where a label is not made of parts, or nothing would be left of it.
fn differing(labels: &[&str]) -> Option<Vec<Parts>> {
    let all: Vec<Parts> = labels.iter().map(|label| parts(label)).collect::<Option<_>>()?;
    let common: HashSet<&(String, String)> =
        all[0].iter().filter(|part| all.iter().all(|parts| parts.contains(part))).collect();
    let left: Vec<Parts> = all
        .iter()
        .map(|parts| parts.iter().filter(|part| !common.contains(part)).cloned().collect())
        .collect();
    left.iter().all(|parts: &Parts| !parts.is_empty()).then_some(left)
}

/// The key that every label has, and nothing else.
fn only_key(labels: &[Parts]) -> Option<String> {
    let [(key, _)] = &labels[0][..] else { return None };
    labels.iter().all(|parts| matches!(&parts[..], [(own, _)] if own == key)).then(|| key.clone())
}

/// `loss=ria(lambda=0.3, x=1), beta=0.5` in two parts: commas within brackets belong to a value.
fn parts(label: &str) -> Option<Parts> {
    let mut found = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    let mut take = |part: &str| {
        let (key, value) = part.split_once('=')?;
        found.push((key.to_owned(), value.to_owned()));
        Some(())
    };
    for (at, letter) in label.char_indices() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 && label[at..].starts_with(", ") => {
                take(&label[start..at])?;
                start = at + 2;
            }
            _ => {}
        }
    }
    take(&label[start..])?;
    (depth == 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(labels: &[&str]) -> Option<Vec<String>> {
        let text =
            |parts: &Parts| parts.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ");
        differing(labels).map(|labels| labels.iter().map(text).collect())
    }

    #[test]
    fn what_is_the_same_everywhere_is_dropped() {
        let long =
            ["loss=none, localizer=lost(a=1, b=2), beta=1", "loss=ria, localizer=lost(a=1, b=2), beta=1"];
        assert_eq!(shown(&long), Some(vec!["loss=none".to_owned(), "loss=ria".to_owned()]));
        assert_eq!(only_key(&differing(&long).unwrap()), Some("loss".to_owned()));
        // A part that one of them lacks is no common one.
        assert_eq!(shown(&["loss=none", "loss=ria, beta=1"]).unwrap()[1], "loss=ria beta=1");
        // Nothing may be left without a name, and what is no list of parts stays whole.
        assert_eq!(shown(&["loss=none", "loss=none, beta=1"]), None);
        assert_eq!(shown(&["loss=none", "boxes"]), None);
    }
}
