//! Prefixes of training that trials share. The main function is [`share`].

use crate::plan::{Stage, Trial};
use fovea_records::StageId;
use std::collections::HashMap;

/// Finds the prefixes that at least two trials share. `prefixes` has that of each trial, if it has one.
pub(crate) fn share(trials: &mut [Trial], prefixes: &[Option<StageId>]) -> Vec<Stage> {
    let mut order: Vec<&StageId> = Vec::new();
    let mut members: HashMap<&StageId, Vec<usize>> = HashMap::new();
    for (index, id) in prefixes.iter().enumerate() {
        if let Some(id) = id {
            let trials = members.entry(id).or_default();
            if trials.is_empty() {
                order.push(id);
            }
            trials.push(index);
        }
    }
    let mut stages = Vec::new();
    for id in order {
        let shared = &members[id];
        if shared.len() < 2 {
            continue;
        }
        for &index in shared {
            trials[index].stage = Some(id.clone());
        }
        let config = trials[shared[0]].config.clone();
        stages.push(Stage {
            id: id.clone(),
            epochs: config.training.warmup_epochs,
            trials: shared.iter().map(|&index| trials[index].id.clone()).collect(),
            config,
        });
    }
    stages
}
