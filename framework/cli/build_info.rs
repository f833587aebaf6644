//! What this program is built from. The main function is [`program`].

use fovea_records::provenance::Program;

/// This program; its hash is for whoever reads the file.
pub(crate) fn program() -> Program {
    Program {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        blake3: String::new(),
        cargo_lock: env!("FOVEA_BUILD_LOCK").to_owned(),
        compiler: env!("FOVEA_BUILD_COMPILER").to_owned(),
        target: env!("FOVEA_BUILD_TARGET").to_owned(),
        features: env!("FOVEA_BUILD_FEATURES").to_owned(),
    }
}
