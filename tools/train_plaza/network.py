"""The network: a small anchor-free detector at strides 8, 16 and 32.

A plain convolutional body with cross-stage blocks (CSPNet: Wang et al., arXiv:1911.11929), a feature
pyramid (Lin et al., arXiv:1612.03144), and a head that predicts, at every cell, one score per class and
the distances to the four sides of the box (FCOS: Tian et al., arXiv:1904.01355). Losses are in `losses`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)


class Conv(nn.Sequential):  # type: ignore[misc]
    """Convolution, batch norm, ReLU: the activation that every engine folds into the convolution."""

    def __init__(self, c_in: int, c_out: int, k: int = 3, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, k, stride, k // 2, groups=groups, bias=False),
            nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):  # type: ignore[misc]
    """Two convolutions and a short cut."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.body = nn.Sequential(Conv(c, c), Conv(c, c))

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        out: Tensor = x + self.body(x)
        return out


class Stage(nn.Module):  # type: ignore[misc]
    """Half of the channels go through `depth` residual blocks, the other half goes round them."""

    def __init__(self, c_in: int, c_out: int, depth: int) -> None:
        super().__init__()
        self.around = Conv(c_in, c_out // 2, 1)
        self.through = nn.Sequential(Conv(c_in, c_out // 2, 1), *(Residual(c_out // 2) for _ in range(depth)))
        self.join = Conv(c_out, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, c_out, H, W)."""
        out: Tensor = self.join(torch.cat((self.around(x), self.through(x)), 1))
        return out


class Pool(nn.Module):  # type: ignore[misc]
    """Looks at three sizes of neighbourhood at once (He et al., arXiv:1406.4729)."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.narrow = Conv(c, c // 2, 1)
        self.widen = Conv(c * 2, c, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        a = self.narrow(x)
        b = functional.max_pool2d(a, 5, 1, 2)
        c = functional.max_pool2d(b, 5, 1, 2)
        d = functional.max_pool2d(c, 5, 1, 2)
        out: Tensor = self.widen(torch.cat((a, b, c, d), 1))
        return out


class Head(nn.Module):  # type: ignore[misc]
    """Scores and distances apart from each other."""

    def __init__(self, c: int, classes: int) -> None:
        super().__init__()
        self.score = nn.Sequential(Conv(c, c, 3, groups=c), Conv(c, c, 1), nn.Conv2d(c, classes, 1))
        self.reach = nn.Sequential(Conv(c, c, 3, groups=c), Conv(c, c, 1), nn.Conv2d(c, 4, 1))
        nn.init.constant_(self.score[-1].bias, -4.6)  # a cell is an object once in a hundred
        nn.init.constant_(self.reach[-1].bias, 1.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, classes, H, W) and distances in strides (B, 4, H, W)."""
        return self.score(x), functional.softplus(self.reach(x))


class PlazaNet(nn.Module):  # type: ignore[misc]
    """From (B, 3, H, W) RGB in 0..1 to logits and distances of every cell."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(Conv(3, 16, 3, 2), Conv(16, 32, 3, 2), Conv(32, 32))
        self.down3 = nn.Sequential(Conv(32, 64, 3, 2), Stage(64, 64, 1))
        self.down4 = nn.Sequential(Conv(64, 96, 3, 2), Stage(96, 96, 2))
        self.down5 = nn.Sequential(Conv(96, 128, 3, 2), Stage(128, 128, 1), Pool(128))
        self.up5 = Conv(128, 64, 1)
        self.up4 = Stage(64 + 96, 64, 1)
        self.up3 = Stage(64 + 64, 64, 1)
        self.down_a = Conv(64, 64, 3, 2)
        self.mix4 = Stage(128, 64, 1)
        self.down_b = Conv(64, 64, 3, 2)
        self.mix5 = Stage(128, 64, 1)
        self.heads = nn.ModuleList(Head(64, classes) for _ in STRIDES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, N, classes) and distances in pixels (B, N, 4: left, top, right, bottom)."""
        p3 = self.down3(self.stem(images))
        p4 = self.down4(p3)
        p5 = self.up5(self.down5(p4))
        n4 = self.up4(torch.cat((functional.interpolate(p5, scale_factor=2.0), p4), 1))
        n3 = self.up3(torch.cat((functional.interpolate(n4, scale_factor=2.0), p3), 1))
        n4 = self.mix4(torch.cat((self.down_a(n3), n4), 1))
        n5 = self.mix5(torch.cat((self.down_b(n4), p5), 1))
        scores, reaches = [], []
        for head, stride, level in zip(self.heads, STRIDES, (n3, n4, n5), strict=True):
            score, reach = head(level)
            scores.append(score.flatten(2).transpose(1, 2))
            reaches.append(reach.flatten(2).transpose(1, 2).float() * stride)
        return torch.cat(scores, 1), torch.cat(reaches, 1)


def cell_centres(height: int, width: int) -> Tensor:
    """Return (N, 2) centres x, y in pixels of all cells, in the order of the network's output."""
    levels = []
    for stride in STRIDES:
        y, x = torch.meshgrid(
            torch.arange(height // stride) + 0.5, torch.arange(width // stride) + 0.5, indexing="ij"
        )
        levels.append(torch.stack((x, y), -1).reshape(-1, 2) * stride)
    return torch.cat(levels)


def to_corners(centres: Tensor, reach: Tensor) -> Tensor:
    """Return (..., N, 4) corners x1, y1, x2, y2 in pixels."""
    return torch.cat((centres - reach[..., :2], centres + reach[..., 2:]), -1)


class Peaks(nn.Module):  # type: ignore[misc]
    """Halves the score of every cell that a neighbour outdoes, so that one object is reported about once.

    Neighbouring cells see the same object and draw slightly different boxes, too different for the usual
    NMS at an overlap of 0.7 (peaks of a score map: CenterNet, Zhou et al., arXiv:1904.07850). Halved, not
    dropped: in a crowd the neighbour may be somebody else.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.sizes = [(height // stride, width // stride) for stride in STRIDES]

    def forward(self, scores: Tensor) -> Tensor:
        """Return (B, classes, N) scores."""
        kept, start = [], 0
        for rows, columns in self.sizes:
            level = scores[:, :, start : start + rows * columns].unflatten(2, (rows, columns))
            best = functional.max_pool2d(level, 3, 1, 1)
            # A hundredth of grace: in bfloat16 a peak may differ from itself.
            peak = (level * 1.01 >= best).to(level.dtype)
            kept.append((level * (0.5 + 0.5 * peak)).flatten(2))
            start += rows * columns
        return torch.cat(kept, 2)


class Exported(nn.Module):  # type: ignore[misc]
    """The network as others read it: (B, 4 + classes, N) with cx, cy, w, h in pixels and scores."""

    def __init__(self, net: PlazaNet, height: int, width: int) -> None:
        super().__init__()
        self.net = net
        self.peaks = Peaks(height, width)
        self.register_buffer("centres", cell_centres(height, width))

    def forward(self, images: Tensor) -> Tensor:
        """Return the YOLOv8 layout."""
        logits, reach = self.net(images)
        left_top, right_bottom = reach[..., :2], reach[..., 2:]
        middle = self.centres + (right_bottom - left_top) / 2
        boxes = torch.cat((middle, left_top + right_bottom), -1).transpose(1, 2)
        return torch.cat((boxes, self.peaks(logits.sigmoid().transpose(1, 2))), 1)
