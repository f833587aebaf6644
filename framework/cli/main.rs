//! The binary `fovea`: the library with its built-in plugins and no others.

use std::process::ExitCode;

fn main() -> ExitCode {
    fovea::App::new().main()
}
