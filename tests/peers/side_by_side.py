#!/usr/bin/env python3
"""Fovea beside PyTorch: runs `fovea bench` and its peers in turn and prints one table.

    python3 tests/peers/side_by_side.py --fovea target/release/fovea --python /path/of/python/with/torch

Rounds of Fovea, then PyTorch, then PyTorch, then Fovea: what else the machine does meanwhile hits both. Every single time of
all rounds counts; a row says the medians, how fast Fovea is as a share of PyTorch (above 1: faster), and how far the quartiles
are apart, as a share of the median. The table comes on stdout and all that was measured into --json. Runs on the standard library
alone; the peers need torch, torchvision, scipy, numpy and Pillow.
"""

import argparse
import collections
import json
import os
import pathlib
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
Row = collections.namedtuple("Row", "kind name arguments peer repeats quick")
Row.__doc__ = "What is run: arguments of both programs (None: no peer), and repeats of a round, also with --quick."


def step(model, name, batch, size, repeats, quick, peer=True):
    arguments = ["--model", model, "--batch", batch, "--size", size]
    return Row("step", f"step, {name}, batch {batch}, {size}x{size}", arguments, arguments if peer else None, repeats, quick)


def rows(pictures, weights):
    """Every row; those of `data` read `pictures`, those of `localize` take the network in `weights`."""
    root, workers = ["--root", pictures], ["--size", 224, "--batch", 64, "--workers"]
    folder = ["--dataset", "folder", "--set", f"root={pictures}"]
    network = ["--model", "resnet18", "--size", 64, "--images", 100, "--levels", 7, "--draws", 1]
    boxes, found = ["--batch", 32, "--size", 224], ["--images", 32, "--size", 224]
    lost = ["--localizer", "lost", "--set"]
    return [
        step("resnet18", "ResNet-18", 32, 64, 10, 3),
        step("resnet18", "ResNet-18", 16, 224, 4, 1),
        step("resnet50", "ResNet-50", 16, 64, 6, 2),
        step("vgg16", "VGG16", 16, 64, 4, 1),
        step("resnet-tiny", "ResNet tiny", 32, 64, 20, 5, peer=False),
        *(Row("data", f"data, JPEG to 224x224, {n} worker{'s' * (n > 1)}", folder + workers + [n], root + workers + [n], 2, 1) for n in (1, 2)),
        Row("extract", "extract, 32 heatmaps of 224x224", boxes, boxes, 20, 5),
        Row("eval", "eval, ResNet-18, 64x64, 7 levels of noise", network, network, 3, 1),
        Row("localize", "localize, LOST with ViT-S/16, 224x224", lost + [f"weights={weights}"] + found, ["--weights", weights] + found, 3, 1),
        Row("localize", "localize, LOST with patch-stats, 224x224", lost + ["features=patch-stats"] + found, None, 3, 1),
        Row("startup", "start", [], None, 5, 1),
        Row("sweep", "sweep of four small trials", [], None, 1, 1),
    ]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fovea", default="target/release/fovea", help="the program")
    parser.add_argument("--python", default=sys.executable, help="Python of the peers; `none`: Fovea alone")
    parser.add_argument("--kinds", default="step,data,extract,eval,localize,startup,sweep", help="which rows, with commas")
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="CPU threads of both")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="of steps, extract, eval and localize")
    parser.add_argument("--rounds", type=int, help="how often both programs run [default: 4, with --quick 1]")
    parser.add_argument("--quick", action="store_true", help="a few repeats, to see that everything runs")
    parser.add_argument("--pictures", help="an own folder of pictures for `data`: DIR/train/CLASS/*.jpg")
    parser.add_argument("--json", default="side_by_side.json", help="where everything goes that was measured")
    return parser.parse_args()


def run(command, environment=None):
    """What a program prints; a failure ends everything, with its last words."""
    command = [str(word) for word in command]
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(environment or {})})
    if ran.returncode != 0:
        sys.exit(f"{shlex.join(command)}\nfailed ({ran.returncode}):\n{ran.stderr.strip()[-2000:]}")
    return ran.stdout


def draw(fovea, folder, quick):
    """Drawn pictures as JPEG files, in the layout that `folder` and torchvision's ImageFolder both read."""
    demo = folder / "demo"
    run([fovea, "data", "demo", demo, "--train", 60 if quick else 400, "--test", 1, "--size", 384])
    for file in sorted((demo / "train" / "ordinary").glob("*.JPEG")):
        if not file.stem.endswith("_merged_mask"):
            target = folder / "pictures" / "train" / file.name.split("_")[0]
            target.mkdir(parents=True, exist_ok=True)
            shutil.move(file, target / file.name)
    return folder / "pictures"


def commands(row, args):
    """The commands of both programs; no device where there is no choice."""
    repeats = ["--repeats", row.quick if args.quick else row.repeats, "--threads", args.threads]
    places = row.kind in ["step", "extract", "eval", "localize"]
    own = ["--device", "cuda:0" if args.device == "cuda" else "cpu"] if places else []
    fovea = [args.fovea, "bench", row.kind, *row.arguments, *repeats, *own]
    device = ["--device", args.device] if places else []
    peer = [args.python, HERE / f"{row.kind}.py", *(row.peer or []), *repeats, *device]
    return fovea, peer if row.peer is not None and args.python != "none" else None


