//! Holm's correction. The main function is [`adjust`].

/// Adjusts p-values of one family of comparisons so that rejecting those below 0.05 rejects a true hypothesis in at
/// most 5 % of families (Holm, "A simple sequentially rejective multiple test procedure", 1979). What has no p-value
/// gets none and does not count.
#[must_use]
pub fn adjust(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(f64, usize)> =
        p_values.iter().enumerate().filter_map(|(place, p)| p.map(|p| (p, place))).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut adjusted = vec![None; p_values.len()];
    let mut most = 0.0_f64;
    for (rank, (p, place)) in order.iter().enumerate() {
        most = most.max((order.len() - rank) as f64 * p).min(1.0);
        adjusted[*place] = Some(most);
    }
    adjusted
}
