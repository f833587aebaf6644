//! Accuracy by class and by group, a bar for each variant.

use super::axis::Axis;
use super::look::{INK, Look, Marker};
use super::panel::{BOTTOM, Panel, SMALL, Series, TOP, Tile};
use super::pen::text_width;
use super::sheet::{Entry, Sheet, WIDTH};
use super::{Draft, Material};
use crate::stats::Stats;
use crate::summary::{self, Key};
use fovea_records::Unit;

/// More than this many classes are not all shown.
const MOST_SUBSETS: usize = 20;
/// More than this many variants are not all shown.
const MOST_VARIANTS: usize = 6;
/// Height of a bar and of the space between two classes, logical pixels.
const BAR: f64 = 7.0;
const SPACE: f64 = 9.0;

/// What a kind of subset is called: prefix of the metric rows' subsets, file name, title.
struct Kind {
    prefix: &'static str,
    name: &'static str,
    title: &'static str,
    noun: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind { prefix: "class ", name: "accuracy-by-class", title: "Accuracy by class", noun: "classes" },
    Kind { prefix: "group ", name: "accuracy-by-group", title: "Accuracy by group", noun: "groups" },
];

/// One figure for classes and, where the data have groups, one for these.
pub(super) fn drafts(material: &Material) -> Vec<Result<Draft, String>> {
    let mut drafts: Vec<Result<Draft, String>> =
        KINDS.iter().filter_map(|kind| draft(material, kind)).map(Ok).collect();
    if !drafts.iter().flatten().any(|d| d.name == KINDS[0].name) {
        let why = "no finished trial has measured two of them";
        drafts.insert(0, Err(format!("{} is left out: {why}.", KINDS[0].title)));
    }
    drafts
}

fn draft(material: &Material, kind: &Kind) -> Option<Draft> {
    let run = material.run;
    let has = |key: &&Key| {
        key.metric == "accuracy"
            && key.noise.is_none()
            && key.subset.as_deref().is_some_and(|s| s.starts_with(kind.prefix))
    };
    let keys: Vec<&Key> = material.summary.keys.iter().filter(has).collect();
    let known: Vec<&String> =
        material.summary.splits.iter().filter(|s| keys.iter().any(|k| k.split == **s)).collect();
    let splits: Vec<&String> = match known[..] {
        [first, .., last] => vec![first, last],
        _ => known.clone(),
    };
    let last = *splits.last()?;
    let (variants, all_variants) = variants(material, last);
    // By split, subset and variant.
    let stats = |split: &str, subset: &str| -> Vec<Option<Stats>> {
        let key = Key { subset: Some(subset.to_owned()), ..Key::clean(split, "accuracy") };
        variants.iter().map(|&v| summary::stats(run, v, material.summary.values(&key))).collect()
    };
    let mut subsets: Vec<&str> =
        keys.iter().filter(|k| k.split == *last).filter_map(|k| k.subset.as_deref()).collect();
    subsets.dedup();
    if subsets.len() < 2 || variants.is_empty() {
        return None;
    }
    let baseline = run.baseline.and_then(|b| variants.iter().position(|&v| v == b));
    let found: Vec<(&str, Vec<Option<Stats>>)> = subsets.iter().map(|s| (*s, stats(last, s))).collect();
    let chosen = chosen(&found, baseline);
    let names: Vec<String> = chosen.iter().map(|s| s[kind.prefix.len()..].to_owned()).collect();
    let room = names.iter().map(|n| text_width(n, SMALL, false)).fold(0.0, f64::max).min(0.3 * WIDTH).ceil();
    let contents: Vec<Vec<Vec<Option<Stats>>>> =
        splits.iter().map(|split| chosen.iter().map(|subset| stats(split, subset)).collect()).collect();
    let ends = contents.iter().flatten().flatten().flatten().map(|s| (s.mean + s.sd.unwrap_or(0.0)).min(1.0));
    let x = Axis::from_zero("accuracy (%)", Unit::Fraction, ends, 5);
    let panels: Vec<Panel> = splits
        .iter()
        .zip(&contents)
        .enumerate()
        .map(|(place, (split, contents))| {
            let axis = Axis::names("", &names, room);
            let axis = if place == 0 { axis } else { axis.unlabelled() };
            let mut panel = Panel::new((*split).clone(), x.clone(), axis, Vec::new());
            fill(material, &mut panel, contents, &variants);
            panel
        })
        .collect();
    let columns = panels.len();
    let lead = room + 6.0;
    let height = TOP + BOTTOM + (BAR * variants.len() as f64 + SPACE).max(20.0) * names.len() as f64;
    let mut caption = format!(
        "Accuracy within each of the {}, mean over seeds with lines of ± 1 standard deviation (cut at 0 and 100), in the order of {} on \
         {last}.",
        kind.noun,
        baseline.map_or("the mean".to_owned(), |b| run.variants[variants[b]].name.clone()),
    );
    if chosen.len() < subsets.len() {
        caption.push_str(&format!(
            " {} of {} {} are shown, those in which the variants' means lie furthest apart.",
            chosen.len(),
            subsets.len(),
            kind.noun
        ));
    }
    if variants.len() < all_variants {
        caption.push_str(&format!(
            " {} of {all_variants} variants are shown: the baseline and the most accurate on {last}.",
            variants.len()
        ));
    }
    if splits.len() < known.len() {
        caption.push_str(&format!(" {} of {} splits are shown.", splits.len(), known.len()));
    }
    caption.push_str(" All numbers are in tables/metrics.csv.");
    Some(Draft {
        name: kind.name.to_owned(),
        title: kind.title.to_owned(),
        caption,
        sheet: Sheet {
            panel_size: ((WIDTH - lead) / columns as f64, height),
            lead,
            legend: material.legend(variants).into_iter().map(square).collect(),
            ..Sheet::filled(panels, columns, height)
        },
    })
}

