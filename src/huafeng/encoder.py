"""The style encoder in onnxruntime: any picture, or a set of them -> a style code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from huafeng.engine import Session
from huafeng.errors import StyleError
from huafeng.pixels import F32, U8, resize

VIEW_PX = 256  # side of what the encoder sees at once, as in training
SHORT_SIDE_PX = 512  # at which a picture's strokes are read
MOST_VIEWS = 12  # of one picture; a panorama has no more to say


class Encoder:
    """Opened from the tensors `encoder.*` of a base generator file and the bytes of its graph. Thread-safe."""

    def __init__(self, graph: bytes, weights: Mapping[str, F32], *, threads: int = 0) -> None:
        self._session = Session(graph, weights, threads=threads)

    def code(self, pictures: Iterable[U8]) -> F32:
        """The mean code [K] of some pictures uint8 [H, W, 3], each the mean over its views; one at a time in memory.

        Raises:
            StyleError: there are no pictures.
        """
        codes = [self.codes(np.stack(list(views(picture)))).mean(0) for picture in pictures]
        if not codes:
            raise StyleError("There are no pictures to take a style from.")
        return np.mean(codes, axis=0, dtype=np.float32)

    def codes(self, views: U8) -> F32:
        """The code of each view by itself: uint8 [N, VIEW_PX, VIEW_PX, 3] -> [N, K]."""
        return self._session.run({"views": views})["code"]


def views(picture: U8) -> Iterator[U8]:
    """Squares of VIEW_PX that cover a picture uint8 [H, W, 3], evenly, at a short side of SHORT_SIDE_PX."""
    height, width = picture.shape[:2]
    scale = SHORT_SIDE_PX / min(height, width)
    longest = MOST_VIEWS // 2 * VIEW_PX  # two rows of them
    size = [min(longest, max(SHORT_SIDE_PX, round(side * scale))) for side in (height, width)]
    if max(height, width) * scale > longest:  # the middle of what is longer than that
        kept = [round(side / scale) for side in size]
        top, left = (height - kept[0]) // 2, (width - kept[1]) // 2
        picture = picture[top : top + kept[0], left : left + kept[1]]
    picture = resize(np.ascontiguousarray(picture), size[1], size[0])
    for y in _starts(size[0]):
        for x in _starts(size[1]):
            yield picture[y : y + VIEW_PX, x : x + VIEW_PX]


def _starts(length: int) -> list[int]:
    """Where views begin along an axis: as few as cover it."""
    return spread(length - VIEW_PX, -(-length // VIEW_PX))


def spread(most: int, count: int) -> list[int]:
    """`count` whole numbers evenly from 0 to `most`; a single one lies in the middle."""
    return [round(most * i / (count - 1)) for i in range(count)] if count > 1 else [most // 2]
