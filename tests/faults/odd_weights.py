"""Small odd files of weights, made from those of a network, with what is expected of each."""

import collections
import io
import json
import pickle
import struct
import sys
import types
import zipfile


class Tensor:
    """A tensor as `torch.save` pickles it."""

    def __init__(self, key, shape, data, kind="FloatStorage"):
        self.key, self.shape, self.data, self.kind = key, shape, data, kind

    def __reduce__(self):
        stride, step = [], 1
        for side in reversed(self.shape):
            stride.insert(0, step)
            step *= side
        arguments = (Storage(self), 0, tuple(self.shape), tuple(stride), False, collections.OrderedDict())
        return sys.modules["torch._utils"]._rebuild_tensor_v2, arguments


class Storage:
    def __init__(self, tensor):
        self.tensor = tensor


class Pickler(pickle._Pickler):
    """Writes names of `torch` without having it; storages are told by their keys."""

    def __init__(self, file, legacy):
        super().__init__(file, protocol=2)
        self.legacy = legacy

    def persistent_id(self, thing):
        if not isinstance(thing, Storage):
            return None
        tensor = thing.tensor
        size = {"FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2}[tensor.kind]
        count = len(tensor.data) // size
        found = ("storage", getattr(sys.modules["torch"], tensor.kind), tensor.key, "cpu", count)
        return (*found, None) if self.legacy else found


def pretend_torch():
    """Modules of the names that pickles of PyTorch refer to."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*_):
        return None

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    for name in ("FloatStorage", "DoubleStorage", "HalfStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))
    sys.modules["torch"], sys.modules["torch._utils"] = torch, utils


def pickled(thing, legacy=False):
    out = io.BytesIO()
    Pickler(out, legacy).dump(thing)
    return out.getvalue()


def tensors_in(thing):
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from tensors_in(value)


def saved(thing, stem="archive", compression=zipfile.ZIP_STORED, replace=None, more=()):
    """What `torch.save` writes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr(f"{stem}/data.pkl", pickled(thing) if replace is None else replace)
        for tensor in tensors_in(thing):
            archive.writestr(f"{stem}/data/{tensor.key}", tensor.data)
        archive.writestr(f"{stem}/version", b"3\n")
        for name, data in more:
            archive.writestr(name, data)
    return out.getvalue()


def saved_long_ago(thing):
    """What `torch.save` wrote before PyTorch 1.6."""
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]
    tensors = list(tensors_in(thing))
    parts = [pickle.dumps(value, 2) for value in head] + [pickled(thing, legacy=True)]
    parts.append(pickle.dumps([tensor.key for tensor in tensors], 2))
    parts += [struct.pack("<q", len(tensor.data) // 4) + tensor.data for tensor in tensors]
    return b"".join(parts)


def read_safetensors(data):
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    header.pop("__metadata__", None)
    return {name: (entry["shape"], body[slice(*entry["data_offsets"])]) for name, entry in header.items()}


def safetensors(named, change=lambda header: header):
    header, body = {}, b""
    for name, (shape, data) in named.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = change(header)
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    return struct.pack("<Q", len(text)) + text + body


class Run:
    """What a hostile pickle would have done."""

    def __reduce__(self):
        import os

        return os.system, ("touch hostile",)


def good(named):
    """Pairs of file name and contents that hold the network's weights."""
    pretend_torch()
    state = {name: Tensor(str(at), shape, data) for at, (name, (shape, data)) in enumerate(named.items())}
    prefixed = lambda prefix: {prefix + name: tensor for name, tensor in state.items()}
    counted = {**state, "bn1.num_batches_tracked": Tensor("n", [1], struct.pack("<f", 3.0))}
    yield "plain.pth", saved(state)
    yield "ordered.pth", saved(collections.OrderedDict(state))
    yield "legacy.pth", saved_long_ago(state)
    yield "legacy-wrapped.pt", saved_long_ago({"state_dict": state, "epoch": 3})
    yield "counted.pth", saved(counted)
    yield "none", saved(state)
    yield "model.ckpt", saved({"state_dict": prefixed("model."), "epoch": 3, "lr": [0.1, None], "hyper_parameters": {}})
    yield "model_best.pth.tar", saved({"state_dict": prefixed("module."), "arch": "resnet", "best": 0.5})
    for table in ("state_dict", "model_state_dict", "model", "net", "network", "teacher", "student"):
        yield f"table-{table}.pth", saved({table: state, "epoch": 7})
    for prefix in ("module.", "_orig_mod.", "net.", "model.", "backbone.", "encoder.", "module._orig_mod.", "a.b.c."):
        yield f"prefix-{prefix}pth", saved(prefixed(prefix))
        yield f"prefix-{prefix}safetensors", safetensors({prefix + name: value for name, value in named.items()})
    yield "stacked.pth", saved({"model": {"state_dict": prefixed("module._orig_mod.")}, "optimizer": {"state": {}}})
    for length in (1, 3, 9, 20, 21, 22, 40, 63):
        stem = "r" * length
        yield f"{stem}.pth", saved(state, stem)
    yield "plain.safetensors", safetensors(named)
    yield "described.safetensors", safetensors(named, lambda header: {**header, "__metadata__": {"format": "pt"}})
    yield "no-suffix", safetensors(named)
    yield "wrong-suffix.pth", safetensors(named)
    yield "wrong.safetensors", saved(state)


def bad(named):
    """File names and contents that are no weights of the network, with a word of what must be said."""
    pretend_torch()
    state = {name: Tensor(str(at), shape, data) for at, (name, (shape, data)) in enumerate(named.items())}
    first = next(iter(named))
    shape, data = named[first]
    plain, whole = saved(state), safetensors(named)
    spoiled = {**named, first: (shape, struct.pack("<f", float("nan")) + data[4:])}
    endless = {**named, first: (shape, data[:-4] + struct.pack("<f", float("inf")))}
    yield "empty.pth", b"", "empty"
    yield "lfs.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1\n", "LFS"
    yield "page.pth", b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page"
    yield "text.pth", b"weights\n", ""
    yield "zeros.pth", bytes(5000), ""
    yield "picture.pth", b"\x89PNG\r\n\x1a\n" + bytes(40), ""
    yield "numpy.pth", b"\x93NUMPY\x01\0" + bytes(60), ""
    yield "gzip.pth", b"\x1f\x8b\x08" + bytes(60), ""
    yield "script.pt", saved(state, more=[("archive/constants.pkl", b"\x80\x02)."), ("archive/code/a.py", b"")]), "TorchScript"
    yield "no-pickle.pth", zipped({"archive/version": b"3"}), ""
    yield "empty-zip.pth", zipped({}), ""
    yield "other-zip.pth", zipped({"word/document.xml": b"<a/>"}), ""
    yield "hostile.pth", saved(state, replace=pickle.dumps({"a": Run()}, 2)), ""
    yield "number.pth", saved(state, replace=pickle.dumps(5, 2)), ""
    yield "garbage-pickle.pth", saved(state, replace=b"\x80\x02\xff\xfe\xfd"), ""
    yield "stack.pth", saved(state, replace=b"\x80\x02" + b"}" * 100_000 + b"."), ""
    yield "deep.pth", saved(state, replace=b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b"."), ""
    yield "deflated-bomb.pth", saved({}, compression=zipfile.ZIP_DEFLATED, replace=bytes(300_000_000)), ""
    yield "shared-lists.pth", saved(state, replace=doubling(40)), ""
    for part in (0.1, 0.5, 0.9):
        yield f"cut-{part}.pth", plain[: int(len(plain) * part)], ""
        yield f"cut-{part}.safetensors", whole[: int(len(whole) * part)], ""
    yield "nan.pth", saved({**state, first: Tensor("0", shape, spoiled[first][1])}), "NaN"
    yield "inf.safetensors", safetensors(endless), "infinite"
    yield "other-network.pth", saved({"features.0.weight": state[first]}), ""
    yield "lacks-one.safetensors", safetensors({n: v for n, v in named.items() if n != first}), first
    yield "misshaped.safetensors", safetensors({**named, first: ([len(data) // 4, 1], data)}), first
    yield "one-more.safetensors", safetensors({**named, "surplus.weight": ([1], bytes(4))}), "surplus"
    yield "length.safetensors", struct.pack("<Q", 2**60) + whole[8:], ""
    yield "length-all.safetensors", struct.pack("<Q", len(whole)) + whole[8:], ""
    yield "no-json.safetensors", safetensors(named, lambda _: b"{" + b"[" * 200), ""
    yield "brackets.safetensors", safetensors(named, lambda _: b'{"a":' + b"[" * 100_000), ""
    yield "nothing.safetensors", safetensors({}), ""

    def changed(**fields):
        return lambda header: {**header, first: {**header[first], **fields}}

    for name, fields in {
        "outside": {"data_offsets": [0, 10**12]},
        "backwards": {"data_offsets": [8, 0]},
        "overlap": {"data_offsets": [4, 4 + len(data)]},
        "shape-overflow": {"shape": [2**33, 2**33, 2**33]},
        "shape-huge": {"shape": [2**62]},
        "shape-negative": {"shape": [-1]},
        "dtype": {"dtype": "F7"},
        "whole-numbers": {"dtype": "I32"},
    }.items():
        yield f"{name}.safetensors", safetensors(named, changed(**fields)), ""
    claim = Tensor("0", [2**40], data)
    yield "claims.pth", saved({**state, first: claim}), ""


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def doubling(times):
    """A pickle of lists that hold the list before twice: small here, without end where each is copied."""
    text = b"\x80\x02]q\x00"
    for at in range(times):
        text += b"](h" + bytes([at]) + b"h" + bytes([at]) + b"eq" + bytes([at + 1])
    return text + b"."
