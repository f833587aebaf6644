"""The evaluation of a trial in eager PyTorch, beside `fovea bench eval`.

    python tests/peers/eval.py --model resnet18 --size 64 [--images 100] [--levels 7] [--draws 1] [--batch 64]

Accuracy, Grad-CAM with boxes and all metrics of explanations, and accuracy under Gaussian noise in the foreground and in the
background, without gradients: Grad-CAM's weights in closed form, which only ResNets have here. Random pictures with one disc
each as the object. Needs torch, torchvision and scipy.
"""

import timing
import torch
import torch.nn.functional as F
import torchvision
from boxes import hard_boxes

parser = timing.parser(__doc__, 5)
parser.add_argument("--model", default="resnet18")
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--images", type=int, default=100)
parser.add_argument("--levels", type=int, default=7)
parser.add_argument("--draws", type=int, default=1)
parser.add_argument("--batch", type=int, default=64)
args = parser.parse_args()
device = timing.begin(args)
size = args.size

model = getattr(torchvision.models, args.model)(num_classes=10).to(device).eval()
seen = {}
model.layer4.register_forward_hook(lambda module, inputs, output: seen.update(activations=output))
pictures = torch.randint(0, 256, (args.images, size, size, 3), dtype=torch.uint8)
labels = torch.randint(0, 10, (args.images,))
grid = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij"), -1).float()
centres = size * (0.3 + 0.4 * torch.rand(args.images, 1, 1, 2))
masks = ((grid - centres) ** 2).sum(-1).sqrt() < size * 0.2
levels = [30.0 * level / 255 for level in range(1, args.levels + 1)]


def batches():
    for start in range(0, args.images, args.batch):
        part = slice(start, start + args.batch)
        yield part, pictures[part].permute(0, 3, 1, 2).contiguous().float() / 255, masks[part]


def overlap(box, other):
    sides = (torch.min(box[:, 2:], other[:, 2:]) - torch.max(box[:, :2], other[:, :2])).clamp(min=0)
    area = lambda b: (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    inner = sides[:, 0] * sides[:, 1]
    return inner / (area(box) + area(other) - inner)


def clean():
    """Accuracy and explanations, of one pass."""
    found, right = [], 0
    for part, images, mask in batches():
        predicted = model(images.to(device)).softmax(1).argmax(1)
        right += (predicted.cpu() == labels[part]).sum().item()
        activations = seen["activations"]
        alpha = model.fc.weight[predicted] / activations.shape[2] / activations.shape[3]
        cam = torch.relu((alpha[:, :, None, None] * activations).sum(1, keepdim=True))
        heatmaps = F.interpolate(cam, size=(size, size), mode="bilinear")[:, 0]
        heatmaps = (heatmaps / heatmaps.flatten(1).amax(1).clamp_min(1e-12)[:, None, None]).cpu()
        boxes, _ = hard_boxes(heatmaps.numpy())
        truth, _ = hard_boxes(mask.float().numpy())
        g, m = heatmaps.flatten(1), mask.flatten(1).float()
        above, inside = (g > 0.5).float(), (g * m).sum(1)
        order = g.argsort(1, descending=True)
        hits = m.gather(1, order)
        precision = hits.cumsum(1) / torch.arange(1, g.shape[1] + 1)
        found.append(torch.stack([
            overlap(torch.from_numpy(boxes), torch.from_numpy(truth)),
            (above * m).sum(1) / ((above + m) > 0).float().sum(1),
            inside / g.sum(1).clamp_min(1e-12),
            inside / m.sum(1) - (g * (1 - m)).sum(1) / (1 - m).sum(1),
            (precision * hits).sum(1) / m.sum(1),
            m.gather(1, order[:, :1])[:, 0],
        ]))
    return right / args.images, torch.cat(found, 1).mean(1)


def noise():
    right = torch.zeros(len(levels), 2)
    for part, images, mask in batches():
        for draw in range(args.draws):
            z = torch.randn(images.shape, generator=torch.Generator().manual_seed(part.start * 100 + draw))
            for i, level in enumerate(levels):
                for j, region in enumerate([mask, ~mask]):
                    noisy = (images + level * z * region[:, None]).clamp(0, 1)
                    right[i, j] += (model(noisy.to(device)).argmax(1).cpu() == labels[part]).sum()
    return right / args.images / args.draws


@torch.no_grad()
def evaluation():
    _, explanations = clean()
    assert explanations.isfinite().all()
    noise()


values = timing.in_turn({"evaluation": evaluation}, args.repeats, device)
names = ["model", "size", "levels", "draws", "batch"]
settings = {name: getattr(args, name) for name in names} | {"pictures": args.images}
passes = args.images * (1 + 2 * args.levels * args.draws)
timing.show("eval", settings, device, passes, "forward passes", values)
