"""torchvision's ImageFolder and PyTorch's DataLoader beside `fovea bench data --dataset folder --set root=ROOT`.

    python tests/peers/data.py --root ROOT [--size 224] [--batch 64] [--workers 2] [--later 2] [--repeats 3]

ROOT holds train/CLASS/*.jpg. Both crop, resize with antialiasing, mirror and turn to floats in 0..1 by the same rules
(RandomResizedCrop, scale 0.8 to 1, ratio 3/4 to 5/4). Fovea keeps decoded pictures in memory and hashes every batch for the
trace; here every epoch decodes, and nothing is hashed. Needs torch, torchvision and Pillow.
"""

import timing
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

parser = timing.parser(__doc__, 3)
parser.add_argument("--root", required=True)
parser.add_argument("--size", type=int, default=224)
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--workers", type=int, default=1, help="worker processes; 0: in the process itself")
parser.add_argument("--later", type=int, default=2, help="epochs after the first")
args = parser.parse_args()
device = timing.begin(args)

transform = transforms.Compose([
    transforms.RandomResizedCrop(args.size, scale=(0.8, 1.0), ratio=(0.75, 1.25), antialias=True),
    transforms.RandomHorizontalFlip(),
    transforms.ToTensor(),
])
pictures = ImageFolder(f"{args.root}/train", transform)


def loader():
    return DataLoader(pictures, args.batch, shuffle=True, num_workers=args.workers, persistent_workers=args.workers > 0)


def epoch(batches):
    for images, _ in batches:
        assert images.shape[1:] == (3, args.size, args.size)


epoch(loader())  # The system reads each file before any is timed.
values = {"first epoch": [], "later epochs": []}
for _ in range(args.repeats):
    batches = loader()
    values["first epoch"].append(timing.timed(lambda: epoch(batches), device))
    for _ in range(args.later):
        values["later epochs"].append(timing.timed(lambda: epoch(batches), device))
values = {what: seconds for what, seconds in values.items() if seconds}
settings = {"pictures": len(pictures), "size": args.size, "batch": args.batch, "workers": args.workers}
timing.show("data", settings, device, len(pictures), "pictures", values)
