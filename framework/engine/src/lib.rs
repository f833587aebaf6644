//! fovea-engine
