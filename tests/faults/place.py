"""A folder with a small experiment: running it, and comparing what it left with what it should have left."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

# Two trials that share a warm-up, in half a second; nothing is waited for between attempts.
EXPERIMENT = """
name = "sweep"
device = "cpu"

[run]
# Whole paths, by which calls are told apart from those on other files.
dir = "ROOT/runs/sweep"
cache = "ROOT/runs/.cache"
retry_delay = 0

[dataset]
name = "scenes"
size = 32
train = 32
test = 16

[input]
size = 32

[model]
name = "resnet-tiny"
stem_width = 4
widths = [4, 4, 8, 8]

[training]
epochs = 2
warmup_epochs = 1
batch_size = 16

[evaluation]
gaussian = [60]
draws = 1
gallery = 2

[axes]
"loss.name" = ["none", "ria"]
"""

# Tables with wall-clock times.
TIMED = {"trials.csv", "trials.parquet", "compute.csv", "compute.parquet"}
# What equal trials have in common, bit for bit.
COMMON = ["metrics.jsonl", "predictions.jsonl", "trace.jsonl", "checkpoint/model.safetensors"]
# There once for every attempt.
LOGS = re.compile(r"/worker\.\d+\.log$")
# Words in the name of what is to be renamed or removed.
TEMPORARY = (".tmp", ".part", ".partial", ".removing", ".old")


class Place:
    """A working directory with the experiment in it."""

    def __init__(self, root, fovea):
        self.root = pathlib.Path(root)
        self.fovea = fovea
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        (self.root / "sweep.toml").write_text(EXPERIMENT.replace("ROOT", str(self.root)))
        self.environment = dict(
            os.environ,
            FOVEA_CACHE_HOME=str(self.root / "remembered"),
            XDG_DATA_HOME=str(self.root / "data-home"),
            RAYON_NUM_THREADS="2",
        )

    @property
    def run_directory(self):
        return self.root / "runs/sweep"

    def command(self, before=(), arguments=("run", "sweep.toml", "--quiet"), limit=60):
        """Runs fovea to its end, behind other words; None for the exit code means that it did not end."""
        words = [*before, self.fovea, *arguments]
        try:
            done = subprocess.run(
                words, cwd=self.root, env=self.environment, capture_output=True, timeout=limit
            )
        except subprocess.TimeoutExpired as late:
            return None, (late.stderr or b"").decode(errors="replace")
        return done.returncode, done.stderr.decode(errors="replace")

    def results(self):
        """Hashes of everything that does not depend on the time, by path within the run directory; of the rest, only
        that it is there."""
        run, found = self.run_directory, {}
        for path in run.rglob("*"):
            if path.is_file() and not LOGS.search(str(path)):
                found[str(path.relative_to(run))] = "there"
        for trial in sorted((run / "trials").iterdir()):
            for name in COMMON:
                file = trial / name
                found[str(file.relative_to(run))] = sha256(file) if file.exists() else "missing"
        for table in sorted((run / "tables").iterdir()):
            if table.name not in TIMED and not table.name.startswith("."):
                found[str(table.relative_to(run))] = sha256(table)
        return found

    def trained(self):
        """Hashes of what trials came to, of those that are done."""
        return {
            f"trials/{trial}/{name}": sha256(file) if file.exists() else "missing"
            for trial in self.finished()
            for name in COMMON
            for file in [self.run_directory / "trials" / trial / name]
        }

    def files(self):
        """Every file and folder of runs and caches, by path."""
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*")}

    def leftovers(self):
        """What somebody meant to rename or remove and did not live to."""
        return sorted(path for path in self.files() if any(word in path for word in TEMPORARY))

    def age_cache(self, seconds=7200):
        """Has what lies in the cache look old: of what is young, another run may still be the writer."""
        for path in (self.root / "runs/.cache").rglob("*"):
            then = path.stat().st_mtime - seconds
            os.utime(path, (then, then))

    def finished(self):
        """Trials that are marked as done."""
        return [path.parent.name for path in self.run_directory.glob("trials/*/DONE.json")]


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def problems_of(place, reference, may_leave):
    """What is wrong with a place after the same command was given again undisturbed, in words."""
    found = []
    place.age_cache()
    code, said = place.command()
    if code != 0:
        return [f"the same command again ended with {code}: {last_lines(said)}"]
    results = place.results()
    for name in sorted(set(reference) | set(results)):
        if name not in reference:
            found += [] if may_leave else [f"left behind: {name}"]
        elif reference[name] != results.get(name):
            found.append(f"{name} is not what it is without the fault")
    code, said = place.command(arguments=["verify", "runs/sweep", "--no-rerun"])
    if code != 0:
        found.append(f"verify --no-rerun ended with {code}: {last_lines(said)}")
    for arguments in (["ls", "runs/sweep"], ["status", "runs/sweep"]):
        code, said = place.command(arguments=arguments)
        if code != 0:
            found.append(f"{' '.join(arguments)} ended with {code}: {last_lines(said)}")
    if not may_leave:
        found += [f"left behind: {path}" for path in place.leftovers()]
    return found


def last_lines(text, count=4):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return " / ".join(lines[-count:])


def done_hashes_hold(place):
    """Whether every trial that is marked as done has the files that its mark names."""
    for mark in place.run_directory.glob("trials/*/DONE.json"):
        try:
            artefacts = json.loads(mark.read_bytes())["artefacts"]
        except (ValueError, KeyError):
            return f"{mark} cannot be read"
        for name in artefacts:
            if not (mark.parent / name).exists():
                return f"{mark} names {name}, which is not there"
    return None
