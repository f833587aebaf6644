//! Removing so that what is removed is there whole or not at all. The main function is [`whole`].

use crate::store::{StoreError, io};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Removes a file or a folder with all that is in it; one that is not there is no mistake.
///
/// A folder is first renamed, to a name that nobody takes for anything but a leftover (`.NAME.PID.tmp`): whoever is killed
/// while its files go one by one leaves no half of it under its name.
///
/// # Errors
/// When it cannot be renamed or removed.
pub fn whole(path: &Path) -> Result<(), StoreError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("remove", path)(error)),
    };
    if !found.is_dir() {
        return absent(fs::remove_file(path)).map_err(io("remove", path));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.trim_start_matches('.');
    // Two of one name may go at the same time, and a leftover of an earlier process may have this one's id.
    let tomb = (0..).map(|n| path.with_file_name(format!(".{name}.{}-{n}.tmp", std::process::id())));
    let tomb = tomb.into_iter().find(|tomb| !tomb.exists()).unwrap_or_else(|| path.to_owned());
    match fs::rename(path, &tomb) {
        Ok(()) => absent(fs::remove_dir_all(&tomb)).map_err(io("remove", &tomb)),
        // Somebody else has just removed it.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io("remove", path)(error)),
    }
}

fn absent(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_folders_and_nothing_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, folder) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&file, "x").unwrap();
        fs::create_dir_all(folder.join("c")).unwrap();
        fs::write(folder.join("c/d"), "x").unwrap();
        // A link goes, what it leads to stays.
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&link, &folder, &folder] {
            whole(path).unwrap();
        }
        assert!(file.exists());
        whole(&file).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_an_earlier_process_left_is_not_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("epoch-00001");
        fs::create_dir(&folder).unwrap();
        let tomb = dir.path().join(format!(".epoch-00001.{}-0.tmp", std::process::id()));
        fs::create_dir(&tomb).unwrap();
        whole(&folder).unwrap();
        assert!(!folder.exists() && tomb.exists());
    }
}
