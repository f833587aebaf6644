//! fovea-plan
