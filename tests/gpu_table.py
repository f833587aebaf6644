#!/usr/bin/env python3
"""What tests/gpu.sh measured: keeps it, says what there is, and makes tests/gpu-results.md of it. Standard library only.

    python3 tests/gpu_table.py add KEY RESULTS [--samples FILE] [--seconds S] [KEY=VALUE ...] < lines of JSON
    python3 tests/gpu_table.py has KEY FOLDER ...       exit status 0 if a file there has it
    python3 tests/gpu_table.py table FOLDER > tests/gpu-results.md
    python3 tests/gpu_table.py profile LOG              the kernels of a log of CubeCL's profiling that take longest

A record is one JSON object a line: key (`step/fovea/resnet18/64/224/bf16`), the numbers, and where they come from.
"""

import collections
import json
import pathlib
import re
import statistics
import sys


def records(folders):
    """Every record; of one key the latest file's."""
    found = {}
    for folder in folders:
        for path in sorted(pathlib.Path(folder).glob("*.jsonl"), key=lambda path: (path.stat().st_mtime, path.name)):
            for line in path.read_text().splitlines():
                record = json.loads(line)
                found[record["key"]] = record
    return found


def values_of(line):
    """Seconds by kind of step, from a line of `fovea bench step --json` or of the peer."""
    if "values" in line:
        return {line["what"]: line["values"]}
    return {"none": [line["ce_seconds"]], "ria": [line["ria_seconds"]]}


def busy(path, seconds):
    """Mean utilisation (per cent) and largest memory (MiB) while something was timed, from samples of nvidia-smi, four a second."""
    rows = [line.replace(",", " ").split() for line in pathlib.Path(path).read_text().splitlines()]
    rows = [(float(a), float(b)) for a, b in (row for row in rows if len(row) == 2) if a.replace(".", "").isdigit()]
    rows = rows[-max(1, round(seconds * 4)) :]
    return {"busy": statistics.mean(a for a, _ in rows), "memory": max(b for _, b in rows)} if rows else {}


def add(key, results, *rest):
    record, rest, samples = {"key": key}, list(rest), None
    while rest:
        word = rest.pop(0)
        if word == "--samples":
            samples = rest.pop(0)
        elif word == "--seconds":
            record["seconds"] = float(rest.pop(0))
        else:
            name, _, value = word.partition("=")
            record[name] = value
    lines = [json.loads(line) for line in sys.stdin if line.startswith("{")]
    kinds = {}
    for line in lines:
        kinds.update(values_of(line))
        record.update({name: line[name] for name in ("device", "version") if name in line})
    if kinds:
        record["values"] = kinds
        timed = sum(sum(values) for values in kinds.values())
        if samples:
            record.update(busy(samples, timed))
        if "seconds" in record:
            # Start, compilation, tuning and the rounds that do not count.
            record["before"] = record["seconds"] - timed
    with open(results, "a") as file:
        file.write(json.dumps(record) + "\n")
    print(json.dumps({name: value for name, value in record.items() if name != "values"}))
    for what, values in kinds.items():
        print(f"  {what}: {statistics.median(values):.4f} s")


def median(record, what):
    return statistics.median(record["values"][what]) if record and "values" in record else None


def cell(value, form="{:.0f}"):
    return "-" if value is None else form.format(value)


def divided(a, b):
    return a / b if a and b else None


def steps(found):
    """Rows of the table of steps: Fovea and PyTorch at each setting."""
    settings = sorted({tuple(key.split("/")[2:]) for key in found if key.startswith("step/")}, key=lambda s: (s[0], int(s[1]), int(s[2])))
    order = {"f32": 0, "tf32": 1, "bf16": 2}
    places = sorted({setting[:3] for setting in settings}, key=lambda s: (int(s[1]), s[0]))
    rows = []
    for place in places:
        for precision in sorted({s[3] for s in settings if s[:3] == place}, key=order.get):
            key = "/".join(place)
            ours = found.get(f"step/fovea/{key}/{precision}")
            theirs = found.get(f"step/pytorch/{key}/{precision}")
            note = ""
            if ours is None and precision == "f32":
                # Burn multiplies f32 in tf32 where that is faster.
                ours, note = found.get(f"step/fovea/{key}/tf32"), "*"
            model, batch, size = place
            row = [model, batch, size, precision + note]
            for what in ("none", "ria"):
                a, b = median(ours, what), median(theirs, what)
                row += [cell(divided(float(batch), a)), cell(divided(float(batch), b)), cell(divided(b, a), "{:.2f}")]
            row.append(cell(divided(median(ours, "ria"), median(ours, "none")), "{:.3f}"))
            row += [cell((ours or {}).get("busy")), cell(divided((ours or {}).get("memory"), 1024), "{:.1f}")]
            rows.append(row)
    return rows


