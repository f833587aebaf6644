//! Pictures with Grad-CAM overlays and boxes (the paper's Figures 5 to 7), drawn at random, best, median and worst. The
//! main type is [`Gallery`].
//!
//! - `pick`: which trials and which pictures. `grid`: how they are drawn.

mod grid;
mod pick;

use crate::ReportError;
use crate::figures::look::{Looks, register_fonts};
use crate::format::plural;
use crate::run::Run;
use fovea_records::RunStore;
use fovea_records::store::write_atomic;
use grid::Grid;
use pick::{Picture, Pool, Ranking};
use rayon::prelude::*;
use serde::Serialize;

/// A gallery as drawn.
#[derive(Debug)]
pub(crate) struct Gallery {
    /// File name without extension.
    pub(crate) name: String,
    /// Heading in the page.
    pub(crate) title: &'static str,
    /// For the page.
    pub(crate) jpeg: Vec<u8>,
    /// Size on the page, logical pixels.
    pub(crate) size: (u32, u32),
    /// What is seen.
    pub(crate) caption: String,
    /// The same in words: one row per picture.
    pub(crate) rows: Vec<GalleryRow>,
    /// Names of the columns of `rows`.
    pub(crate) variants: Vec<String>,
}

/// One picture, in words.
#[derive(Debug, Serialize)]
pub(crate) struct GalleryRow {
    /// Name of the picture.
    pub(crate) image: String,
    /// Split.
    pub(crate) split: String,
    /// True class.
    pub(crate) label: String,
    /// What it is ranked by, and the number.
    pub(crate) score: Option<String>,
    /// Predicted class per variant.
    pub(crate) predicted: Vec<String>,
}

/// Draws the galleries that the records allow and writes them as `report/figures/gallery-*.png`; none when no trial has
/// recorded pictures.
pub(crate) fn draw(
    store: &RunStore,
    run: &Run,
    problems: &mut Vec<String>,
) -> Result<Vec<Gallery>, ReportError> {
    // Reports of earlier versions had one gallery; beside these it would be taken for one of them. It may not be there.
    let _ = std::fs::remove_file(store.report_dir().join("figures").join("gallery.png"));
    let Some(pool) = Pool::new(run) else { return Ok(Vec::new()) };
    let failed = |message: String| ReportError::Figure { name: "gallery".to_owned(), message };
    register_fonts().map_err(failed)?;
    let looks = Looks::new(run);
    let picks = pool.picks();
    let kinds = [
        ("random", "Pictures drawn at random", &picks.random),
        ("best", "Best pictures", &picks.best),
        ("median", "Median pictures", &picks.median),
        ("worst", "Worst pictures", &picks.worst),
    ];
    let drawn: Vec<(Gallery, Vec<String>)> = kinds
        .into_par_iter()
        .filter(|(_, _, places)| !places.is_empty())
        .map(|(kind, title, places)| {
            let rows: Vec<&Picture> = places.iter().map(|&p| &pool.pictures[p]).collect();
            let names = pool.columns.iter().map(|c| run.variants[c.variant].name.clone()).collect();
            let grid = Grid { columns: &pool.columns, names: &names, looks: &looks, rows: &rows };
            let name = format!("gallery-{kind}");
            let failed = |message| ReportError::Figure { name: name.clone(), message };
            let drawing = grid.draw().map_err(failed)?;
            write_atomic(&store.report_dir().join("figures").join(format!("{name}.png")), &drawing.png)?;
            let gallery = Gallery {
                caption: caption(&pool, kind, &rows, drawing.differ),
                title,
                jpeg: drawing.jpeg,
                size: drawing.size,
                rows: rows.iter().map(|picture| words(picture, pool.ranking)).collect(),
                variants: names,
                name,
            };
            Ok((gallery, drawing.problems))
        })
        .collect::<Result<_, ReportError>>()?;
    let mut galleries = Vec::with_capacity(drawn.len());
    for (gallery, found) in drawn {
        for problem in found {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        galleries.push(gallery);
    }
    Ok(galleries)
}

fn words(picture: &Picture, ranking: Option<Ranking>) -> GalleryRow {
    let item = picture.items[0];
    let what = match ranking {
        Some(Ranking::BoxIou) => "box IoU",
        _ => "confidence",
    };
    GalleryRow {
        image: item.image.clone(),
        split: item.split.clone(),
        label: item.label.clone(),
        score: picture.score.map(|score| format!("{what} {score:.3}")),
        predicted: picture.items.iter().map(|item| item.predicted.clone()).collect(),
    }
}

fn caption(pool: &Pool, kind: &str, rows: &[&Picture], differ: bool) -> String {
    let mean = match pool.ranking {
        Some(Ranking::BoxIou) => "IoU of Grad-CAM box and object, mean over the variants shown",
        Some(Ranking::Confidence) => {
            "probability of the true class, mean over the variants shown (no objects are known)"
        }
        None => "",
    };
    let range = || {
        let scores = rows.iter().filter_map(|p| p.score);
        let (low, high) = scores.fold((f64::INFINITY, 0.0_f64), |(l, h), s| (l.min(s), h.max(s)));
        let (low, high) = (format!("{low:.2}"), format!("{high:.2}"));
        if low == high { low } else { format!("{low} to {high}") }
    };
    let ranked = pool.ranked();
    let count = rows.len();
    let mut caption = match kind {
        "best" => format!("The {count} of {ranked} pictures with the highest {mean}: {}.", range()),
        "median" => format!("The {count} of {ranked} pictures in the middle by the {mean}: {}.", range()),
        "worst" => {
            format!("The {count} of {ranked} pictures with the lowest {mean}: {}, worst last.", range())
        }
        _ => {
            let mut text = format!(
                "{} of {} that every variant shown has recorded, drawn by a fixed key. Colour shows the Grad-CAM \
                 heatmap of the predicted class (black is 0, yellow its maximum); the solid white box is the box drawn \
                 from the heatmap, the dashed light-blue box the localizer's target. Below each, the predicted class. \
                 All columns show the same pictures",
                plural(count, "picture"),
                pool.pictures.len()
            );
            text.push_str(&match pick::common_seed(&pool.columns) {
                Some(seed) => format!(", from seed {seed}."),
                None => ".".to_owned(),
            });
            if pool.ranking.is_some() && ranked > 0 {
                text.push_str(&format!(" The number beside a class is the {mean}."));
            }
            if pool.ranking.is_none() {
                text.push_str(
                    " Best, median and worst pictures are left out: too few pictures have masks, or the recorded \
                     probability of their class.",
                );
            } else if ranked < 3 {
                text.push_str(" There are too few to rank.");
            }
            text
        }
    };
    if kind != "random" {
        caption.push_str(" Drawn as above.");
    }
    if pool.variants > pool.columns.len() {
        caption.push_str(&format!(
            " {} of {} variants are shown{}.",
            pool.columns.len(),
            pool.variants,
            if pool.columns.len() == pick::MOST_VARIANTS { ", evenly over the grid" } else { "" }
        ));
    }
    if differ {
        caption.push_str(
            " The variants' data differ: under the same name, each column has its own picture, and the first is that of \
             the second column.",
        );
    }
    caption
}
