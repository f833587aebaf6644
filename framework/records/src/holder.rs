//! Who holds a run. The main function is [`holder`].

use crate::{RunStore, StoreError};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io::ErrorKind;

/// The process id, as it wrote it, of the `fovea run` that holds the run; `None` when nobody does.
///
/// The kernel is asked, so a process that was killed holds nothing. Asking takes a shared lock for a moment.
///
/// # Errors
/// When the lock's file exists and cannot be read.
pub fn holder(store: &RunStore) -> Result<Option<String>, StoreError> {
    let path = store.root().join("lock");
    let failed = |source| StoreError::Io { action: "read", path: path.clone(), source };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(_) => fs::read_to_string(&path).map(|pid| Some(pid.trim().to_owned())).map_err(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_known_while_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let store = RunStore::new(dir.path());
        assert_eq!(holder(&store).unwrap(), None);
        let lock = store.lock().unwrap();
        assert_eq!(holder(&store).unwrap(), Some(std::process::id().to_string()));
        drop(lock);
        assert_eq!(holder(&store).unwrap(), None);
        store.lock().unwrap();
    }
}
