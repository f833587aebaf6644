#!/usr/bin/env python3
"""Writes a corpus of small odd files, and how each is to be read.

    python3 tests/faults/corpus.py FOLDER --run RUN --bundle RUN.tar.gz --weights model.safetensors

FOLDER gets the files and `cases.json`: for each a command of fovea to be run in FOLDER, the exit codes that are right
(empty: any that is no crash), words that the output must hold, and, of a mask, how much of its picture is object. The
same arguments give the same files. RUN is a finished run, of which some are made, and so are BUNDLE and WEIGHTS.
"""

import argparse
import json
import pathlib
import shutil

import odd_pictures
import odd_texts
import odd_weights

# Keys of the network that WEIGHTS are of.
NETWORK = ["--model", "resnet-tiny", "--set", "stem_width=4", "--set", "widths=[4,4,8,8]"]
PICTURE = odd_pictures.rgb((9, 9, 9), (200, 1, 1), (5, 5, 5), (1, 1, 1))


class Corpus:
    def __init__(self, folder):
        self.folder, self.cases = folder, []
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def write(self, path, contents):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)

    def case(self, name, command, exits, says=(), **more):
        says = [word for word in says if word]
        self.cases.append({"name": name, "command": command, "exits": exits, "says": says, **more})

    def data_set(self, name, picture, mask):
        files = {"train/a/x.png": picture, "train-masks/a/x.png": mask, "test/a/x.png": PICTURE}
        for path, contents in files.items():
            self.write(f"{name}/{path}", contents)
        text = f'name = "odd"\ndevice = "cpu"\nmodel = "resnet-tiny"\n[dataset]\nname = "folder"\nroot = "{name}"\n'
        self.write(f"{name}.toml", text.encode())
        return f"{name}.toml"


def pictures(corpus):
    for name, mask, share in odd_pictures.good_masks():
        file = corpus.data_set(f"mask-{name}", PICTURE, mask)
        corpus.case(f"mask {name}", ["data", "check", file, "--json"], [0], object=share)
    bad = list(odd_pictures.no_pictures())
    for name, mask, word in bad + list(odd_pictures.ambiguous_masks()):
        file = corpus.data_set(f"no-mask-{name}", PICTURE, mask)
        exits = [0, 3] if word is None else [3]
        corpus.case(f"mask {name}", ["data", "check", file, "--json"], exits, [word, "x.png" if word is not None else ""])
    for name, picture, word in bad:
        file = corpus.data_set(f"no-picture-{name}", picture, odd_pictures.GREY)
        exits = [0, 3] if word is None else [3]
        corpus.case(f"picture {name}", ["data", "check", file, "--json"], exits, [word, "x.png" if word is not None else ""])
        # What nothing but decoding tells, training does.
        if word is not None and name != "larger-than-data":
            corpus.case(f"plan with picture {name}", ["plan", file], [2], ["x.png"])


def weights(corpus, file):
    named = odd_weights.read_safetensors(file.read_bytes())
    corpus.write("pictures/x.png", PICTURE)

    def explain(name, contents, exits, word):
        corpus.write(f"weights/{name}", contents)
        command = ["explain", *NETWORK, "--weights", f"weights/{name}", "--images", "pictures", "--size", "32"]
        corpus.case(f"weights {name}", [*command, "--out", f"explained/{name}"], exits, [word])

    for name, contents in odd_weights.good(named):
        explain(name, contents, [0], "")
    for name, contents, word in odd_weights.bad(named):
        explain(name, contents, [2, 3], word)


def texts(corpus):
    for name, contents, trials in odd_texts.good_experiments():
        corpus.write(f"{name}.toml", contents)
        corpus.case(f"experiment {name}", ["plan", f"{name}.toml"], [0], [f": {trials} trials"])
    for name, contents, word in odd_texts.bad_experiments():
        corpus.write(f"{name}.toml", contents)
        corpus.case(f"experiment {name}", ["plan", f"{name}.toml"], [2], [word])
    for at, text in odd_texts.bad_overrides():
        corpus.case(f"override {at} {text[:30]}", ["plan", "plain.toml", text], [2])
    for name, contents, code, word in odd_texts.networks():
        corpus.write(f"{name}.json", contents)
        model = f'model={{name="graph",file="{name}.json"}}'
        corpus.case(f"network {name}", ["plan", "plain.toml", model], [0, 2] if code is None else [code], [word])


def records(corpus, run, bundle):
    for at, (name, file, change) in enumerate(odd_texts.records(run)):
        spoilt = corpus.folder / "spoilt" / name
        shutil.copytree(run, spoilt)
        (spoilt / file).write_bytes(change((spoilt / file).read_bytes()))
        # In turn: those that draw a report take half a second.
        reading = [["ls"], ["status"], ["table"]]
        drawing = {0: [["report"]], 3: [["verify", "--no-rerun"]]}
        for word, *rest in [reading[at % 3], *drawing.get(at % 7, [])]:
            corpus.case(f"{word} of records {name}", [word, f"spoilt/{name}", *rest], [0, 3, 6])
    for name, contents, word in odd_texts.bundles(bundle):
        corpus.write(f"bundle-{name}.tar.gz", contents)
        corpus.case(f"bundle {name}", ["verify", f"bundle-{name}.tar.gz", "--no-rerun"], [3], [word, "tar.gz"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    for name in ("run", "bundle", "weights"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    options = parser.parse_args()
    corpus = Corpus(options.folder)
    pictures(corpus)
    weights(corpus, options.weights)
    texts(corpus)
    records(corpus, options.run, options.bundle)
    (options.folder / "cases.json").write_text(json.dumps(corpus.cases, indent=1))
    print(f"{len(corpus.cases)} cases")


if __name__ == "__main__":
    main()
