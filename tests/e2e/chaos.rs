//! Processes that are killed at moments nobody chose: the results are those of a run that nobody disturbed.

use crate::harness::{SMALL, Workspace, processes, results, signal};
use rustix::process::Signal;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Six trials in two shared stages, on two workers: about two seconds.
const SWEEP: &str = "\n[run]\nworkers = 2\nthreads = 1\nretry_delay = 0.05\n[axes]\nloss = [\"none\", \"iou\", \"ria\"]\nseed = [0, 1]\n";
const LONGER: [&str; 3] = ["training.epochs=6", "training.warmup_epochs=2", "dataset.train=128"];

/// Disturbances of a round before it may run to its end.
const DISTURBANCES: usize = 6;

/// `SplitMix64`: all that has to be random here is the moments.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Kills the run, some of its workers, or both; says what, and whether the run was among them.
fn disturb(workspace: &Workspace, run: &mut Child, moments: &mut Moments) -> (String, bool) {
    let workers: Vec<u32> = processes(workspace).into_iter().filter(|pid| *pid != run.id()).collect();
    let one = moments.below(workers.len() as u64) as usize;
    let one = workers.get(one..=one).unwrap_or_default();
    let (run_first, run_last, victims) = match moments.below(6) {
        0 | 1 => (true, false, &[][..]),
        2 => (false, false, one),
        3 => (false, false, &workers[..]),
        4 => (false, true, one),
        _ => (true, false, &workers[..]),
    };
    if run_first {
        run.kill().unwrap();
    }
    victims.iter().for_each(|pid| signal(*pid, Signal::KILL));
    if run_last {
        run.kill().unwrap();
    }
    let is_killed = run_first || run_last;
    let the_run = if is_killed { "the run and " } else { "" };
    (format!("killed {the_run}{} of {} workers", victims.len(), workers.len()), is_killed)
}

/// `CHAOS_ROUNDS` and `CHAOS_SEED` set how many rounds there are, and repeat the moments of one.
#[test]
fn a_sweep_killed_at_random_moments_ends_with_the_tables_of_one_that_was_not() {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let first = number("CHAOS_SEED").unwrap_or(clock % 1_000_000);
    let rounds = number("CHAOS_ROUNDS").unwrap_or(3);
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}{SWEEP}"));
    let started = Instant::now();
    workspace.fovea(&[&["run", "small.toml", "run.dir=runs/whole"][..], &LONGER].concat()).ok();
    let whole = started.elapsed();
    let expected = results(&workspace.run("whole"));
    assert!(expected.len() > 16, "{:?}", expected.keys());

    for seed in first..first + rounds {
        let mut moments = Moments(seed);
        let name = format!("seed-{seed}");
        let dir = format!("run.dir=runs/{name}");
        let start = || {
            let mut command = workspace.command(&[&["run", "small.toml", &dir][..], &LONGER].concat());
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let mut story = format!("CHAOS_SEED={seed} CHAOS_ROUNDS=1, {whole:?} when undisturbed\n");
        let mut left = DISTURBANCES;
        loop {
            let mut run = start();
            let before = left;
            while left > 0 {
                // Every other time soon after what came before: a start, or a worker's death.
                let end = if moments.below(2) == 0 { whole / 2 } else { whole / 20 };
                let wait = Duration::from_micros(moments.below(end.as_micros() as u64));
                std::thread::sleep(wait);
                if run.try_wait().unwrap().is_some() {
                    break;
                }
                left -= 1;
                let (what, is_killed) = disturb(&workspace, &mut run, &mut moments);
                story += &format!("after {wait:?}: {what}\n");
                if is_killed {
                    break;
                }
            }
            let output = run.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            story += &format!("ended: {}\n{said}", output.status);
            assert!(!said.contains("panicked"), "{story}");
            match output.status.code() {
                Some(0) => break,
                // Both attempts at a trial were killed; or the run itself was.
                Some(1) | None if left < before => {}
                _ => panic!("{story}"),
            }
        }
        let got = results(&workspace.run(&name));
        let names = |of: &std::collections::BTreeMap<String, Vec<u8>>| of.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&got), names(&expected), "{story}");
        for (file, bytes) in &expected {
            assert!(got[file] == *bytes, "{file} differs: {story}");
        }
        eprintln!("{story}");
    }
}
