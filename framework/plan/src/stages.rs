//! Prefixes of training that trials share. The main function is [`share`].

use crate::identity;
use crate::plan::{Stage, Trial};
use fovea_records::StageId;
use std::collections::HashMap;

/// Finds the prefixes that at least two trials share.
pub(crate) fn share(trials: &mut [Trial]) -> Vec<Stage> {
    let mut order: Vec<StageId> = Vec::new();
    let mut members: HashMap<StageId, Vec<usize>> = HashMap::new();
    for (index, trial) in trials.iter().enumerate() {
        if trial.config.training.warmup_epochs > 0 {
            let id = identity::stage_id(&trial.config);
            let trials = members.entry(id.clone()).or_default();
            if trials.is_empty() {
                order.push(id);
            }
            trials.push(index);
        }
    }
    let mut stages = Vec::new();
    for id in order {
        let shared = &members[&id];
        if shared.len() < 2 {
            continue;
        }
        for &index in shared {
            trials[index].stage = Some(id.clone());
        }
        let config = trials[shared[0]].config.clone();
        stages.push(Stage {
            id,
            epochs: config.training.warmup_epochs,
            trials: shared.iter().map(|&index| trials[index].id.clone()).collect(),
            config,
        });
    }
    stages
}
