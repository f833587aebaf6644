//! Where something may be written. The main functions are [`run_dir`], for a run, and [`out_file`], for a file that the
//! user names.
//!
//! Both are asked before any work is done: what is refused afterwards costs the work, and what is not refused costs the
//! user's own files.

use crate::event::JournalEntry;
use crate::store::{RunPlan, StoreError, io, read_json};
use crate::temporary;
use std::fs::{self, FileType};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// Bytes of a journal's first line that are looked at.
const LONGEST_LINE: u64 = 1 << 20;

/// Refuses a run directory that has other things in it: `.`, the user's home, a folder with a `report/` of their own.
///
/// A folder that is not there yet or is empty may become a run directory. One that is not empty is a run directory if its
/// `plan.json` is a plan of Fovea's, or, as that may be damaged, if its journal or a trial is there; so is one in which a
/// first start came no further than its lock.
///
/// # Errors
/// When the folder is none, cannot be read, or holds no run.
pub fn run_dir(root: &Path) -> Result<(), StoreError> {
    let taken = |what: &str| StoreError::Taken {
        path: root.to_owned(),
        why: format!("{what}; take a new or an empty directory for the run (run.dir=DIR)"),
    };
    match fs::metadata(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // A link that leads nowhere is not followed to make a folder at its end.
            return if root.is_symlink() { Err(taken("it is a link that leads nowhere")) } else { Ok(()) };
        }
        Err(error) => return Err(io("read", root)(error)),
        Ok(found) if !found.is_dir() => return Err(taken(&format!("it is {}", kind(found.file_type())))),
        Ok(_) => {}
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(root).map_err(io("read", root))? {
        names.push(entry.map_err(io("read", root))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    if holds_run(root) || begun(&names) {
        return Ok(());
    }
    let some = names.iter().take(3).cloned().collect::<Vec<_>>().join("`, `");
    let more = if names.len() > 3 { ", ..." } else { "" };
    Err(taken(&format!("it holds `{some}`{more} and no run of Fovea, whose files would go in between")))
}

/// Whether something in the folder is of a run.
#[must_use]
pub fn holds_run(root: &Path) -> bool {
    regular(&root.join("plan.json")) && read_json::<RunPlan>(&root.join("plan.json"), "plan").is_ok()
        || first_line(&root.join("journal.jsonl"))
            .is_some_and(|line| serde_json::from_str::<JournalEntry>(&line).is_ok())
        || fs::read_dir(root.join("trials")).is_ok_and(|trials| {
            trials.flatten().any(|trial| {
                trial.path().join("trial.toml").is_file() || trial.path().join("DONE.json").is_file()
            })
        })
}

/// Whether a run's first start came no further than this: nothing, or a lock and what is written before the plan is.
fn begun(names: &[String]) -> bool {
    let own = |name: &String| {
        name == "lock"
            || name.starts_with("lock-")
            || name == "experiment.toml"
            || name == ".cache"
            || temporary::is_one(name)
    };
    names.is_empty() || (names.iter().any(|name| name.starts_with("lock")) && names.iter().all(own))
}

/// A pipe would be waited for.
fn regular(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file())
}

fn first_line(path: &Path) -> Option<String> {
    let file = regular(path).then(|| fs::File::open(path).ok()).flatten()?;
    let mut line = String::new();
    BufReader::new(file).take(LONGEST_LINE).read_line(&mut line).ok()?;
    Some(line)
}

/// Refuses a file to be written that is something else than a plain file or not there yet: writing replaces a file as a
/// whole by renaming, and would put a plain file where a link, a device (`/dev/null`, `/dev/stdout`) or a pipe was.
///
/// # Errors
/// When it is a link, a folder, a device, a pipe or a socket, `-`, or lies in no folder.
pub fn out_file(path: &Path) -> Result<(), StoreError> {
    let taken = |why: String| StoreError::Taken { path: path.to_owned(), why };
    if path == Path::new("-") {
        return Err(taken("`-` is no name for a file here (`./-` is)".to_owned()));
    }
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(taken("it names a folder, and a file is to be written; add its name".to_owned()));
    }
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(found) if found.is_symlink() => {
            let target = fs::read_link(path).unwrap_or_else(|_| PathBuf::from("?"));
            let target = target.display();
            Err(taken(format!("it is a link (to {target}), which would be replaced; name another file")))
        }
        Ok(found) => {
            Err(taken(format!("it is {}, which would be replaced; name a file", kind(found.file_type()))))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            match path.ancestors().skip(1).find(|above| above.exists()) {
                Some(above) if !above.is_dir() => {
                    Err(taken(format!("{} is a file and no folder", above.display())))
                }
                _ => Ok(()),
            }
        }
        Err(error) => Err(io("write", path)(error)),
    }
}

