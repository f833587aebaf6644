#!/usr/bin/env python3
"""Training steps in PyTorch on a GPU, beside `fovea bench step --precision P`; the twin of a row of tests/gpu.sh.

    python3 tests/gpu_peer.py --model resnet18 --batch 64 --size 224 --repeats 20 --precision tf32 [--device cuda]

cuDNN chooses its kernels by timing (`torch.backends.cudnn.benchmark`). `f32` allows tf32 nowhere, `tf32` in products and
convolutions, `bf16` is autocast. Cross-entropy and RIA are timed in turn: create_graph=True for alpha, scipy.ndimage.label for
each picture, the straight-through box. Every step ends with its loss on the host. Prints one JSON object a line.
"""

import argparse
import json
import time

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from scipy import ndimage

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", default="resnet18")
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--size", type=int, default=224)
parser.add_argument("--repeats", type=int, default=20)
parser.add_argument("--precision", default="f32", choices=["f32", "tf32", "bf16"])
parser.add_argument("--device", default="cuda")
args = parser.parse_args()
torch.manual_seed(0)
torch.backends.cudnn.benchmark = True
torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = args.precision != "f32"
device, size, batch = torch.device(args.device), args.size, args.batch

model = getattr(torchvision.models, args.model)(num_classes=10).to(device).train()
for module in model.modules():
    if isinstance(module, torch.nn.ReLU):
        # Hooks would see what a later operation has overwritten.
        module.inplace = False
layer = model.features[-2] if args.model.startswith("vgg") else model.layer4[-1]
optimizer = torch.optim.Adam(model.parameters(), 1e-4)
images = torch.rand(batch, 3, size, size, device=device)
labels = torch.randint(0, 10, (batch,), device=device)
target = torch.tensor([[size * 0.25, size * 0.25, size * 0.75, size * 0.75]], device=device).repeat(batch, 1)
seen = {}
layer.register_forward_hook(lambda module, inputs, output: seen.update(activations=output))


def forward():
    with torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bf16"):
        return model(images).float()


def edges(q):
    """Soft x1, y1, x2, y2 of [N, H, W], by first and last crossing of the occupancy of columns and rows."""

    def first(c):
        position = torch.arange(c.shape[1], device=c.device, dtype=c.dtype)
        before = torch.cumprod(torch.cat([torch.ones_like(c[:, :1]), 1 - c[:, :-1]], 1), 1)
        return (position * c * before).sum(1)

    x, y = q.amax(1), q.amax(2)
    return torch.stack([first(x), first(y), x.shape[1] - first(x.flip(1)), y.shape[1] - first(y.flip(1))], 1)


def boxes(heatmaps):
    """The straight-through box of each heatmap."""
    host = heatmaps.detach().cpu().numpy()
    keep, hard = np.zeros_like(host), np.zeros((batch, 4), np.float32)
    for i, heatmap in enumerate(host):
        parts, _ = ndimage.label(heatmap > 0.5)
        part = parts.flat[heatmap.argmax()]
        mask = parts == part if part else np.ones_like(parts, bool)
        ys, xs = np.where(mask)
        hard[i] = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        keep[i] = (parts == 0) | mask
    soft = edges(torch.sigmoid((heatmaps - 0.5) / 0.05) * torch.from_numpy(keep).to(device))
    return soft + (torch.from_numpy(hard).to(device) - soft).detach()


def none():
    return F.cross_entropy(forward(), labels)


def ria():
    logits = forward()
    activations = seen["activations"]
    chosen = logits.gather(1, logits.argmax(1, keepdim=True)).sum()
    (gradient,) = torch.autograd.grad(chosen, activations, create_graph=True)
    cam = torch.relu((gradient.float().mean((2, 3), keepdim=True) * activations.float()).sum(1, keepdim=True))
    heatmaps = F.interpolate(cam, size=(size, size), mode="bilinear")[:, 0]
    box = boxes(heatmaps / heatmaps.flatten(1).amax(1).clamp_min(1e-12)[:, None, None])
    sides = (torch.min(box[:, 2:], target[:, 2:]) - torch.max(box[:, :2], target[:, :2])).clamp(min=0)
    width, height = (box[:, 2:] - box[:, :2]).unbind(1)
    diagonal = (width**2 + height**2).sqrt() / (size * 2**0.5)
    loss = 1 - sides[:, 0] * sides[:, 1] / (width * height).clamp_min(1e-6) + 0.1 * diagonal
    return F.cross_entropy(logits, labels) + 0.5 * loss.mean()


def timed(objective):
    started = time.perf_counter()
    loss = objective()
    loss.backward()
    optimizer.step()
    loss.item()
    optimizer.zero_grad()
    return time.perf_counter() - started


kinds = {"none": none, "ria": ria}
for _ in range(3):
    for objective in kinds.values():
        timed(objective)
values = {what: [] for what in kinds}
for _ in range(args.repeats):
    for what, objective in kinds.items():
        values[what].append(timed(objective))
name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
settings = {"model": args.model, "batch": batch, "size": size, "precision": args.precision}
for what, seconds in values.items():
    print(json.dumps({"bench": "step", "what": what, "settings": settings, "device": name, "values": seconds, "version": f"PyTorch {torch.__version__}"}))
