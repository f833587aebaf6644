//! fovea-models
