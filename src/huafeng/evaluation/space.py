"""Style and content as numbers: what of a network's features says how something is painted, and what says what is shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from huafeng.errors import DataError
from huafeng.pixels import F32

F64 = NDArray[np.float64]
Half = NDArray[np.float16]

ALIKE = 0.99  # similarity of unrelated photos from which on they are copies of one
FAINT = 1e-3  # deviations below this share of a channel's usual one carry no content


class StyleSpace:
    """Channel means and deviations of all style layers as one vector, every layer weighing the same.

    Each layer is divided by the works' root mean square of it; the origin is the middle between the photos' mean and the
    works' mean, the unit the root mean square of both around it. So the cubic kernel of KID sees numbers near 1, whatever
    the network's own scale, and neither end is nearer to the origin.

    Args:
        photos, works: by layer float32 [N, 2, C] and [M, 2, C].
    """

    def __init__(self, photos: Sequence[F32], works: Sequence[F32]) -> None:
        self._scales = [np.sqrt(np.square(layer, dtype=np.float64).mean()) or 1.0 for layer in works]  # 0: a dead layer
        ends = [self._joined(photos), self._joined(works)]
        self._origin: F64 = (ends[0].mean(0) + ends[1].mean(0)) / 2
        self._unit = np.sqrt(sum(np.square(end - self._origin).mean() for end in ends) / 2)

    def __call__(self, style: Sequence[F32]) -> F64:
        """By layer [N, 2, C] -> [N, D]."""
        vectors: F64 = (self._joined(style) - self._origin) / self._unit
        return vectors

    def _joined(self, style: Sequence[F32]) -> F64:
        wide = [
            layer.reshape(len(layer), -1) / (scale * layer[0].size ** 0.5)
            for layer, scale in zip(style, self._scales, strict=True)
        ]
        return np.concatenate(wide, axis=1)


class ContentSpace:
    """How much of the photos' content a result keeps, place by place.

    Similarity is the correlation over space of each channel of the content layer in result and photo, a mean over channels
    weighted by their variance in the photos. Being a correlation it does not see the channels' means and deviations, which
    are style. Content kept is 1 for the photo itself and 0 for the mean unrelated photo.

    Args:
        photos: content layer float32 [N, C, h, w] of N >= 2 photos.

    Raises:
        DataError: the layer tells none of the photos from another one.
    """

    def __init__(self, photos: F32) -> None:
        variance = photos.var((2, 3)).mean(0)  # [C]
        if not variance.any():
            raise DataError("The network sees nothing in these photos, its content layer is flat: give other photos.")
        self._floor = np.float32(FAINT) * np.sqrt(variance)
        self._weights = variance.astype(np.float64) / variance.sum()
        self.photos = self._standard(photos).astype(np.float16)
        self._own = self._products(self.photos, self.photos)
        pairs = [np.roll(np.arange(len(photos)), k) for k in _shifts(len(photos))]
        self.unrelated = float(np.mean([self._similar(self.photos, self._own, rows).mean() for rows in pairs]))
        if self.unrelated > ALIKE:
            raise DataError("All photos look the same to the network: give different photos.")

    def kept(self, results: F32, rows: Sequence[int]) -> F64:
        """Results' content layer [n, C, h, w] of the photos in these rows -> content kept [n]."""
        standard = self._standard(results).astype(np.float16)
        similar = self._similar(standard, self._products(standard, standard), np.asarray(rows))
        return (similar - self.unrelated) / (1 - self.unrelated)

    def _similar(self, standard: Half, own: F64, rows: NDArray[np.intp]) -> F64:
        lengths = np.sqrt(own * self._own[rows])
        shared = self._products(standard, self.photos[rows])
        return np.divide(shared, lengths, out=np.zeros_like(shared), where=lengths > 0)  # in a flat picture nothing is similar

    def _standard(self, content: F32) -> F32:
        """Mean 0 and deviation 1 over space; a channel that is as good as flat stays near 0."""
        centred = content - content.mean((2, 3), keepdims=True)
        deviation = np.sqrt(np.square(centred).mean((2, 3), keepdims=True))
        usual = deviation + self._floor[:, None, None]
        return np.divide(centred, usual, out=np.zeros_like(centred), where=usual > 0)  # 0: a channel that is always flat

    def _products(self, a: Half, b: Half) -> F64:
        """Weighted mean over channels of the products' mean over space [N]."""
        found = np.empty(len(a), np.float64)
        for i in range(len(a)):  # one at a time: in float32 all of them would be twice the memory
            one = a[i].reshape(a.shape[1], -1).astype(np.float32)
            other = one if a is b else b[i].reshape(b.shape[1], -1).astype(np.float32)
            found[i] = np.einsum("cp,cp->c", one, other).astype(np.float64) @ self._weights / one.shape[1]
        return found


def _shifts(count: int) -> Sequence[int]:
    """Some different ways to pair each of `count` photos with another one."""
    return sorted({max(1, round(count * share)) % count or 1 for share in (0.1, 0.3, 0.5, 0.7)})


def gram_distances(grams: Sequence[F32], wanted: Sequence[F32]) -> F64:
    """By layer [N, C, C] and [C, C] -> relative distance |G - T| / |T| (Frobenius), a mean over layers: [N]."""
    apart = [
        np.linalg.norm(layer - target, axis=(1, 2)) / np.linalg.norm(target)
        for layer, target in zip(grams, wanted, strict=True)
    ]
    return np.mean(apart, axis=0, dtype=np.float64)
