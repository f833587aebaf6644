"""System calls by strace: which a run makes, and having one of them fail or kill.

strace counts by thread. A point is therefore the K-th call of a name in any thread: the thread that comes to it first
is hit. Points of the driver are set with `-b execve`, which lets go of the workers that it starts.
"""

import collections
import dataclasses
import re

# Calls that change what lies on a disk.
CALLS = [
    "openat", "write", "writev", "pwrite64", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat",
    "rmdir", "fsync", "fdatasync", "ftruncate", "link", "linkat",
]  # fmt: skip
# Which of them a device answers with an error of its own.
FAILING = {
    "EIO": {"openat", "write", "fsync", "fdatasync", "rename", "ftruncate", "mkdir", "unlink", "unlinkat"},
    "ENOSPC": {"openat", "write", "fsync", "mkdir", "rename", "ftruncate"},
}
LINE = re.compile(r"^(?P<thread>\d+) +(?P<call>\w+)\((?P<rest>.*)$")
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT")


@dataclasses.dataclass(frozen=True)
class Point:
    """The K-th call of a name in a thread of the driver or of whoever comes first, and what happens there."""

    who: str
    call: str
    count: int
    kind: str

    def __str__(self):
        return f"{self.who}:{self.call}:{self.count}:{self.kind}"

    @classmethod
    def parse(cls, text):
        who, call, count, kind = text.split(":")
        return cls(who, call, int(count), kind)

    def strace(self, log):
        """The words that put strace in front of a command."""
        # `KIND+`: from then on every such call of the thread, as on a disk that stays full.
        lasting = "+" if self.kind.endswith("+") else ""
        kind = self.kind.rstrip("+")
        what = "signal=KILL" if kind == "kill" else f"error={kind}"
        only = ["-b", "execve"] if self.who == "driver" else []
        inject = f"inject={self.call}:{what}:when={self.count}{lasting}"
        return ["strace", "-f", *only, "-qq", "-y", "-o", str(log), "-e", f"trace={self.call}", "-e", inject]


def recording(log):
    """The words that record every call."""
    return ["strace", "-f", "-qq", "-y", "-s", "64", "-o", str(log), "-e", "trace=execve," + ",".join(CALLS)]


def points(log, root):
    """Where a recorded run touched something under `root`: for driver and worker, pairs of call and count."""
    workers, parents = set(), {}
    counts = collections.Counter()
    found = {"driver": set(), "worker": set()}
    roles = {}
    for line in log.read_text(errors="replace").splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        thread, call, rest = match["thread"], match["call"], match["rest"]
        if call == "execve":
            # The driver's own is the first; whoever executes later is one of its workers, or git and the like.
            roles[thread] = "worker" if '"worker"' in rest else "driver" if not roles else "other"
            continue
        counts[thread, call] += 1
        if str(root) not in rest or (call == "openat" and not WRITES.search(rest)):
            continue
        found["driver" if role(thread, roles) == "driver" else "worker"].add((call, counts[thread, call]))
    return {who: sorted(pairs) for who, pairs in found.items()}


def role(thread, roles):
    """Of a thread: that of the process with the largest id that is not above its own, as ids are given in order."""
    known = [int(process) for process in roles if int(process) <= int(thread)]
    return roles[str(max(known))] if known else "driver"


def hits(log):
    """The lines of the calls in which the fault came to pass."""
    text = log.read_text(errors="replace") if log.exists() else ""
    # A call without an answer is one that its process did not live to see; another may be told of in two lines.
    died = re.compile(r" = \?$|<unfinished \.\.\.>$")
    lines = text.splitlines()
    resumed = {line.split()[0] for line in lines if " resumed>" in line and not line.endswith(" = ?")}
    return [
        line
        for line in lines
        if "(INJECTED)" in line or (died.search(line) and line.split()[0] not in resumed)
    ]


def names_hit(log, root):
    """Names of the files that the calls were about, without what marks them as temporary; none where one of the calls
    was about something outside of `root`, as a pipe."""
    names = set()
    for line in hits(log):
        # Where it opens a file, the folder that it does so from comes first.
        paths = re.findall(re.escape(str(root)) + r"/[^\">]*", line)
        if not paths:
            return set()
        name = paths[0].rsplit("/", 1)[-1]
        names.add(re.sub(r"^\.|\.\d+(-\d+)?\.tmp$|\.tmp$", "", name))
    return names
