//! The points that `[[exclude]]` leaves out, as `fovea plan` shows them.

use fovea_plan::{Excluded, Plan};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One line for each rule with the number of points it leaves out, and with `all` one for each of them; nothing where
/// nothing is left out.
pub(crate) fn listing(plan: &Plan, all: bool) -> String {
    let mut rules: Vec<Vec<&Excluded>> = Vec::new();
    for point in &plan.excluded {
        match rules.iter_mut().find(|points| points[0].rule == point.rule) {
            Some(points) => points.push(point),
            None => rules.push(vec![point]),
        }
    }
    let mut text = String::new();
    for points in &rules {
        let _ = writeln!(text, "{} excluded by {}: {}", points.len(), points[0].rule, points[0].reason);
        for point in points.iter().filter(|_| all) {
            let _ = writeln!(text, "  {}, seed {}", point.variant, point.seed);
        }
    }
    text
}

/// Every such point, for programs.
pub(crate) fn json(plan: &Plan) -> Vec<Value> {
    let points = plan.excluded.iter().map(|point| {
        json!({
            "variant": point.variant, "seed": point.seed, "reason": point.reason, "rule": point.rule.to_string(),
        })
    });
    points.collect()
}
