"""Training steps in PyTorch, the way people write them, beside `fovea bench step`.

    python tests/peers/step.py --model resnet18 --batch 32 --size 64 [--repeats 10] [--threads 2] [--device cpu]

Times cross-entropy only and RIA in turn: create_graph=True for alpha, scipy.ndimage.label for each picture, the
straight-through box. Needs torch, torchvision and scipy.
"""

import timing
import torch
import torch.nn.functional as F
import torchvision
from boxes import straight_through

parser = timing.parser(__doc__, 10)
parser.add_argument("--model", default="resnet18")
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--size", type=int, default=64)
args = parser.parse_args()
device = timing.begin(args)

model = getattr(torchvision.models, args.model)(num_classes=10).to(device).train()
for module in model.modules():
    if isinstance(module, torch.nn.ReLU):
        # Hooks would see what a later operation has overwritten.
        module.inplace = False
layer = model.features[-2] if args.model.startswith("vgg") else model.layer4[-1]
optimizer = torch.optim.Adam(model.parameters(), 1e-4)
size = args.size
images = torch.rand(args.batch, 3, size, size, device=device)
labels = torch.randint(0, 10, (args.batch,), device=device)
target = torch.tensor([[size * 0.25, size * 0.25, size * 0.75, size * 0.75]], device=device).repeat(args.batch, 1)
seen = {}
layer.register_forward_hook(lambda module, inputs, output: seen.update(activations=output))


def none():
    return F.cross_entropy(model(images), labels)


def ria():
    logits = model(images)
    activations = seen["activations"]
    predicted = logits.argmax(1, keepdim=True)
    (gradient,) = torch.autograd.grad(logits.gather(1, predicted).sum(), activations, create_graph=True)
    cam = torch.relu((gradient.mean((2, 3), keepdim=True) * activations).sum(1, keepdim=True))
    heatmaps = F.interpolate(cam, size=(size, size), mode="bilinear")[:, 0]
    heatmaps = heatmaps / heatmaps.flatten(1).amax(1).clamp_min(1e-12)[:, None, None]
    box = straight_through(heatmaps)
    sides = (torch.min(box[:, 2:], target[:, 2:]) - torch.max(box[:, :2], target[:, :2])).clamp(min=0)
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    diagonal = ((box[:, 2] - box[:, 0]) ** 2 + (box[:, 3] - box[:, 1]) ** 2).sqrt() / (size * 2**0.5)
    loss = 1 - sides[:, 0] * sides[:, 1] / area.clamp_min(1e-6) + 0.1 * diagonal
    return F.cross_entropy(logits, labels) + 0.5 * loss.mean()


def step(objective):
    loss = objective()
    loss.backward()
    optimizer.step()
    loss.item()
    optimizer.zero_grad()


values = timing.in_turn({"none": lambda: step(none), "ria": lambda: step(ria)}, args.repeats, device)
settings = {"model": args.model, "batch": args.batch, "size": size}
timing.show("step", settings, device, args.batch, "pictures", values)
