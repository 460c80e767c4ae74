"""What is measured in pictures, before it is made figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huafeng.pixels import F32

F64 = NDArray[np.float64]


@dataclass
class Values:
    """What was measured in N pictures beside their photos.

    pairs: by figure [N], NaN where it cannot be measured.   style: by layer [N, 2, C].   content: [N].   grams: [N] or empty.
    lattice: [N, 9, 11, 11] or empty.   blended: per strength style layers and content.
    """

    pairs: dict[str, F64]
    style: tuple[F32, ...]
    content: F64
    grams: F64
    lattice: F64
    blended: tuple[tuple[tuple[F32, ...], F64], ...] = ()

    @classmethod
    def joined(cls, parts: Sequence[Values]) -> Values:
        """The values of several lots of pictures as those of all of them."""
        return cls(
            {name: np.concatenate([part.pairs[name] for part in parts]) for name in parts[0].pairs},
            layers([part.style for part in parts]),
            np.concatenate([part.content for part in parts]),
            np.concatenate([part.grams for part in parts]),
            np.concatenate([part.lattice for part in parts]),
            tuple(
                (layers([style for style, _ in strength]), np.concatenate([content for _, content in strength]))
                for strength in zip(*(part.blended for part in parts), strict=True)
            ),
        )


def layers(parts: Sequence[tuple[F32, ...]]) -> tuple[F32, ...]:
    """Layer by layer, one part behind the other."""
    return tuple(np.concatenate(layer) for layer in zip(*parts, strict=True))