/// Bars have no markers.
fn square(entry: Entry) -> Entry {
    match entry {
        Entry::Look(look, name) => Entry::Look(Look { marker: Marker::Square, ..look }, name),
        other => other,
    }
}

/// The variants that are shown, in the order of the grid, and how many there are.
fn variants(material: &Material, split: &str) -> (Vec<usize>, usize) {
    let run = material.run;
    // By all pictures, so that classes and groups are shown for the same variants.
    let values = material.summary.values(&Key::clean(split, "accuracy"));
    let measured: Vec<(usize, f64)> =
        (0..run.variants.len()).filter_map(|v| summary::stats(run, v, values).map(|s| (v, s.mean))).collect();
    let mut ranked = measured.clone();
    ranked.sort_by(|a, b| {
        (Some(b.0) == run.baseline).cmp(&(Some(a.0) == run.baseline)).then(b.1.total_cmp(&a.1))
    });
    let mut chosen: Vec<usize> = ranked.into_iter().take(MOST_VARIANTS).map(|(v, _)| v).collect();
    chosen.sort_unstable();
    (chosen, measured.len())
}

/// The subsets that are shown, best for the baseline first; without its numbers, by the mean of the variants.
fn chosen<'a>(found: &[(&'a str, Vec<Option<Stats>>)], baseline: Option<usize>) -> Vec<&'a str> {
    let means = |stats: &[Option<Stats>]| Stats::of(stats.iter().flatten().map(|s| s.mean));
    let mut kept: Vec<&(&str, Vec<Option<Stats>>)> = found.iter().collect();
    if kept.len() > MOST_SUBSETS {
        let spread = |stats: &[Option<Stats>]| means(stats).map_or(0.0, |s| s.max - s.min);
        kept.sort_by(|a, b| spread(&b.1).total_cmp(&spread(&a.1)));
        kept.truncate(MOST_SUBSETS);
    }
    let rank = |stats: &[Option<Stats>]| match baseline.and_then(|b| stats[b]) {
        Some(own) => own.mean,
        None => means(stats).map_or(0.0, |s| s.mean),
    };
    kept.sort_by(|a, b| rank(&b.1).total_cmp(&rank(&a.1)).then(a.0.cmp(b.0)));
    kept.into_iter().map(|(name, _)| *name).collect()
}

/// Puts a bar for each subset and variant into a panel, and whiskers over it.
fn fill(material: &Material, panel: &mut Panel, contents: &[Vec<Option<Stats>>], variants: &[usize]) {
    let pitch = (BAR * variants.len() as f64 + SPACE).max(20.0);
    let height = BAR / pitch;
    let whisker = Look { colour: INK, dash: &[], marker: Marker::Disc };
    let mut whiskers =
        Series { line: 0.0, marker: 0.0, opacity: 0.75, cap: 2.0, ..Series::new(whisker, Vec::new()) };
    for (row, stats) in contents.iter().enumerate() {
        let top = -(row as f64) + 0.5 * height * variants.len() as f64;
        for (place, stats) in stats.iter().enumerate() {
            let Some(stats) = stats else { continue };
            let (from, to) = (top - height * (place + 1) as f64, top - height * place as f64);
            panel.tiles.push(Tile {
                x: (0.0, stats.mean),
                // A hair between bars, so that two of one colour are told apart.
                y: (from + 0.06 * height, to - 0.06 * height),
                fill: Some(material.looks.of(variants[place]).colour),
                text: None,
            });
            if let Some(sd) = stats.sd {
                whiskers.level_bars.push((
                    0.5 * (from + to),
                    (stats.mean - sd).max(0.0),
                    (stats.mean + sd).min(1.0),
                ));
            }
        }
    }
    panel.series.push(whiskers);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(mean: f64) -> Option<Stats> {
        Stats::of([mean])
    }

    #[test]
    fn classes_are_in_the_order_of_the_baseline() {
        let found = [
            ("a", vec![stats(0.2), stats(0.9)]),
            ("b", vec![stats(0.5), stats(0.1)]),
            ("c", vec![None, stats(0.3)]),
        ];
        assert_eq!(chosen(&found, Some(0)), ["b", "c", "a"]);
        assert_eq!(chosen(&found, None), ["a", "b", "c"]);
    }

    #[test]
    fn of_many_classes_those_stay_that_tell_variants_apart() {
        let names: Vec<String> = (0..50).map(|i| format!("{i:02}")).collect();
        let found: Vec<(&str, Vec<Option<Stats>>)> = names
            .iter()
            .enumerate()
            .map(|(i, name)| (name.as_str(), vec![stats(0.5), stats(0.5 + 0.01 * i as f64)]))
            .collect();
        let kept = chosen(&found, Some(0));
        assert_eq!(kept, names[30..].iter().map(String::as_str).collect::<Vec<_>>());
    }
}
