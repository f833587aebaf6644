//! What another program prints, in bounded time and memory. The main function is [`output`].

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What a program printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// BLAKE3 of all of it.
    pub(crate) blake3: String,
    /// Its number of bytes.
    pub(crate) len: u64,
    /// The first bytes, as many as were asked for.
    pub(crate) bytes: Vec<u8>,
}

impl Output {
    /// All that was printed; `None` when that is more than was asked for.
    pub(crate) fn all(&self) -> Option<&[u8]> {
        (self.bytes.len() as u64 == self.len).then_some(&self.bytes)
    }
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoOutput {
    /// The program is not there, or it failed.
    Failed,
    /// It took too long and was ended.
    Late,
}

/// Runs a program to its end; `most` is how many bytes are kept.
pub(crate) fn output(command: &mut Command, limit: Duration, most: usize) -> Result<Output, NoOutput> {
    let started = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|_| NoOutput::Failed)?;
    let mut stdout = child.stdout.take().expect("a pipe was asked for");
    let (sender, receiver) = mpsc::channel();
    // A thread of its own, as reading a pipe knows no time limit; it ends with the program.
    std::thread::spawn(move || {
        let (mut hasher, mut kept, mut len) = (blake3::Hasher::new(), Vec::new(), 0);
        let mut buffer = vec![0; 1 << 16];
        let whole = loop {
            match stdout.read(&mut buffer) {
                Ok(0) => break true,
                Ok(read) => {
                    hasher.update(&buffer[..read]);
                    len += read as u64;
                    let room = most - kept.len();
                    kept.extend_from_slice(&buffer[..read.min(room)]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        let blake3 = hasher.finalize().to_hex().to_string();
        let _ = sender.send(whole.then_some(Output { blake3, len, bytes: kept }));
    });
    let printed = receiver.recv_timeout(limit);
    // Its stdout is closed, so it is about to end; who closes that and goes on is late, too.
    while printed.is_ok() && started.elapsed() < limit {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Ok(Some(status)) if status.success() => {
                return printed.ok().flatten().ok_or(NoOutput::Failed);
            }
            Ok(Some(_)) | Err(_) => return Err(NoOutput::Failed),
        }
    }
    drop(child.kill());
    drop(child.wait());
    Err(NoOutput::Late)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, most: usize) -> Result<Output, NoOutput> {
        output(Command::new("sh").args(["-c", script]), Duration::from_millis(400), most)
    }

    #[test]
    fn what_is_printed_is_hashed_and_kept_while_it_is_short() {
        let short = shell("printf abc", 3).unwrap();
        assert_eq!((short.all(), short.len), (Some(&b"abc"[..]), 3));
        assert_eq!(short.blake3, blake3::hash(b"abc").to_hex().to_string());
        let long = shell("printf abc", 2).unwrap();
        assert_eq!(long.blake3, short.blake3);
        assert_eq!((long.all(), &long.bytes[..], long.len), (None, &b"ab"[..], 3));
    }

    #[test]
    fn who_fails_or_is_late_prints_nothing() {
        assert_eq!(shell("echo a; exit 1", 9).unwrap_err(), NoOutput::Failed);
        assert_eq!(shell("exec sleep 30", 9).unwrap_err(), NoOutput::Late);
        assert_eq!(shell("exec >&-; exec sleep 30", 9).unwrap_err(), NoOutput::Late);
        let absent = output(&mut Command::new("/no/such/program"), Duration::from_secs(1), 9);
        assert_eq!(absent.unwrap_err(), NoOutput::Failed);
    }
}
