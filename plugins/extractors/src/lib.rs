//! fovea-extractors
