//! fovea-reports
