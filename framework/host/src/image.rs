//! This program as something that can be started. The main function is [`own_image`].

use std::io;
use std::path::{Path, PathBuf};

/// The program that is running, to be started again as a child or to be hashed.
///
/// On Linux that is `/proc/self/exe`, which leads to what runs also where its file has been replaced or deleted since (a
/// build while a sweep goes on): children and records are then of the program that the sweep began with. Elsewhere it is
/// the path of the file.
///
/// # Errors
/// When nobody knows where the program lies.
pub fn own_image() -> io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() { Ok(running.to_owned()) } else { std::env::current_exe() }
}
