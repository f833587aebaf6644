//! fovea-datasets
