"""The forward pass of DINO's ViT-S/16 as far as LOST needs it, in PyTorch, beside `fovea bench localize`.

    python tests/peers/dino_forward.py [--weights vit_small.pth] [--batch 16] [--size 224]

writes random weights under DINO's names to --weights if there is no such file, and prints pictures per second of the
network alone and with LOST's box behind it.
"""

import argparse
import os
import statistics
import time

import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--weights", default="vit_small.pth")
parser.add_argument("--batch", type=int, default=16)
parser.add_argument("--size", type=int, default=224)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

D, DEPTH, HEADS, HIDDEN, P = 384, 12, 6, 1536, 16


def random_weights():
    torch.manual_seed(0)
    shapes = {"cls_token": (1, 1, D), "pos_embed": (1, 197, D)}
    shapes |= {"patch_embed.proj.weight": (D, 3, P, P), "patch_embed.proj.bias": (D,)}
    shapes |= {"norm.weight": (D,), "norm.bias": (D,)}
    for i in range(DEPTH):
        for name, shape in {
            "norm1.weight": (D,), "norm1.bias": (D,), "norm2.weight": (D,), "norm2.bias": (D,),
            "attn.qkv.weight": (3 * D, D), "attn.qkv.bias": (3 * D,),
            "attn.proj.weight": (D, D), "attn.proj.bias": (D,),
            "mlp.fc1.weight": (HIDDEN, D), "mlp.fc1.bias": (HIDDEN,),
            "mlp.fc2.weight": (D, HIDDEN), "mlp.fc2.bias": (D,),
        }.items():
            shapes[f"blocks.{i}.{name}"] = shape
    scale = lambda name: 0.02 if "norm" not in name else 1.0
    return {n: torch.randn(s) * scale(n) if "norm" not in n or "bias" in n else torch.ones(s) for n, s in shapes.items()}


if not os.path.exists(args.weights):
    torch.save(random_weights(), args.weights)
w = {n: t.to(args.device) for n, t in torch.load(args.weights, weights_only=True).items()}


def keys(x):
    n = x.shape[0]
    x = F.conv2d(x, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=P).flatten(2).transpose(1, 2)
    x = torch.cat([w["cls_token"].expand(n, -1, -1), x], 1) + w["pos_embed"]
    t = x.shape[1]
    for i in range(DEPTH):
        b = f"blocks.{i}."
        y = F.layer_norm(x, (D,), w[b + "norm1.weight"], w[b + "norm1.bias"], 1e-6)
        if i == DEPTH - 1:
            return F.linear(y, w[b + "attn.qkv.weight"][D : 2 * D], w[b + "attn.qkv.bias"][D : 2 * D])[:, 1:]
        q, k, v = F.linear(y, w[b + "attn.qkv.weight"], w[b + "attn.qkv.bias"]).reshape(n, t, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, D)
        x = x + F.linear(y, w[b + "attn.proj.weight"], w[b + "attn.proj.bias"])
        y = F.layer_norm(x, (D,), w[b + "norm2.weight"], w[b + "norm2.bias"], 1e-6)
        y = F.gelu(F.linear(y, w[b + "mlp.fc1.weight"], w[b + "mlp.fc1.bias"]))
        x = x + F.linear(y, w[b + "mlp.fc2.weight"], w[b + "mlp.fc2.bias"])


images = torch.rand(args.batch, 3, args.size, args.size, device=args.device)
times = []
with torch.no_grad():
    keys(images)
    for _ in range(args.repeats):
        if args.device != "cpu":
            torch.cuda.synchronize()
        started = time.perf_counter()
        keys(images)
        if args.device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
print(f"PyTorch {torch.__version__} ViT-S/16 batch {args.batch} size {args.size}: {args.batch / statistics.median(times):.1f} img/s (network alone, median of {args.repeats})")
