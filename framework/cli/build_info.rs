//! What this program is built from. The main function is [`program`].

use fovea_records::provenance::Program;

/// This program; its hash is for whoever reads the file.
pub(crate) fn program() -> Program {
    Program {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        blake3: String::new(),
        cargo_lock: env!("BUILD_OF_FOVEA_LOCK").to_owned(),
        compiler: env!("BUILD_OF_FOVEA_COMPILER").to_owned(),
        target: env!("BUILD_OF_FOVEA_TARGET").to_owned(),
        features: env!("BUILD_OF_FOVEA_FEATURES").to_owned(),
    }
}
