//! The C interface of Fovea's dynamic plugins ([`raw`], and `include/fovea_plugin.h` for other languages).

pub mod raw;
