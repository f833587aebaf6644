"""From heatmaps to boxes with scipy.ndimage.label and tensor operations, beside `fovea bench extract`.

    python tests/peers/extract.py [--batch 32] [--size 224] [--repeats 20]

Times three ways in turn, on the heatmaps that Fovea takes: on the host, as tensors, and with the gradient of the
straight-through box. --checksum prints the sum of the heatmaps, which a test of Fovea's has. Needs torch and scipy.
"""

import numpy as np
import timing
import torch
import torch.nn.functional as F
from boxes import hard_boxes, straight_through

parser = timing.parser(__doc__, 20)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--size", type=int, default=224)
parser.add_argument("--checksum", action="store_true")
args = parser.parse_args()
device = timing.begin(args)


def uniform(count):
    """Numbers in 0..1 that Rust draws alike: a linear congruential generator with Knuth's factor."""
    state, drawn = 1, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1) % 2**64
        drawn.append((state >> 40) / 2**24)
    return np.array(drawn, np.float32)


side = -(-args.size // 32)
cams = np.maximum(2 * uniform(args.batch * side * side) - np.float32(0.7), 0)
cams = torch.from_numpy(cams).reshape(args.batch, 1, side, side).to(device)
heatmaps = F.interpolate(cams, size=(args.size, args.size), mode="bilinear")[:, 0]
heatmaps = heatmaps / heatmaps.flatten(1).amax(1).clamp_min(1e-12)[:, None, None]
if args.checksum:
    raise SystemExit(print(float(heatmaps.double().sum())))
on_host = heatmaps.cpu().numpy()


def tensor():
    with torch.no_grad():
        straight_through(heatmaps).cpu()


def gradient():
    tracked = heatmaps.clone().requires_grad_()
    straight_through(tracked).sum().backward()
    tracked.grad.max().item()


works = {"host": lambda: hard_boxes(on_host), "tensor": tensor, "gradient": gradient}
values = timing.in_turn(works, args.repeats, device)
timing.show("extract", {"batch": args.batch, "size": args.size}, device, args.batch, "boxes", values)