def measure(row, args, rounds):
    """Everything measured of a row: by program and by what was measured, the times of all rounds."""
    fovea, peer = commands(row, args)
    programs = {"fovea": fovea + ["--json"]} | ({"pytorch": peer} if peer else {})
    threads = str(args.threads)
    environment = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "PYTHONDONTWRITEBYTECODE": "1"}
    found = {name: {} for name in programs}
    for round_number in range(rounds):
        order = list(programs) if round_number % 2 == 0 else list(programs)[::-1]
        for name in order:
            print(f"{row.name}: {name}, round {round_number + 1} of {rounds}", file=sys.stderr)
            for line in run(programs[name], environment if name == "pytorch" else None).splitlines():
                one = json.loads(line)
                kept = found[name].setdefault(one["what"], {**one, "values": []})
                kept["values"] += one["values"]
    for one in (one for of in found.values() for one in of.values()):
        values = one["values"]
        one["median"] = statistics.median(values)
        quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        one["quartiles"] = [quartiles[0], quartiles[2]]
        one["interquartile_range"] = quartiles[2] - quartiles[0]
        one["per_second"] = one["items"]["count"] / one["median"] if one.get("items") else None
    return {"row": row.name, "kind": row.kind, "commands": {k: shlex.join(map(str, v)) for k, v in programs.items()}, "found": found}


def figure(one):
    """A median for reading."""
    if one is None:
        return ""
    if one["unit"] == "share":
        return f"{100 * one['median']:.2f} %"
    seconds = f"{1000 * one['median']:.2f} ms" if one["median"] < 0.1 else f"{one['median']:.3f} s"
    rate = one["per_second"]
    return seconds if rate is None else f"{seconds}, {rate:.4g} {one['items']['of']}/s"


def spread(one):
    """How far the quartiles are apart, as a share of the median; nothing of a single value."""
    if one is None or len(one["values"]) < 2 or one["median"] == 0:
        return ""
    return f"{100 * one['interquartile_range'] / one['median']:.0f} %"


def table(results, program, names):
    """One line for each thing measured; long paths have short `names`."""
    lines = ["| row | measured | command | Fovea | PyTorch | Fovea's speed / PyTorch's | spread, Fovea / PyTorch |", "|---|---|---|---|---|---|---|"]
    for result in results:
        fovea, peer = result["found"]["fovea"], result["found"].get("pytorch", {})
        command = result["commands"]["fovea"].replace(program, "fovea", 1).removesuffix(" --json")
        for long, short in names.items():
            command = command.replace(str(long), short)
        first = [result["row"], f"`{command}`"]
        for what, one in fovea.items():
            other = peer.get(what)
            ratio = f"{other['median'] / one['median']:.2f}" if other else ""
            both = " / ".join(filter(None, [spread(one), spread(other)]))
            lines.append("| " + " | ".join([first[0], what, first[1], figure(one), figure(other), ratio, both]) + " |")
            first = ["", ""]
    return "\n".join(lines)


def machine(results, args, rounds):
    """The machine and both programs, as they say themselves."""
    any_of = lambda name: next((one for r in results for one in r["found"].get(name, {}).values()), {})
    fovea, peer = any_of("fovea"), any_of("pytorch")
    return {
        "cpu": fovea.get("cpu"),
        "cores": fovea.get("cores"),
        "threads": args.threads,
        "device": args.device,
        "system": fovea.get("system"),
        "fovea": f"{fovea.get('version')}, {fovea.get('commit') or 'no commit'}, {fovea.get('compiler')}",
        "pytorch": peer.get("version"),
        "python": platform.python_version(),
        "rounds": rounds,
        "load before": os.getloadavg()[0],
    }


def main():
    args = parse()
    args.fovea = str(pathlib.Path(args.fovea).resolve())
    rounds = args.rounds or (1 if args.quick else 4)
    kinds = args.kinds.split(",")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        pictures, weights = args.pictures or folder / "pictures", folder / "vit_small.pth"
        chosen = [row for row in rows(pictures, weights) if row.kind in kinds and args.only in row.name]
        if "data" in kinds and not args.pictures:
            draw(args.fovea, folder, args.quick)
        if "localize" in kinds and args.python != "none":
            run([args.python, HERE / "localize.py", "--weights", weights, "--write"])
        elif args.python == "none":
            chosen = [row for row in chosen if str(weights) not in " ".join(map(str, row.arguments))]
        results = [measure(row, args, rounds) for row in chosen]
    about = machine(results, args, rounds) | {"load before": load}
    pathlib.Path(args.json).write_text(json.dumps({"machine": about, "rows": results}, indent=1) + "\n")
    print(" | ".join(f"{key}: {value}" for key, value in about.items() if value is not None) + "\n")
    print(table(results, args.fovea, {pictures: "PICTURES", weights: "vit_small.pth"}))


if __name__ == "__main__":
    main()
