//! Tables for readers: Markdown and LaTeX.

use super::cells::{Cell, Table};
use crate::format::value;
use fovea_records::Unit;

/// A cell as both formats need it: mean, spread, whether it is bold, whether it is marked.
struct Written {
    mean: String,
    spread: Option<String>,
    bold: bool,
    marked: bool,
}

impl Written {
    fn of(unit: Unit, cell: &Cell) -> Option<Self> {
        let stats = cell.stats?;
        Some(Self {
            mean: value(unit, stats.mean),
            spread: stats.sd.map(|sd| value(unit, sd)),
            bold: cell.bold(),
            marked: cell.marked(),
        })
    }
}

impl Table {
    fn unit(column: &super::columns::Column) -> &'static str {
        match column.unit {
            Unit::Fraction => " (%)",
            Unit::PerSecond => " (1/s)",
            Unit::Seconds => " (s)",
            Unit::Number | Unit::Count | Unit::Bytes => "",
        }
    }

    /// How many trials are behind a row's numbers: the least and the most of its cells.
    fn behind(&self, row: usize) -> String {
        let sizes = || self.cells[row].iter().map(|c| c.stats.map_or(0, |s| s.n));
        match (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0)) {
            (least, most) if least == most => most.to_string(),
            (least, most) => format!("{least}-{most}"),
        }
    }

    /// Labels of a row; those that stand above already are left out.
    fn labels(&self, row: usize) -> Vec<String> {
        let own = &self.rows[row].labels;
        let before = row.checked_sub(1).map(|r| &self.rows[r].labels);
        let same = |end: usize| before.is_some_and(|b| b[..=end] == own[..=end]);
        own.iter()
            .enumerate()
            .map(|(i, l)| if i + 1 < own.len() && same(i) { String::new() } else { l.clone() })
            .collect()
    }
}

/// A table in GitHub's Markdown, with its notes below.
pub(super) fn markdown(table: &Table) -> String {
    let escape = |text: &str| {
        text.chars().fold(String::new(), |mut escaped, c| {
            if matches!(c, '|' | '*' | '_' | '`' | '<' | '>' | '\\' | '[' | ']') {
                escaped.push('\\');
            }
            escaped.push(c);
            escaped
        })
    };
    let mut headings: Vec<String> = table.headings.iter().map(|h| escape(h)).collect();
    headings.extend(
        table
            .columns
            .iter()
            .map(|c| format!("{}{}, {}", escape(&c.label), Table::unit(c), escape(&c.place(&table.columns)))),
    );
    headings.push("trials".to_owned());
    let mut lines: Vec<Vec<String>> = vec![headings];
    for row in 0..table.rows.len() {
        let mut line: Vec<String> = table.labels(row).iter().map(|l| escape(l)).collect();
        for (column, cell) in table.columns.iter().zip(&table.cells[row]) {
            line.push(Written::of(column.unit, cell).map_or("-".to_owned(), |w| {
                let text = match w.spread {
                    Some(spread) => format!("{} ± {spread}", w.mean),
                    None => w.mean,
                };
                let text = if w.bold { format!("**{text}**") } else { text };
                if w.marked { format!("{text} †") } else { text }
            }));
        }
        line.push(table.behind(row));
        lines.push(line);
    }
    let count = lines[0].len();
    let widths: Vec<usize> =
        (0..count).map(|c| lines.iter().map(|l| l[c].chars().count()).max().unwrap_or(0).max(3)).collect();
    let left = table.headings.len();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (place, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let space = " ".repeat(width - cell.chars().count());
            text += &if place < left { format!("| {cell}{space} ") } else { format!("| {space}{cell} ") };
        }
        text += "|\n";
        if number == 0 {
            for (place, &width) in widths.iter().enumerate() {
                text += &match place < left {
                    true => format!("|{}", "-".repeat(width + 2)),
                    false => format!("|{}:", "-".repeat(width + 1)),
                };
            }
            text += "|\n";
        }
    }
    text.push('\n');
    for note in &table.notes {
        text += &format!("{}  \n", escape(note));
    }
    text
}

/// A `table` environment with booktabs, its notes in the caption.
pub(super) fn latex(table: &Table) -> String {
    let mut text = format!("% {}\n% needs \\usepackage{{booktabs}}\n", table.command.replace('\n', " "));
    let name: String = table.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    text += "\\begin{table}\n  \\centering\n";
    text += &format!("  \\caption{{{}}}\n  \\label{{tab:{name}}}\n", escaped(&table.notes.join(" ")));
    let left = table.headings.len();
    text += &format!("  \\begin{{tabular}}{{{}{}}}\n", "l".repeat(left), "r".repeat(table.columns.len() + 1));
    text += "    \\toprule\n";
    let mut first: Vec<String> = table.headings.iter().map(|h| escaped(h)).collect();
    let mut second = vec![String::new(); left];
    // Columns of one metric share its heading.
    let mut rules = String::new();
    let mut at = left + 1;
    for group in table.columns.chunk_by(|a, b| a.metric == b.metric) {
        let label = escaped(&format!("{}{}", group[0].label, Table::unit(&group[0])));
        let end = at + group.len() - 1;
        first.push(match group.len() {
            1 => label,
            many => {
                rules += &format!("\\cmidrule(lr){{{at}-{end}}}");
                format!("\\multicolumn{{{many}}}{{c}}{{{label}}}")
            }
        });
        second.extend(group.iter().map(|c| escaped(&c.place(&table.columns))));
        at = end + 1;
    }
    first.push("trials".to_owned());
    second.push(String::new());
    text += &format!("    {} \\\\\n", first.join(" & "));
    if !rules.is_empty() {
        text += &format!("    {rules}\n");
    }
    text += &format!("    {} \\\\\n    \\midrule\n", second.join(" & "));
    for row in 0..table.rows.len() {
        if row > 0 && table.rows[row].block != table.rows[row - 1].block {
            text += "    \\addlinespace\n";
        }
        let mut line: Vec<String> = table.labels(row).iter().map(|l| escaped(l)).collect();
        for (column, cell) in table.columns.iter().zip(&table.cells[row]) {
            line.push(Written::of(column.unit, cell).map_or("--".to_owned(), |w| {
                let minus = |text: &str| match text.strip_prefix('-') {
                    Some(rest) => format!("$-${rest}"),
                    None => text.to_owned(),
                };
                let mut text = minus(&w.mean);
                if w.bold {
                    text = format!("\\textbf{{{text}}}");
                }
                if let Some(spread) = w.spread {
                    text += &format!(" $\\pm$ {spread}");
                }
                if w.marked {
                    text += "$^\\dagger$";
                }
                text
            }));
        }
        line.push(table.behind(row).replace('-', "--"));
        text += &format!("    {} \\\\\n", line.join(" & "));
    }
    text += "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n";
    text
}

/// Text as LaTeX shows it, with pdfTeX's fonts too.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            '\\' => out += "\\textbackslash{}",
            '<' => out += "$<$",
            '>' => out += "$>$",
            '|' => out += "$|$",
            '±' => out += "$\\pm$",
            '†' => out += "$^\\dagger$",
            '\u{2212}' => out += "$-$",
            '\u{2013}' => out += "--",
            '"' => out += "\\textquotedbl{}",
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latex_is_escaped() {
        assert_eq!(
            escaped(r"a_b & 5 % of {x} #1 $2 ~ ^ \ <y> ± †"),
            r"a\_b \& 5 \% of \{x\} \#1 \$2 \textasciitilde{} \textasciicircum{} \textbackslash{} $<$y$>$ $\pm$ $^\dagger$"
        );
    }
}
