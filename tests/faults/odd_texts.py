"""Small odd experiments, overrides, networks, records and bundles, with what is expected of each."""

import io
import json
import tarfile

SMALL = """
name = "odd"
device = "cpu"
[dataset]
name = "scenes"
size = 32
train = 64
test = 24
[input]
size = 32
[model]
name = "resnet-tiny"
"""


def good_experiments():
    """Experiments that are understood: name, contents, number of trials."""
    yield "plain", SMALL.encode(), 1
    yield "windows", SMALL.replace("\n", "\r\n").encode(), 1
    yield "mark", b"\xef\xbb\xbf" + SMALL.encode(), 1
    yield "utf-16", SMALL.encode("utf-16"), 1
    yield "utf-16-be", b"\xfe\xff" + SMALL.encode("utf-16-be"), 1
    yield "axis", (SMALL + "[axes]\nseed = [0, 1, 2]\n").encode(), 3
    yield "comments", ("# many\n" * 20_000 + SMALL).encode(), 1
    yield "unicode", SMALL.replace('"odd"', '"Überblick 眼"').encode(), 1
    yield "one-line", b'name="odd"\ndataset={name="scenes",size=32,train=64,test=24}\ninput={size=32}\nmodel="resnet-tiny"\n', 1


def bad_experiments():
    """Experiments that are refused, with a word of what must be said."""
    yield "empty", b"", ""
    yield "spaces", b" \n\t\n", ""
    yield "zero-byte", SMALL.encode().replace(b"odd", b"o\0d"), ""
    yield "latin-1", SMALL.replace("odd", "Größe").encode("latin-1"), "UTF-8"
    yield "binary", bytes(range(256)) * 8, ""
    yield "brackets", (SMALL + "x = " + "[" * 50_000).encode(), ""
    yield "closed-brackets", (SMALL + "x = " + "[" * 20_000 + "]" * 20_000).encode(), ""
    yield "braces", (SMALL + "x = " + "{a=" * 20_000).encode(), ""
    yield "tables", (SMALL + "".join(f"[a{i}]\n" for i in range(200_000))).encode(), ""
    yield "dotted", (SMALL + ".".join(["a"] * 20_000) + " = 1\n").encode(), ""
    yield "long-key", (SMALL + "a" * 200_000 + " = 1\n").encode(), ""
    yield "twice", (SMALL + '[model]\nname = "vgg-tiny"\n').encode(), "duplicate"
    yield "date", SMALL.replace("size = 32", "size = 1979-05-27", 1).encode(), "size"
    yield "large-number", SMALL.replace("size = 32", "size = 99999999999999999999", 1).encode(), ""
    yield "negative", SMALL.replace("size = 32", "size = -1", 1).encode(), "size"
    yield "nan", (SMALL + "[training]\nalpha = nan\n").encode(), "alpha"
    yield "infinite", (SMALL + "[training]\nbeta = inf\n").encode(), "beta"
    yield "no-axis", (SMALL + "[axes]\nseed = []\n").encode(), "seed"
    yield "endless-axis", (SMALL + "[axes]\nseed = { range = [0, 1000000000000], step = 1 }\n").encode(), ""
    yield "product", (SMALL + "[axes]\n" + "".join(f'"training.alpha{i}" = [1, 2]\n' for i in range(2))).encode(), ""
    yield "extends-itself", b'extends = "extends-itself.toml"\n' + SMALL.encode(), "extends"
    yield "extends-nothing", b'extends = "nowhere.toml"\n' + SMALL.encode(), "no such file"
    yield "extends-folder", b'extends = "."\n' + SMALL.encode(), ""
    yield "name-with-bell", SMALL.replace('"odd"', '"o\\u0007d"').encode(), "control character"
    yield "name-too-long", SMALL.replace("odd", "o" * 300).encode(), "200"
    yield "name-outside", SMALL.replace("odd", "../odd").encode(), "name"


def bad_overrides():
    """Overrides that are refused."""
    texts = [
        "=", "x", "=1", "a.=1", ".a=1", "a..b=1", "+", "~", "loss=[", "loss={", "loss={name", "seed=range(",
        "seed=range(0,1e18)", "seed=range(1)(2)", "seed=0,,1", "training.epochs=1e400", "training.epochs=-0",
        "training.epochs=0x", "training.alpha=nan", "training.alpha=-inf", "seed=choice()", "seed=" + "[" * 5000,
        "seed=" + ",".join("1" * 40 for _ in range(4)), "training={epochs=3", "a" * 5000 + "=1", "model.name=",
        "model=\"resnet-tiny", "seed=18446744073709551616", "input.size=9223372036854775807", "--seed", "seed==1",
        "dataset.train=0", "training.batch_size=0", "run.dir=", "axes.seed=[0]extra", "~nothing.here", "+name=x",
    ]  # fmt: skip
    yield from enumerate(texts)


