//! Exit codes. The main type is [`Exit`].

use std::process::ExitCode;

/// Shown under `fovea --help`.
pub(crate) const TABLE: &str = "\
Exit codes:
  0  everything asked for is done (or pruned, where run.prune asks for that)
  1  at least one trial failed or diverged, or a plugin does not keep its promises
  2  the command line or the experiment is wrong (nothing was run)
  3  a file or folder cannot be used, or the run is in use by another process
  4  the device cannot be used
  5  interrupted by a signal; the same command goes on
  6  a check found a result that is not what its record says: it was changed, or comes out otherwise than within the
     tolerance";

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for is done.
    Success,
    /// At least one trial failed or diverged.
    TrialsFailed,
    /// The command line or the experiment is wrong.
    Usage,
    /// A file or folder cannot be used.
    Files,
    /// The device cannot be used.
    Device,
    /// Interrupted by a signal.
    Interrupted,
    /// A check found a result that is not what its record says.
    NotReproduced,
}

impl Exit {
    /// The number of the table.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::TrialsFailed => 1,
            Self::Usage => 2,
            Self::Files => 3,
            Self::Device => 4,
            Self::Interrupted => 5,
            Self::NotReproduced => 6,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
