"""Gram matrices that come near the works' in the mean over many results, and not each by itself.

No result can have its works' matrices exactly, as it shows something else. Asked for them one by one, results shrink towards
what they have in common: E|G - T|^2 = |E G - T|^2 + Var G, and least variance is least paint. So they are pooled: the mean
shall be right, and results may differ as works do. The mean is a moving one over earlier steps, whose results are not asked to
change any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from huafeng.training.losses import style_loss


class PooledGrams(nn.Module):
    """Moving means, by style, of what results' Gram matrices have too much or too little.

    Args:
        sizes: channels of each layer, by the layer's name.
        styles: how many there are.
        kept: how much of the mean each further result leaves of it, 0..1; 0.96: some 25 results are remembered.
    """

    def __init__(self, sizes: Mapping[str, int], styles: int, kept: float) -> None:
        super().__init__()
        self.kept = kept
        for name, channels in sizes.items():
            self.register_buffer(name, torch.zeros(styles, channels, channels))
            self.register_buffer(f"{name}_seen", torch.zeros(styles))

    def forward(self, name: str, made: Tensor, target: Tensor, styles: Sequence[int]) -> Tensor:
        """Squared distance over the target's own mean square, mean over the batch; what is seen is remembered.

        With r the mean of made - target over a style's n results of the batch, a = 1 - kept^n, and m the moving mean of r:
        m <- (1 - a) m + a r (without the bias of its beginning), distance |m|^2; its gradient is that for r = m.

        Args:
            name: of the layer.
            made, target: Gram matrices [B, C, C].
            styles: the style of each; below 0: any picture, whose matrices are compared one by one.
        """
        excess, scale = made - target, target.square().mean((1, 2))
        single = [row for row, style in enumerate(styles) if style < 0]
        parts = [len(single) * style_loss(made[single], target[single])] if single else []
        sums, seen = self.get_buffer(name), self.get_buffer(f"{name}_seen")
        for style in sorted({style for style in styles if style >= 0}):
            rows = [row for row, one in enumerate(styles) if one == style]
            left, now = self.kept ** len(rows), excess[rows].mean(0)
            with torch.no_grad():
                sums[style] = left * sums[style] + (1 - left) * now
                seen[style] = left * seen[style] + 1 - left
                mean = sums[style] / seen[style]
            distance = (mean * (mean + 2 * (now - now.detach()))).mean()
            parts.append(len(rows) * distance / scale[rows].mean())
        return torch.stack(parts).sum() / len(styles)
