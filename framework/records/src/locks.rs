//! The kernel's locks on files, and file systems that have none.

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::io;

/// Takes a lock without waiting; `false`: another process has it.
pub(crate) fn take(file: &File, how: FlockOperation) -> io::Result<bool> {
    match flock(file, how) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(told(error.into())),
    }
}

/// The error of a lock that could not be taken, with what is to be done where the file system has no locks.
pub(crate) fn told(error: io::Error) -> io::Error {
    let without = [Errno::NOLCK, Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS];
    match error.raw_os_error() {
        Some(code) if without.iter().any(|errno| errno.raw_os_error() == code) => io::Error::other(format!(
            "locks are not supported on this file system ({error}); mount it with locks, or give the run a directory \
             on another one with run.dir=DIR"
        )),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_locks_is_told_apart_from_a_held_lock() {
        for errno in [Errno::NOLCK, Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS] {
            let text = told(errno.into()).to_string();
            assert!(
                text.starts_with("locks are not supported on this file system (")
                    && text.contains("run.dir=DIR")
            );
        }
        assert_eq!(told(Errno::IO.into()).raw_os_error(), Some(Errno::IO.raw_os_error()));
        let folder = tempfile::tempdir().unwrap();
        let open = || File::create(folder.path().join("lock")).unwrap();
        let (mine, other) = (open(), open());
        assert!(take(&mine, FlockOperation::NonBlockingLockExclusive).unwrap());
        assert!(!take(&other, FlockOperation::NonBlockingLockExclusive).unwrap());
    }
}
