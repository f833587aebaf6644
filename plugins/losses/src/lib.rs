//! fovea-losses
