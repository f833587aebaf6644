"""LOST on DINO's ViT-S/16 in PyTorch, from decoded pictures to boxes, beside `fovea bench localize --set weights=FILE`.

    python tests/peers/localize.py --weights vit_small.pth [--images 32] [--size 224] [--batch 16]

Random weights under DINO's names are written to FILE if there is none; --write does nothing else. Needs torch and scipy.
"""

import os

import numpy as np
import timing
import torch
import torch.nn.functional as F
from scipy import ndimage

parser = timing.parser(__doc__, 5)
parser.add_argument("--weights", required=True)
parser.add_argument("--write", action="store_true")
parser.add_argument("--images", type=int, default=32)
parser.add_argument("--size", type=int, default=224)
parser.add_argument("--batch", type=int, default=16)
args = parser.parse_args()
device = timing.begin(args)

WIDTH, DEPTH, HEADS, HIDDEN, PATCH, GRID = 384, 12, 6, 1536, 16, 14
POTENTIALS = 100


def random_weights():
    shapes = {"cls_token": (1, 1, WIDTH), "pos_embed": (1, GRID**2 + 1, WIDTH)}
    shapes |= {"patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH), "patch_embed.proj.bias": (WIDTH,)}
    shapes |= {"norm.weight": (WIDTH,), "norm.bias": (WIDTH,)}
    layers = {"norm1": (WIDTH, 0), "norm2": (WIDTH, 0), "attn.qkv": (3 * WIDTH, WIDTH), "attn.proj": (WIDTH, WIDTH)}
    layers |= {"mlp.fc1": (HIDDEN, WIDTH), "mlp.fc2": (WIDTH, HIDDEN)}
    for i in range(DEPTH):
        for name, (rows, columns) in layers.items():
            shapes[f"blocks.{i}.{name}.weight"] = (rows, columns) if columns else (rows,)
            shapes[f"blocks.{i}.{name}.bias"] = (rows,)
    is_scale = lambda name: "norm" in name and name.endswith("weight")
    return {name: torch.ones(shape) if is_scale(name) else 0.02 * torch.randn(shape) for name, shape in shapes.items()}


if not os.path.exists(args.weights):
    torch.save(random_weights(), args.weights)
if args.write:
    raise SystemExit
w = {name: tensor.to(device) for name, tensor in torch.load(args.weights, weights_only=True).items()}
pictures = torch.randint(0, 256, (args.images, args.size, args.size, 3), dtype=torch.uint8)
mean = torch.tensor([0.485, 0.456, 0.406], device=device)[:, None, None]
std = torch.tensor([0.229, 0.224, 0.225], device=device)[:, None, None]


def positions(side):
    own = w["pos_embed"]
    if side == GRID:
        return own
    grid = own[:, 1:].reshape(1, GRID, GRID, WIDTH).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, scale_factor=(side + 0.1) / GRID, mode="bicubic")
    return torch.cat([own[:, :1], grid.permute(0, 2, 3, 1).reshape(1, -1, WIDTH)], 1)


def keys(images):
    """The last block's keys without the class token: [N, patches, WIDTH]."""
    n = images.shape[0]
    x = F.conv2d(images, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=PATCH).flatten(2).transpose(1, 2)
    x = torch.cat([w["cls_token"].expand(n, -1, -1), x], 1) + positions(images.shape[-1] // PATCH)
    tokens = x.shape[1]
    for i in range(DEPTH):
        own = lambda name: (w[f"blocks.{i}.{name}.weight"], w[f"blocks.{i}.{name}.bias"])
        y = F.layer_norm(x, (WIDTH,), *own("norm1"), 1e-6)
        weight, bias = own("attn.qkv")
        if i == DEPTH - 1:
            return F.linear(y, weight[WIDTH : 2 * WIDTH], bias[WIDTH : 2 * WIDTH])[:, 1:]
        q, k, v = F.linear(y, weight, bias).reshape(n, tokens, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, WIDTH)
        x = x + F.linear(y, *own("attn.proj"))
        y = F.layer_norm(x, (WIDTH,), *own("norm2"), 1e-6)
        x = x + F.linear(F.gelu(F.linear(y, *own("mlp.fc1"))), *own("mlp.fc2"))


def lost(similarity, side, size):
    """The box of one picture from the products of its keys."""
    degrees = (similarity > 0).sum(1) - (np.diag(similarity) > 0)
    potentials = np.argsort(degrees, kind="stable")[:POTENTIALS]
    seed = potentials[0]
    kept = potentials[similarity[seed, potentials] > 0]
    labels, _ = ndimage.label((similarity[kept].sum(0) > 0).reshape(side, side))
    own = labels.flat[seed]
    if own == 0:
        return None
    ys, xs = np.where(labels == own)
    box = PATCH * np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    return np.minimum(box, size)


@torch.no_grad()
def localize():
    for start in range(0, args.images, args.batch):
        images = pictures[start : start + args.batch].permute(0, 3, 1, 2).to(device).float() / 255
        pad = -args.size % PATCH
        images = F.pad((images - mean) / std, (0, pad, 0, pad))
        k = keys(images)
        side = images.shape[-1] // PATCH
        for similarity in (k @ k.transpose(1, 2)).cpu().numpy():
            lost(similarity, side, args.size)


values = timing.in_turn({"lost": localize}, args.repeats, device)
settings = {"images": args.images, "size": args.size, "batch": args.batch}
timing.show("localize", settings, device, args.images, "pictures", values)
