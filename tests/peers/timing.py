"""What the peers of `fovea bench` have in common: arguments, interleaved timing, and the JSON that `fovea bench --json` prints, too."""

import argparse
import json
import time

import numpy as np
import torch


def parser(doc, repeats):
    """Arguments of every peer."""
    own = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    own.add_argument("--repeats", type=int, default=repeats, help="timed repeats of each kind")
    own.add_argument("--threads", type=int, help="CPU threads")
    own.add_argument("--device", default="cpu", help="cpu, cuda")
    return own


def begin(args):
    """Sets threads and seed, and gives back the device."""
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    return torch.device(args.device)


def timed(work, device):
    """Seconds of a call, with what it left running on the device."""
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def in_turn(works, repeats, device):
    """Seconds of each of several calls, one after the other, again and again; the first round does not count."""
    for work in works.values():
        timed(work, device)
    values = {what: [] for what in works}
    for _ in range(repeats):
        for what, work in works.items():
            values[what].append(timed(work, device))
    return values


def show(bench, settings, device, count, of, values):
    """Prints a line for each thing measured."""
    name = f"cuda ({torch.cuda.get_device_name()})" if device.type == "cuda" else f"cpu ({torch.get_num_threads()} threads)"
    for what, seconds in values.items():
        low, median, high = (float(q) for q in np.quantile(seconds, [0.25, 0.5, 0.75]))
        print(json.dumps({
            "bench": bench,
            "what": what,
            "settings": settings,
            "device": name,
            "unit": "seconds",
            "items": {"count": count, "of": of},
            "values": seconds,
            "median": median,
            "quartiles": [low, high],
            "interquartile_range": high - low,
            "per_second": count / median,
            "threads": torch.get_num_threads(),
            "version": f"PyTorch {torch.__version__}",
        }))
