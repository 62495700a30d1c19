"""What the network is asked to get right.

Cells are matched to objects by task alignment (TOOD: Feng et al., arXiv:2108.07755); boxes are judged by
generalised IoU (Rezatofighi et al., arXiv:1902.09630), scores by cross entropy against the alignment.
"""

from __future__ import annotations

import torch
from tools.train_plaza.network import to_corners
from torch import Tensor
from torch.nn import functional

TOP_K = 10
ALPHA, BETA = 0.5, 6.0


def overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and generalised IoU of boxes (..., 4), broadcast."""
    low = torch.maximum(a[..., :2], b[..., :2])
    high = torch.minimum(a[..., 2:], b[..., 2:])
    inter = (high - low).clamp(min=0).prod(-1)
    union = _area(a) + _area(b) - inter
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    iou = inter / union.clamp(min=1e-6)
    return iou, iou - (hull - union) / hull.clamp(min=1e-6)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


@torch.no_grad()  # type: ignore[untyped-decorator]
def assign(
    scores: Tensor, boxes: Tensor, centres: Tensor, truth: Tensor, classes: Tensor, real: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Match cells to objects.

    Args:
        scores: (B, N, C) in 0..1.
        boxes: (B, N, 4) predicted corners.
        centres: (N, 2).
        truth: (B, M, 4), padded.
        classes: (B, M).
        real: (B, M), False for padding.

    Returns:
        Which object each cell has (B, N), whether it has one (B, N), and its target score (B, N).
    """
    iou = overlap(boxes[:, None], truth[:, :, None])[0]  # (B, M, N)
    index = classes[:, :, None].expand(-1, -1, scores.shape[1])
    score = scores.transpose(1, 2).gather(1, index)
    reach = torch.cat((centres - truth[:, :, None, :2], truth[:, :, None, 2:] - centres), -1)
    inside = reach.amin(-1) > 0
    # Things narrower than a cell may hold no centre: let them have the nearest cells.
    middle = (truth[..., :2] + truth[..., 2:]) / 2
    near = (centres - middle[:, :, None]).abs().amax(-1) < 6.0
    candidate = (inside | near) & real[:, :, None]
    alignment = score.pow(ALPHA) * iou.clamp(min=1e-4).pow(BETA) * candidate
    best = alignment.topk(min(TOP_K, alignment.shape[-1]), -1)
    chosen = torch.zeros_like(candidate).scatter_(-1, best.indices, True) & candidate
    # A cell wanted by several objects goes to the one it overlaps most.
    contested = torch.where(chosen, iou + 1e-6, torch.zeros_like(iou))
    strongest, owner = contested.max(1)
    taken = strongest > 0
    mine = functional.one_hot(owner, truth.shape[1]).transpose(1, 2).bool() & chosen
    held = alignment * mine
    peak = held.amax(-1, keepdim=True).clamp(min=1e-12)
    reached = (iou * mine).amax(-1, keepdim=True)
    target = (held / peak * reached).amax(1)
    return owner, taken, target * taken


def loss(
    logits: Tensor,
    reach: Tensor,
    centres: Tensor,
    truth: Tensor,
    classes: Tensor,
    real: Tensor,
    ignored: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the loss of the scores and that of the boxes.

    `ignored` (B, K, 4) are boxes whose cells are judged neither way; zeros are padding.
    """
    logits = logits.float()
    boxes = to_corners(centres, reach)
    owner, taken, target = assign(logits.sigmoid(), boxes, centres, truth, classes, real)
    wanted = torch.zeros_like(logits)
    mine = classes.gather(1, owner)
    wanted.scatter_(2, mine[..., None], (target * taken)[..., None])
    inside = (
        torch.cat((centres - ignored[:, :, None, :2], ignored[:, :, None, 2:] - centres), -1).amin(-1) > 0
    )
    free = inside.any(1) & ~taken
    norm = target.sum().clamp(min=1.0)
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    score_loss = (entropy.sum(-1) * ~free).sum() / norm
    goal = truth.gather(1, owner[..., None].expand(-1, -1, 4))
    giou = overlap(boxes[taken], goal[taken])[1]
    box_loss = ((1 - giou) * target[taken]).sum() / norm
    return score_loss, box_loss
