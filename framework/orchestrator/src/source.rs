//! The state of the git work tree that a run was started in. The main function is `state`.

use crate::output::{NoOutput, Output, output};
use fovea_records::provenance::{PATCHES, SourceState};
use fovea_records::{RunStore, StoreError, store};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What git may take for an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Largest difference that is kept, in bytes.
const LARGEST_PATCH: usize = 32 << 20;

/// Files unknown to git that are listed.
const LISTED: usize = 100;

/// Bytes of git's list of them that are read.
const LARGEST_LIST: usize = 16 << 20;

/// The state of the work tree, and what the user should know of it.
type Found = (Option<SourceState>, Option<String>);

/// A work tree that git is asked about.
struct WorkTree<'a> {
    root: PathBuf,
    /// Folders whose files are no changes of the source: what runs leave.
    left_out: Vec<&'a Path>,
}

impl WorkTree<'_> {
    /// Asks git; what is left out is no part of the answer.
    fn ask(&self, arguments: &[&str], most: usize) -> Result<Output, NoOutput> {
        let mut command = git(&self.root);
        command.args(arguments).args(["--", "."]);
        let within = self.left_out.iter().filter_map(|dir| {
            let dir = dir.canonicalize().ok()?;
            let within = dir.strip_prefix(&self.root).ok()?;
            (within != Path::new("")).then(|| within.to_owned())
        });
        for dir in within {
            let mut pathspec = std::ffi::OsString::from(":(top,exclude,literal)");
            pathspec.push(dir);
            command.arg(pathspec);
        }
        output(&mut command, LIMIT, most)
    }

    /// Files that git does not know and is not told to ignore.
    fn untracked(&self) -> Result<Vec<String>, NoOutput> {
        let listed = self.ask(&["ls-files", "--others", "--exclude-standard", "-z"], LARGEST_LIST)?;
        let mut runs = BTreeMap::new();
        let mut names =
            listed.bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect::<Vec<_>>();
        // What is behind the last separator is nothing, or a name cut short.
        names.pop();
        let ours = |name: &str, runs: &mut BTreeMap<PathBuf, bool>| {
            let above = Path::new(name).ancestors().skip(1);
            above
                .map(|dir| self.root.join(dir))
                .any(|dir| *runs.entry(dir).or_insert_with_key(|dir| is_run(dir)))
        };
        Ok(names.iter().filter(|name| !ours(name, &mut runs)).take(LISTED).map(ToString::to_string).collect())
    }
}

/// Whether a folder is the directory of some run.
fn is_run(dir: &Path) -> bool {
    ["plan.json", "journal.jsonl"].iter().all(|file| dir.join(file).is_file())
}

fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    // Looking must change nothing: git would write what it learns into the index.
    command.arg("-C").arg(dir).env("GIT_OPTIONAL_LOCKS", "0");
    command
}

/// The commit that is checked out where `dir` is, with `-dirty` behind it where files that git knows were changed;
/// `None` where git knows of none.
#[must_use]
pub fn commit(dir: &Path) -> Option<String> {
    let arguments = ["describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"];
    let told = output(git(dir).args(arguments), LIMIT, 1 << 10).ok()?;
    let commit = String::from_utf8_lossy(&told.bytes).trim().to_owned();
    Some(commit).filter(|commit| !commit.is_empty())
}

/// The work tree that `dir` is in, if it is in one and git is there, with what the user should know of it. Its difference
/// to its commit is kept in the run directory. What is in `left_out` does not count.
///
/// # Errors
/// When the difference cannot be written.
pub(crate) fn state(dir: &Path, run: &RunStore, left_out: &[&Path]) -> Result<Found, StoreError> {
    state_within(dir, run, left_out, LARGEST_PATCH)
}

