#!/usr/bin/env python3
"""Kills a sweep, or has its system calls fail, at points drawn at random, and looks whether anything is lost.

    python3 tests/faults/sweep.py --fovea target/release/fovea --points 40
    python3 tests/faults/sweep.py --fovea ... --points 1000 --seed 7 --kinds kill --who driver
    python3 tests/faults/sweep.py --fovea ... --only driver:rename:12:kill --keep

A tiny experiment is run undisturbed, recorded by strace, and then again and again with one fault each: a kill, an
input/output error (EIO), a full disk (ENOSPC, once, or from then on: ENOSPC+). After each, the same command is given
once more, and must end well, with the results of the undisturbed run bit for bit, sound records and no leftovers.
"""

import argparse
import concurrent.futures
import datetime
import pathlib
import random
import shutil
import sys
import tempfile

import place as places
import tracing

# What the system says of calls that fail once.
ERRORS = {"EIO": "(os error 5)", "ENOSPC": "(os error 28)"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fovea", required=True, type=pathlib.Path, help="the program")
    parser.add_argument("--points", type=int, default=40, help="how many")
    parser.add_argument("--seed", type=int, help="of the draw; default: today's date")
    parser.add_argument("--kinds", default="kill,EIO,ENOSPC,ENOSPC+")
    parser.add_argument("--who", default="driver,worker", help="whose calls")
    parser.add_argument("--only", action="append", help="this point, as it is printed; may be given several times")
    parser.add_argument("--jobs", type=int, default=2, help="points at a time")
    parser.add_argument("--keep", action="store_true", help="keep the folders of points that failed")
    return parser.parse_args()


def draw(known, options, seed):
    """Points, in equal shares over kinds and whose calls they are."""
    dice, drawn = random.Random(seed), []
    shares = [(kind, who) for kind in options.kinds.split(",") for who in options.who.split(",")]
    pools = {}
    for kind, who in shares:
        failing = tracing.FAILING.get(kind.rstrip("+"))
        pool = [(call, count) for call, count in known[who] if failing is None or call in failing]
        dice.shuffle(pool)
        # By call in turn: there are many writes and few renames.
        by_call = {}
        for call, count in pool:
            by_call.setdefault(call, []).append(count)
        pools[kind, who] = [
            tracing.Point(who, call, counts[turn], kind)
            for turn in range(max(map(len, by_call.values()), default=0))
            for call, counts in sorted(by_call.items(), key=lambda _: dice.random())
            if turn < len(counts)
        ]
    while len(drawn) < options.points and any(pools.values()):
        for share in shares:
            if pools[share] and len(drawn) < options.points:
                drawn.append(pools[share].pop(0))
    return drawn


def disturbed(point, folder, fovea, reference):
    """Runs with the fault and without; whether it came to pass, and what is wrong."""
    place = places.Place(folder, fovea)
    log = pathlib.Path(f"{folder}.strace")
    log.unlink(missing_ok=True)
    code, said = place.command(before=point.strace(log))
    wrong = []
    if code is None:
        wrong.append("it did not end")
    if "panicked at" in said:
        wrong.append(f"it panicked: {places.last_lines(said)}")
    if code == 0 and len(place.finished()) < 2:
        wrong.append("it ended well and is not done")
    # The experiment itself could not be read, or the program not be loaded.
    elif code not in (0, 1, 3, 5, -9, 137, None) and not any(
        code == number and words in said
        for number, words in ((2, "cannot be read"), (127, "error while loading shared libraries"))
    ):
        wrong.append(f"it ended with {code}: {places.last_lines(said)}")
    # Where every write fails from then on, so does that of the message.
    mute = point.call == "write" and point.kind.endswith("+")
    if code in (1, 3) and not said.strip() and not mute:
        wrong.append(f"it ended with {code} and did not say why")
    # What a call was refused is told with the file and the system's answer.
    names, error = tracing.names_hit(log, place.root), ERRORS.get(point.kind)
    if code in (1, 3) and error and names and not (error in said and any(name in said for name in names)):
        wrong.append(f"it ended with {code} and did not name {' or '.join(sorted(names))} with {error}")
    spoilt = [name for name, found in place.trained().items() if found != reference[name]]
    wrong += [f"{name} is not what it should be, and its trial is marked as done" for name in spoilt]
    if (torn := places.done_hashes_hold(place)) is not None:
        wrong.append(torn)
    # A disk that refuses to remove keeps what was to be removed.
    wrong += places.problems_of(place, reference, may_leave=point.call.startswith("unlink") and point.kind != "kill")
    hit = bool(tracing.hits(log))
    return hit, wrong, f"ended with {code}: {places.last_lines(said, 2)}"


def main():
    options = arguments()
    if shutil.which("strace") is None:
        sys.exit("strace is not installed")
    fovea = str(options.fovea.resolve())
    seed = options.seed if options.seed is not None else int(datetime.date.today().strftime("%Y%m%d"))
    work = pathlib.Path(tempfile.mkdtemp(prefix="fovea-faults-"))
    sound = places.Place(work / "sound", fovea)
    code, said = sound.command()
    if code != 0:
        sys.exit(f"the experiment does not run: {said}")
    reference = sound.results()
    recorded = places.Place(work / "recorded", fovea)
    code, said = recorded.command(before=tracing.recording(work / "calls"))
    if code != 0 or recorded.results() != reference:
        sys.exit(f"under strace the experiment ends with {code}, or with other results: {said}")
    known = tracing.points(work / "calls", recorded.root)
    print(f"seed {seed}; calls that can be hit: driver {len(known['driver'])}, worker {len(known['worker'])}")
    chosen = [tracing.Point.parse(text) for text in options.only or []] or draw(known, options, seed)

    failed, hits = 0, 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        folders = [work / f"{index:04}" for index in range(len(chosen))]
        running = [pool.submit(disturbed, *each, fovea, reference) for each in zip(chosen, folders)]
        for point, folder, future in zip(chosen, folders, running):
            hit, wrong, how = future.result()
            hits += hit
            failed += bool(wrong)
            if wrong or options.only:
                print(f"{'FAILED' if wrong else 'ok'}  --only {point}{'' if hit else ' (not hit)'}  {how}")
                print("".join(f"        {line}\n" for line in wrong), end="", flush=True)
            if not (wrong and options.keep):
                shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(chosen)} points, {hits} hit, {failed} failed")
    if options.keep and failed:
        print(f"kept in {work}")
    else:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failed or (chosen and not hits) else 0)


if __name__ == "__main__":
    main()
