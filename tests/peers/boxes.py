"""From heatmaps to boxes as people write it: scipy labels components on the host, tensor operations make the soft box."""

import numpy as np
import torch
from scipy import ndimage


def hard_boxes(heatmaps, threshold=0.5):
    """Tight boxes [N, 4] of the components with the maxima, and the pixels [N, H, W] that are in no other component."""
    boxes, keep = np.zeros((len(heatmaps), 4), np.float32), np.zeros_like(heatmaps)
    for i, heatmap in enumerate(heatmaps):
        labels, _ = ndimage.label(heatmap > threshold)
        own = labels.flat[heatmap.argmax()]
        mask = labels == own if own else np.ones_like(labels, bool)
        ys, xs = np.where(mask)
        boxes[i] = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        keep[i] = (labels == 0) | mask
    return boxes, keep


def soft_edges(q):
    """Soft x1, y1, x2, y2 by the first and last crossing of the column and row occupancy of q [N, H, W]."""

    def first(c):
        position = torch.arange(c.shape[1], device=c.device, dtype=c.dtype)
        before = torch.cumprod(torch.cat([torch.ones_like(c[:, :1]), 1 - c[:, :-1]], 1), 1)
        return (position * c * before).sum(1)

    cx, cy = q.amax(1), q.amax(2)
    return torch.stack([first(cx), first(cy), cx.shape[1] - first(cx.flip(1)), cy.shape[1] - first(cy.flip(1))], 1)


def straight_through(heatmaps, threshold=0.5, tau=0.05):
    """Boxes [N, 4] with the value of the hard box and the gradient of the soft one."""
    hard, keep = hard_boxes(heatmaps.detach().cpu().numpy(), threshold)
    hard, keep = torch.from_numpy(hard).to(heatmaps.device), torch.from_numpy(keep).to(heatmaps.device)
    soft = soft_edges(torch.sigmoid((heatmaps - threshold) / tau) * keep)
    return soft + (hard - soft).detach()
