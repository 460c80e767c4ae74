"""The look learner's network: moments of a folder's finished pictures -> the grade that lies over them.

Amortised inference (Cranmer, Brehmer & Louppe, "The frontier of simulation-based inference", PNAS 2020): it has seen what
hundreds of thousands of random grades do to photos. Of each picture it is told the moments that tell a grade from content
(`huafeng.lookmoments`); attention among the pictures (Lee et al., "Set Transformer", ICML 2019) weighs them into one guess. The
guess is laid over photos in general, and by what their moments still lack it is asked again (Carreira et al., "Human Pose
Estimation with Iterative Error Feedback", CVPR 2016).

A guess has two parts: 160 coordinates z of the grade along principal components of random grades (`gradeprior`), in deviations,
by the colour that goes in; and 64 of a learned table by the colour that comes out, so that it can be quite grey:
out = y + sum_k z'_k b_k(y), y = x + sum_k z_k a_k(x).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.lookguess import ASKING, BLOCKS, HEADS, LEAST_DOUBT, MOST, MOST_DOUBT, NODES, SHARPER, USUAL_COUNT
from huafeng.training.tables import enlarged, identity, lookup

WIDTH, HIDDEN, LACK = 256, 640, 256
SECOND = 64
DROPPED = 0.05  # share of the numbers that dropout makes 0
GELU = nn.GELU(approximate="tanh")


def whole(x: Tensor) -> Tensor:
    """Without dropout."""
    return x


def dropping(draw: torch.Generator) -> Callable[[Tensor], Tensor]:
    """Dropout of one step (Srivastava et al., JMLR 2014): a twentieth of all numbers become 0, the others larger by as much."""
    return lambda x: x * (torch.rand(x.shape, device=x.device, generator=draw) >= DROPPED) / (1 - DROPPED)


class LookNetwork(nn.Module):
    """See `folder`, `first`, `again`, `doubts` and `tables`.

    fields: components of random grades, one deviation of each, offsets of colours in 0..1 [160, 9, 9, 9, 3].
    usual, deviation: of the moments of single pictures [M] each.
    """

    fields: Tensor
    usual: Tensor
    deviation: Tensor

    def __init__(self, fields: Tensor, usual: Tensor, deviation: Tensor) -> None:
        super().__init__()
        for name, tensor in (("fields", fields), ("usual", usual), ("deviation", deviation)):
            self.register_buffer(name, tensor)
        count, guess = len(usual), len(fields) + SECOND
        self.moments = nn.Linear(2 * count, WIDTH)
        self.asking = nn.Parameter(0.5 * torch.randn(ASKING, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(WIDTH)
        self.means = nn.Linear(2 * count, LACK)
        self.head = nn.Linear((ASKING + 1) * WIDTH + LACK + 1, HIDDEN)
        self.begin = nn.ModuleList([nn.Linear(HIDDEN, HIDDEN), _faint(HIDDEN, guess)])
        self.left = nn.Linear(count, LACK)
        self.more = nn.ModuleList([nn.Linear(HIDDEN + LACK + guess, HIDDEN), nn.Linear(HIDDEN, HIDDEN), _faint(HIDDEN, guess)])
        self.doubt = nn.ModuleList([nn.Linear(HIDDEN, WIDTH), _faint(WIDTH, len(fields))])
        self.second = nn.Linear(SECOND, NODES**3 * 3, bias=False)
        nn.init.normal_(self.second.weight, std=0.02)

    def folder(self, moments: Tensor, own: Tensor, drop: Callable[[Tensor], Tensor] = whole) -> Tensor:
        """What is seen of folders [F, HIDDEN].

        moments: of each picture [F, n, M].   own: mean moments of untouched photos [F, M].   drop: dropout.
        """
        folders, count = moments.shape[:2]
        scaled, plain = (((x - self.usual) / self.deviation).clamp(-MOST, MOST) for x in (moments, own))
        tokens = drop(self.moments(torch.cat([scaled, plain[:, None].expand_as(scaled)], 2)))
        tokens = torch.cat([self.asking.expand(folders, -1, -1).to(tokens.dtype), tokens], 1)
        for block in self.blocks:
            tokens = block(tokens, drop)
        tokens = self.norm(tokens)
        sized = torch.full((folders, 1), math.log(count / USUAL_COUNT), device=moments.device)
        means = GELU(self.means(torch.cat([scaled.mean(1), plain], 1)))
        return GELU(self.head(torch.cat([tokens[:, :ASKING].flatten(1), tokens[:, ASKING:].mean(1), means, sized], 1)))

    def first(self, folder: Tensor) -> Tensor:
        """The first guess [F, 160 + 64]: z, z'."""
        return self.begin[1](GELU(self.begin[0](folder)))

    def again(self, folder: Tensor, guess: Tensor, left: Tensor) -> Tensor:
        """A better guess than `guess`; left: what the mean moments of photos under it lack [F, M]."""
        lacking = GELU(self.left((SHARPER * left / self.deviation).clamp(-MOST, MOST)))
        seen = torch.cat([folder, lacking, guess], 1)
        for layer in self.more[:-1]:
            seen = GELU(layer(seen))
        return guess + self.more[-1](seen)

    def doubts(self, folder: Tensor) -> Tensor:
        """Logarithms of how far off each z may be, in deviations [F, 160]. The folder's features do not learn from it."""
        return self.doubt[1](GELU(self.doubt[0](folder.detach()))).clamp(LEAST_DOUBT, MOST_DOUBT)

    def offsets(self, guess: Tensor, size: int) -> Tensor:
        """What guesses [F, 160 + 64] add by the colour that goes in [F, N, N, N, 3], N = size."""
        z = guess[:, : len(self.fields)]
        return enlarged((z @ self.fields.flatten(1)).unflatten(1, self.fields.shape[1:]), size)

    def tables(self, guess: Tensor, size: int) -> Tensor:
        """Guesses [F, 160 + 64] as tables [F, N, N, N, 3], N = size; values may be beyond 0..1."""
        first = identity(size, guess.device) + self.offsets(guess, size)
        more = self.second(guess[:, len(self.fields) :]).unflatten(1, self.fields.shape[1:])
        return first + lookup(more, first.clamp(0, 1).flatten(1, 3)).reshape(first.shape)


class Block(nn.Module):
    """Attention among a folder's tokens, then each by itself, normed before (Xiong et al., ICML 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.asked, self.told = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor, drop: Callable[[Tensor], Tensor]) -> Tensor:
        """[F, t, WIDTH] -> the same."""
        q, k, v = self.asked(self.norms[0](x)).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        x = x + drop(self.told(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)))
        return x + drop(self.narrow(GELU(self.wide(self.norms[1](x)))))


def _faint(inward: int, outward: int) -> nn.Linear:
    """A layer that says next to nothing at first."""
    layer = nn.Linear(inward, outward)
    nn.init.normal_(layer.weight, std=0.002)
    nn.init.zeros_(layer.bias)
    return layer