/// As [`state`]; the difference is kept if it has no more bytes than `largest`.
fn state_within(dir: &Path, run: &RunStore, left_out: &[&Path], largest: usize) -> Result<Found, StoreError> {
    let unknown = |why: NoOutput| match why {
        NoOutput::Failed => Ok((None, None)),
        NoOutput::Late => {
            let message =
                "git did not answer within 10 s: the commit and what was changed since are not recorded";
            Ok((None, Some(message.to_owned())))
        }
    };
    let head = match output(git(dir).args(["rev-parse", "--show-toplevel", "HEAD"]), LIMIT, 1 << 16) {
        Ok(head) => String::from_utf8_lossy(&head.bytes).into_owned(),
        Err(why) => return unknown(why),
    };
    let Some((root, commit)) = head.trim_end().rsplit_once('\n') else { return Ok((None, None)) };
    let tree = WorkTree { root: root.into(), left_out: left_out.to_vec() };
    // The user's settings must not change the bytes.
    let difference = [
        "-c",
        "core.quotePath=true",
        "diff",
        "HEAD",
        "--binary",
        "--full-index",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
        "--no-relative",
        "--unified=3",
        "--src-prefix=a/",
        "--dst-prefix=b/",
    ];
    let (patch, untracked) = match (tree.ask(&difference, largest), tree.untracked()) {
        (Ok(patch), Ok(untracked)) => (patch, untracked),
        // Half an answer would say that there are no changes.
        (Err(why), _) | (_, Err(why)) => return unknown(why),
    };
    let mut warning = None;
    if let Some(bytes) = patch.all().filter(|bytes| !bytes.is_empty()) {
        store::write_new(&run.root().join(PATCHES).join(format!("{}.patch", patch.blake3)), bytes)?;
    } else if patch.len > 0 {
        warning = Some(format!(
            "what was changed in {root} since its commit is {:.1} MiB and not kept, only its hash is; once it is \
             committed, the trials' records say from which source they came",
            patch.len as f64 / 1_048_576.0
        ));
    }
    let state = SourceState {
        root: root.to_owned(),
        commit: commit.to_owned(),
        patch: (patch.len > 0).then_some(patch.blake3),
        untracked,
    };
    Ok((Some(state), warning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn run(dir: &Path, arguments: &[&str]) {
        let settings = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];
        let status = Command::new("git").arg("-C").arg(dir).args(settings).args(arguments).output().unwrap();
        assert!(status.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&status.stderr));
    }

    #[test]
    fn commit_difference_and_unknown_files_are_told_and_runs_are_none_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let of = |left_out: &[&Path]| {
            state(&root.join("sub"), &RunStore::new(root.join("runs/a")), left_out).unwrap()
        };
        fs::create_dir_all(root.join("sub")).unwrap();
        assert_eq!(of(&[]), (None, None), "no repository");
        run(&root, &["init", "-q"]);
        assert_eq!(of(&[]), (None, None), "no commit");
        fs::write(root.join("kept.txt"), "a\n").unwrap();
        fs::write(root.join(".gitignore"), "ignored\n").unwrap();
        run(&root, &["add", "."]);
        run(&root, &["commit", "-qm", "x"]);
        let (clean, warning) = of(&[]);
        let clean = clean.unwrap();
        assert_eq!((clean.patch.as_ref(), clean.untracked.len(), warning), (None, 0, None));
        assert_eq!((clean.commit.len(), Path::new(&clean.root)), (40, root.as_path()));

        fs::write(root.join("kept.txt"), "b\n").unwrap();
        fs::write(root.join("staged.bin"), [0, 159, 146, 150]).unwrap();
        run(&root, &["add", "staged.bin"]);
        for file in ["new.txt", "sub/new.txt", "ignored", "cache/box", "runs/a/plan.json"] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "x").unwrap();
        }
        // Another run, which nobody named.
        for file in ["plan.json", "journal.jsonl", "trials/1/x"] {
            fs::create_dir_all(root.join("runs/b/trials/1")).unwrap();
            fs::write(root.join("runs/b").join(file), "x").unwrap();
        }
        let (dirty, _) = of(&[&root.join("runs/a"), &root.join("cache"), Path::new("/elsewhere")]);
        let dirty = dirty.unwrap();
        assert_eq!(dirty.untracked, ["new.txt", "sub/new.txt"]);
        let hash = dirty.patch.unwrap();
        let kept = fs::read(root.join("runs/a").join(PATCHES).join(format!("{hash}.patch"))).unwrap();
        assert_eq!(blake3::hash(&kept).to_hex().to_string(), hash);
        let (large, warning) = state_within(&root, &RunStore::new(root.join("runs/c")), &[], 10).unwrap();
        assert_eq!(large.unwrap().patch.as_ref(), Some(&hash), "it is hashed whole");
        assert!(!root.join("runs/c").exists() && warning.unwrap().contains("0.0 MiB and not kept"));
        run(&root, &["reset", "-q", "--hard"]);
        fs::write(root.join("again.patch"), kept).unwrap();
        run(&root, &["apply", "again.patch"]);
        assert_eq!(fs::read_to_string(root.join("kept.txt")).unwrap(), "b\n");
        assert_eq!(fs::read(root.join("staged.bin")).unwrap(), [0, 159, 146, 150]);
    }
}