def networks():
    """Networks layer by layer: name, contents, exit code, a word of what must be said."""

    def graph(*layers):
        return json.dumps({"layers": list(layers)}).encode()

    conv, head = {"op": "conv", "out": 4, "kernel": 3}, [{"op": "global-avg-pool"}, {"op": "linear", "out": "classes"}]
    yield "plain", graph(conv, *head), 0, ""
    yield "empty", b"", 2, ""
    yield "no-layers", b"{}", 2, "layers"
    yield "list", b"[]", 2, ""
    yield "brackets", b'{"layers":' + b"[" * 100_000, 2, ""
    yield "unknown", graph({"op": "conw", "out": 4, "kernel": 3}, *head), 2, "conv"
    yield "huge-out", graph({**conv, "out": 2**62}, *head), 2, ""
    yield "huge-kernel", graph({**conv, "kernel": 2**40 + 1}, *head), 2, ""
    yield "no-kernel", graph({**conv, "kernel": 0}, *head), 2, "kernel"
    yield "negative", graph({**conv, "out": -1}, *head), 2, ""
    yield "no-stride", graph({**conv, "stride": 0}, *head), 2, "stride"
    yield "huge-stride", graph({**conv, "stride": 2**60}, *head), None, ""
    yield "repeats", graph({"op": "repeat", "times": 2**60, "body": [conv]}, *head), 2, ""
    yield "no-head", graph(conv), 2, ""
    yield "from-nowhere", graph({**conv, "from": "x"}, *head), 2, ""
    yield "not-utf-8", b'{"layers": [{"op": "\xff\xfe"}]}', 2, ""
    yield "twice", b'{"layers": [], "layers": []}', 2, ""


def records(run):
    """Ways to spoil a run directory: name, file within it, what to make of its bytes."""
    trials = sorted(path.name for path in (run / "trials").iterdir())
    files = ["plan.json", "journal.jsonl", "experiment.toml"]
    of_trial = ["DONE.json", "events.jsonl", "metrics.jsonl", "predictions.jsonl", "trial.toml", "provenance.jsonl"]
    files += [f"trials/{trials[0]}/{name}" for name in [*of_trial, "trace.jsonl", "gallery/index.jsonl"]]
    spoil = {
        "empty": lambda data: b"",
        "half": lambda data: data[: len(data) // 2],
        "flipped": lambda data: data[: len(data) // 3] + bytes([data[len(data) // 3] ^ 0x40]) + data[len(data) // 3 + 1 :],
        "no-text": lambda data: data[:10] + b"\xff\xfe\xfd" + data[10:],
        "zeros": lambda data: bytes(len(data)),
        "brackets": lambda data: b"[" * 100_000,
        "other": lambda data: b'{"a": 1}\n',
        "large-number": lambda data: data.replace(b"1", b"1e999", 1),
    }
    for file in files:
        for name, change in spoil.items():
            yield f"{name}-{file.replace('/', '-')}", file, change
    yield "id-outside", "plan.json", lambda data: data.replace(trials[0].encode(), b"../../outside")
    yield "id-absolute", "plan.json", lambda data: data.replace(trials[0].encode(), b"/tmp")
    yield "id-empty", "plan.json", lambda data: data.replace(trials[0].encode(), b"")
    yield "id-journal", "journal.jsonl", lambda data: data.replace(trials[0].encode(), b"../../outside")
    yield "id-escape", "plan.json", lambda data: data.replace(trials[0].encode(), b"\\u001b[31m")


def bundles(bundle):
    """Archives that are no good: name, contents, a word of what must be said."""
    data = bundle.read_bytes()
    members = read_archive(data)
    folder = members[0][0].name.split("/")[0]

    def with_member(**fields):
        info = tarfile.TarInfo(fields.pop("name"))
        contents = fields.pop("contents", b"")
        for name, value in fields.items():
            setattr(info, name, value)
        info.size = fields.get("size", len(contents))
        return archive([*members, (info, contents)])

    yield "empty", b"", ""
    yield "text", b"hello\n", ""
    yield "cut", data[: len(data) // 2], ""
    yield "flipped", data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :], ""
    yield "outside", with_member(name=f"{folder}/../../hostile", contents=b"x"), ""
    yield "absolute", with_member(name="/tmp/hostile", contents=b"x"), ""
    yield "link", with_member(name=f"{folder}/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), ""
    yield "hard-link", with_member(name=f"{folder}/link", type=tarfile.LNKTYPE, linkname="/etc/passwd"), ""
    yield "device", with_member(name=f"{folder}/device", type=tarfile.CHRTYPE), ""
    yield "pipe", with_member(name=f"{folder}/pipe", type=tarfile.FIFOTYPE), ""
    yield "unlisted", with_member(name=f"{folder}/surplus.txt", contents=b"x"), ""
    yield "claims", with_member(name=f"{folder}/large.bin", size=2**40), ""
    yield "bomb", with_member(name=f"{folder}/bomb.bin", contents=bytes(600_000_000)), ""
    yield "many", archive([*members, *[(tarfile.TarInfo(f"{folder}/a/{i}"), b"") for i in range(2000)]]), ""
    yield "nothing", archive([]), ""
    yield "no-manifest", archive([m for m in members if "bundle" not in m[0].name.lower() and "manifest" not in m[0].name.lower()]), ""
    changed = [(info, contents.replace(b"1", b"2", 1) if info.name.endswith("metrics.jsonl") else contents) for info, contents in members]
    yield "changed", archive(changed), ""


def read_archive(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(info, archive.extractfile(info).read() if info.isfile() else b"") for info in archive.getmembers()]


def archive(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as written:
        for info, contents in members:
            if info.size != len(contents) and info.size < 2**39:
                info.size = len(contents)
            if info.size >= 2**39:
                # A claim without contents: the header alone.
                written.fileobj.write(info.tobuf(tarfile.GNU_FORMAT))
                continue
            written.addfile(info, io.BytesIO(contents))
    return out.getvalue()