/// Refuses a folder for output in which one of these files is something that [`out_file`] refuses.
///
/// # Errors
/// When the folder is none, or one of the files cannot be written.
pub fn out_folder(folder: &Path, files: &[&str]) -> Result<(), StoreError> {
    if let Ok(found) = fs::metadata(folder)
        && !found.is_dir()
    {
        let why = format!("it is {}, and a folder is to be written; name another", kind(found.file_type()));
        return Err(StoreError::Taken { path: folder.to_owned(), why });
    }
    files.iter().try_for_each(|file| out_file(&folder.join(file)))
}

/// What a path leads to, with its article.
fn kind(found: FileType) -> &'static str {
    if found.is_dir() {
        "a folder"
    } else if found.is_fifo() {
        "a pipe"
    } else if found.is_socket() {
        "a socket"
    } else if found.is_char_device() || found.is_block_device() {
        "a device"
    } else {
        "a file"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_folder_with_other_things_is_no_run_directory() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |root: &Path, word: &str| {
            let error = run_dir(root).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("run.dir=DIR"), "{error}");
        };
        let own = dir.path().join("own");
        for (file, text) in [("plan.json", "{\"my\": 1}"), ("report/index.html", "mine"), ("lock-pick", "")] {
            fs::create_dir_all(own.join(file).parent().unwrap()).unwrap();
            fs::write(own.join(file), text).unwrap();
            refused(&own, "no run of Fovea");
        }
        refused(&own.join("plan.json"), "it is a file");
        symlink(dir.path().join("nowhere"), dir.path().join("link")).unwrap();
        refused(&dir.path().join("link"), "leads nowhere");
    }

    #[test]
    fn new_empty_begun_and_damaged_runs_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("run");
        run_dir(&root).unwrap();
        fs::create_dir(&root).unwrap();
        run_dir(&root).unwrap();
        for begun in ["lock", "experiment.toml", ".plan.json.7.tmp", "lock-1-of-2"] {
            fs::write(root.join(begun), "").unwrap();
            run_dir(&root).unwrap();
        }
        fs::write(root.join("plan.json"), "{cut").unwrap();
        run_dir(&root).unwrap_err();
        fs::create_dir_all(root.join("trials/0123456789abcdef")).unwrap();
        fs::write(root.join("trials/0123456789abcdef/trial.toml"), "").unwrap();
        run_dir(&root).unwrap();
    }

    #[test]
    fn links_devices_pipes_and_folders_are_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        fs::write(place("file"), "x").unwrap();
        symlink(place("file"), place("link")).unwrap();
        fs::create_dir(place("folder")).unwrap();
        out_file(&place("file")).unwrap();
        out_file(&place("new/deep")).unwrap();
        let refused = |path: PathBuf, word: &str| {
            let error = out_file(&path).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        refused(place("link"), "it is a link");
        refused(place("folder"), "it is a folder");
        refused(place("new/"), "names a folder");
        refused(place("file/deep"), "is a file and no folder");
        refused("/dev/null".into(), "it is a device");
        refused("-".into(), "./-");
        assert!(out_folder(&place("file"), &[]).unwrap_err().to_string().contains("a folder is to be"));
        out_folder(&place("folder"), &["a"]).unwrap();
        symlink("nowhere", place("folder/a")).unwrap();
        out_folder(&place("folder"), &["a"]).unwrap_err();
    }
}
