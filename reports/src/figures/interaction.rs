//! Two axes of the grid against each other: does what one does depend on the other?

mod cells;

use super::axis::Axis;
use super::panel::{BOTTOM, COLOUR_BAR, Panel, RIGHT, SMALL, TOP, Tile};
use super::pen::text_width;
use super::scale::ColourScale;
use super::sheet::{Sheet, WIDTH};
use super::{Draft, Material};
use crate::format::{minus, plural, value};
use crate::measures::{Measure, MeasureKind};
use cells::{Cells, Grid};
use fovea_records::Unit;

/// More heat maps than this are for `fovea table`.
const MOST_PAIRS: usize = 6;
/// Axes with more values than this have cells without room for their number.
const MOST_VALUES: usize = 12;

/// Least and greatest width of a cell, logical pixels: a negative RFS fits into the least.
const CELL: (f64, f64) = (54.0, 96.0);
const CELL_HEIGHT: f64 = 40.0;
/// What names of rows may take.
const MOST_NAME: f64 = 170.0;
/// What stands left of the names.
const LEFT: f64 = 36.0;

/// One figure per pair of axes that are crossed.
pub(super) fn drafts(material: &Material) -> Vec<Result<Draft, String>> {
    let of = |kind| material.measures.iter().filter(move |m: &&Measure| m.kind == kind);
    let shown: Vec<&Measure> =
        of(MeasureKind::Accuracy).next_back().into_iter().chain(of(MeasureKind::Rfs)).collect();
    let axes: Vec<&str> = material.run.axes.iter().map(String::as_str).filter(|a| *a != "seed").collect();
    let mut drafts = Vec::new();
    let mut crossed = 0;
    let (mut beyond, mut large) = (Vec::new(), Vec::new());
    for (number, first) in axes.iter().enumerate() {
        for second in &axes[number + 1..] {
            let Some(grid) = Grid::new(material.run, first, second) else { continue };
            let name = format!("{first} × {second}");
            if grid.rows.len().max(grid.columns.len()) > MOST_VALUES {
                large.push(name);
                continue;
            }
            crossed += 1;
            if crossed > MOST_PAIRS {
                beyond.push(name);
            } else if let Some(draft) = draft(material, &grid, &shown) {
                drafts.push(Ok(draft));
            } else {
                drafts.push(Err(format!(
                    "The heat map of {name} is left out: no finished trial has the accuracy."
                )));
            }
        }
    }
    let mut leave_out = |pairs: Vec<String>, why: &str| {
        if !pairs.is_empty() {
            let of = if pairs.len() == 1 { "The heat map of" } else { "The heat maps of" };
            let are = if pairs.len() == 1 { "is" } else { "are" };
            drafts.push(Err(format!("{of} {} {are} left out: {why}.", pairs.join(", "))));
        }
    };
    leave_out(large, &format!("an axis has more than {MOST_VALUES} values"));
    leave_out(
        beyond,
        &format!("the report has {MOST_PAIRS} at most; `fovea table --by` makes tables of any"),
    );
    drafts
}

fn draft(material: &Material, grid: &Grid, shown: &[&Measure]) -> Option<Draft> {
    let values: Vec<&[Option<f64>]> = shown.iter().map(|m| &m.values[..]).collect();
    let cells = Cells::new(material.run, grid, &values)?;
    let (rows, columns) = (&grid.rows, &grid.columns);
    let widest = |names: &[String]| names.iter().map(|n| text_width(n, SMALL, false)).fold(0.0, f64::max);
    let room = widest(rows).min(MOST_NAME).ceil();
    let beside = LEFT + room + COLOUR_BAR + RIGHT;
    let wanted = beside + (widest(columns) + 10.0).clamp(CELL.0, CELL.1) * columns.len() as f64;
    let least = beside + CELL.0 * columns.len() as f64;
    let across = if shown.len() > 1 && least <= 0.5 * WIDTH { 2 } else { 1 };
    // Titles are as wide as small panels.
    let width = wanted.clamp(300.0, WIDTH / f64::from(across));
    let height = (TOP + BOTTOM + CELL_HEIGHT * rows.len() as f64).max(TOP + BOTTOM + 90.0);
    let panels: Vec<Panel> = shown
        .iter()
        .enumerate()
        .map(|(number, measure)| {
            let x = Axis::columns(&grid.short(&grid.second), columns);
            let y = Axis::names(&grid.short(&grid.first), rows, room);
            let means = cells.means(number);
            let scale = ColourScale::over(means.iter().flatten().flatten().map(|m| m.0));
            let mut panel = Panel::new(title(measure), x, y, Vec::new());
            panel.colours = scale.map(|scale| (scale, measure.unit));
            for (row, means) in means.iter().enumerate() {
                for (column, mean) in means.iter().enumerate() {
                    panel.tiles.push(tile(row, column, *mean, scale, measure.unit));
                }
            }
            panel
        })
        .collect();
    Some(Draft {
        name: format!("interaction-{}-{}", slug(&grid.first), slug(&grid.second)),
        title: format!("{} by {}", grid.first, grid.second),
        caption: caption(grid, &cells, shown),
        sheet: Sheet { panel_size: (width, height), ..Sheet::filled(panels, across as usize, height) },
    })
}

fn title(measure: &Measure) -> String {
    match measure.unit {
        Unit::Fraction => format!("{} (%)", measure.phrase),
        _ => format!("{} on {}", measure.phrase, measure.split),
    }
}

fn tile(
    row: usize,
    column: usize,
    mean: Option<(f64, usize)>,
    scale: Option<ColourScale>,
    unit: Unit,
) -> Tile {
    let (x, y) = (column as f64, -(row as f64));
    let text = mean.map_or(("–".to_owned(), String::new()), |(mean, n)| {
        (minus(&value(unit, mean)), format!("n = {n}"))
    });
    Tile {
        x: (x - 0.5, x + 0.5),
        y: (y - 0.5, y + 0.5),
        fill: mean.zip(scale).map(|((mean, _), scale)| scale.colour(mean)),
        text: Some(text),
    }
}

fn caption(grid: &Grid, cells: &Cells, shown: &[&Measure]) -> String {
    let what: Vec<String> = shown
        .iter()
        .map(|m| match m.kind {
            MeasureKind::Rfs => format!("RFS (Gaussian noise on {}, mean over levels)", m.split),
            _ => m.phrase.clone(),
        })
        .collect();
    let seeds = plural(cells.seeds, "seed");
    let over = match grid.others.len() {
        0 => seeds,
        _ => format!("{seeds} and all values of {}", grid.others.join(", ")),
    };
    let mut caption = format!(
        "Mean {} for every value of {} and {}, over {over}: {}, n in each cell. If the two do not interact, the rows \
         differ by the same amounts in every column.",
        what.join(" and "),
        grid.first,
        grid.second,
        plural(cells.trials, "trial"),
    );
    if cells.left_aside > 0 {
        let (noun, verb) = if cells.left_aside == 1 { ("trial", "is") } else { ("trials", "are") };
        caption.push_str(&format!(
            " So that cells compare, all average over the settings that every measured cell has; {} finished {noun} with \
             others {verb} left aside.",
            cells.left_aside
        ));
    }
    if cells.uneven {
        caption.push_str(
            " No setting of the rest is common to all cells, so they average over different ones, and differ for that \
             reason, too.",
        );
    }
    if cells.missing {
        caption.push_str(" Hatched: no finished trial.");
    }
    caption
}

/// A part of a file name.
fn slug(axis: &str) -> String {
    axis.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}
