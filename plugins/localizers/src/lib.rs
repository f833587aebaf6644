//! fovea-localizers