def markdown(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def table(*folders):
    found = records(folders)
    devices = sorted({record["device"] for record in found.values() if record.get("device")} | {record["gpu"] for record in found.values() if record.get("gpu")})
    versions = sorted({record["version"] for record in found.values() if record.get("version")})
    parts = ["# Fovea on a GPU", "", f"By `tests/gpu.sh`, on: {', '.join(devices) or '-'}. Beside it: {', '.join(versions) or '-'}, cuDNN's autotuning on.", ""]
    rows = steps(found)
    if rows:
        header = ["model", "batch", "size", "precision", "CE img/s", "PyTorch", "ratio", "RIA img/s", "PyTorch", "ratio", "RIA/CE", "GPU busy %", "GB"]
        parts += ["## Steps", "", markdown(header, rows), "", "Medians; a ratio above 1: Fovea is faster. GPU busy: utilisation by nvidia-smi while Fovea's steps were timed; far below 100, the host is the first bottleneck. * Burn multiplies f32 on tf32 tensor cores where that is faster, so this is the number of tf32.", ""]
    kept = [(key, record) for key, record in sorted(found.items()) if key.startswith("kept/")]
    if kept:
        rows = [[key.removeprefix("kept/"), cell(record.get("before"), "{:.1f}"), record.get("database", "-")] for key, record in kept]
        parts += ["## Compiled and tuned kernels are kept", "", markdown(["process", "seconds before and between timed steps", "database, MB"], rows), ""]
    workers = sorted(((int(key.split("/")[1]), record) for key, record in found.items() if key.startswith("workers/")), key=lambda row: row[0])
    if workers:
        one = next((record["seconds"] for count, record in workers if count == 1), None)
        rows = [[str(count), cell(record["seconds"], "{:.1f}"), cell(divided(float(record.get("pictures", 0)), record["seconds"])), cell(divided(one, record["seconds"]), "{:.2f}")] for count, record in workers]
        parts += ["## Workers on one card", "", markdown(["workers", "seconds", "img/s", "speed-up"], rows), "", "Four trials of ResNet-18 with their evaluation.", ""]
    others = [(key, record) for key, record in sorted(found.items()) if key.startswith("sweep/")]
    if others:
        rows = [[key.removeprefix("sweep/"), cell(record.get("seconds"), "{:.1f}"), record.get("note", "-")] for key, record in others]
        parts += ["## Sweeps and agreement", "", markdown(["what", "seconds", "note"], rows), ""]
    print("\n".join(parts))


def profile(path):
    """Total time by kernel, of the second half of the log: the first compiles and tunes."""
    unit = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
    line = re.compile(r"^\| ([\d.]+)(ns|µs|ms|s)\s*\| (.+)$")
    found = [match.groups() for match in map(line.match, pathlib.Path(path).read_text(errors="replace").splitlines()) if match]
    found = found[len(found) // 2 :]
    total, count = collections.Counter(), collections.Counter()
    for number, of, name in found:
        name = name.strip()[:110]
        total[name] += float(number) * unit[of]
        count[name] += 1
    whole = sum(total.values())
    print(f"{len(found)} launches, {whole:.4f} s on the device")
    for name, seconds in total.most_common(25):
        print(f"{seconds / whole:6.1%} {seconds:9.4f} s {count[name]:6} x {name}")


def main():
    command, *rest = sys.argv[1:] or ["help"]
    if command == "has":
        sys.exit(0 if rest[0] in records(rest[1:]) else 1)
    if command not in ("add", "table", "profile"):
        sys.exit(__doc__)
    {"add": add, "table": table, "profile": profile}[command](*rest)


main()
