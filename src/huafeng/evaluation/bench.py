"""The measuring itself: a bench with photos, works and a network, and what it finds about a subject."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Self

import numpy as np
import torch

from huafeng.errors import DataError, PhotoError
from huafeng.evaluation import faces as facefinder
from huafeng.evaluation.cleanliness import CROP, flat_noise, halo, heaped, lattice_power
from huafeng.evaluation.color import COLOR_FIGURES
from huafeng.evaluation.figure import GLOSSARY, CurvePoint, Figure, pinned
from huafeng.evaluation.networks import BATCH, Network, batches, look
from huafeng.evaluation.pairs import PAIR_FIGURES
from huafeng.evaluation.protocol import FRECHET_PICTURES, LEAST_PHOTOS, Protocol
from huafeng.evaluation.recoloured import FEED_PX, recoloured
from huafeng.evaluation.result import Evaluation, Example
from huafeng.evaluation.space import ContentSpace, StyleSpace, gram_distances
from huafeng.evaluation.subjects import FolderSubject, Subject, read
from huafeng.evaluation.summary import pair_figures, safe_strength, style_figures
from huafeng.evaluation.values import F64, Values
from huafeng.evaluation.works import Seen, Works, see
from huafeng.faces import has_opencv as faces_can_be_sought
from huafeng.pixels import F32, U8, blend
from huafeng.training.pictures import Pictures, listing

Measure = Callable[[U8, U8], float]
MoreFigures = Callable[[Sequence[U8]], tuple[dict[str, Figure], list[str]]]

STRENGTHS = (0.2, 0.4, 0.6, 0.8)
GRID_PICTURES = 30
FIVE_SCALES = 176  # px: on the smallest of MS-SSIM's five scales a window of 11 px must fit
MIXED_UP = 0.25  # share of results that fit another photo better, from which on a folder is refused
# Of content kept. Of 60 paintings that show none of the photos, none fits one photo by more than 0.083 better than the next;
# 19 in 20 results of the strongest built-in styles fit their own by 0.21 or more.
BETTER_FIT = 0.1

CLEAN_FIGURES = {"halo": halo, "flat-noise": flat_noise, "heaped": heaped}
PIXEL_FIGURES: Mapping[str, Measure] = {**PAIR_FIGURES, **CLEAN_FIGURES, **COLOR_FIGURES}


class Bench:
    """Photos and a network, and with `against` works: ready to measure subjects one after the other.

    What does not depend on the subject is measured once.

    Args:
        photos: at least 10 that no subject was trained on.
        network: in whose features style and content are measured.
        lpips: measures LPIPS, or None.
        advance: told after each photo: two times here, once by `against`, two times by `evaluate`.

    Raises:
        DataError: fewer than 10 photos can be read, or the network has no layers for style and content.
    """

    styles: StyleSpace  # where there are works
    random: Values

    def __init__(
        self,
        photos: Pictures,
        network: Network,
        protocol: Protocol,
        *,
        lpips: Measure | None = None,
        threads: int = 1,
        advance: Callable[[], None] = lambda: None,
    ) -> None:
        if not network.layered:
            raise DataError(
                f"The network {network.name} has no layers for style and content: it measures generated pictures alone. "
                "Leave --features out."
            )
        check_count(len(photos))
        self.photos, self.network, self.protocol = photos, network, protocol
        self.threads, self._advance = threads, advance
        self._measures = {**PIXEL_FIGURES} | ({"lpips": lpips} if lpips else {})
        if protocol.crop_px < FIVE_SCALES:
            del self._measures["ms-ssim"]
        self.works: Works | None = None
        self.seen: Seen | None = None
        with self._pool() as pool:
            read = [found for found in pool.map(self._read, range(len(photos))) if found]
            self.rows = [row for row, _, _ in read]  # of the photos that can be read
            check_count(len(read))
            self.crops = [crop for _, crop, _ in read]
            self.faces = [found for _, _, found in read]
            self.space = ContentSpace(np.concatenate(list(pool.map(self._content, batches(self.crops)))))
            self.identity = self.measure(pool, self.crops)

    def against(self, works: Works | None) -> Self:
        """The same bench with works to compare with; without any it has no style figures."""
        bench = copy.copy(self)
        bench.works = works
        with self._pool() as pool:
            if works:
                bench.seen = see(works, self.network)
                bench.styles = StyleSpace(self.identity.style, bench.seen.style)
                grams = np.concatenate(list(pool.map(bench._gram_distances, batches(self.crops))))
                bench.identity = replace(self.identity, grams=grams)
            others = works.crops if works else [*self.crops[1:], self.crops[0]]
            in_place = [others[i % len(others)] for i in range(len(self.crops))]
            bench.random = bench.measure(pool, in_place)
            feed_px = round(FEED_PX * self.protocol.crop_px / self.protocol.photo_px)  # of a crop, in a feed
            bench.random.pairs |= _columns(list(pool.map(recoloured_at, self.crops, in_place, repeat(feed_px))))
        return bench

    def _content(self, crops: Sequence[U8]) -> F32:
        content = look(self.network, crops, content=True).content
        assert content is not None  # the network is layered
        return content

    def _gram_distances(self, crops: Sequence[U8]) -> F64:
        assert self.seen
        return gram_distances(look(self.network, crops, grams=True).grams, self.seen.grams)

    def _read(self, row: int) -> tuple[int, U8, Sequence[facefinder.Face]] | None:
        try:
            photo = self.photo(row)
        except PhotoError:
            return None  # told in the warnings
        finally:
            self._advance()
        found = facefinder.find_faces(photo) if faces_can_be_sought() else []
        return row, self.protocol.crop(photo).copy(), found

    def photo(self, row: int) -> U8:
        """Photo uint8 [H, W, 3] at the protocol's size."""
        return self.protocol.shown(read(self.photos, row))

    @contextlib.contextmanager
    def _pool(self) -> Iterator[ThreadPoolExecutor]:
        """As many workers as threads, each of which uses one: their pictures are independent."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(self.threads) as pool:
                yield pool
        finally:
            torch.set_num_threads(before)

    def results(self, pool: ThreadPoolExecutor, subject: Subject) -> tuple[list[U8], dict[str, F64]]:
        """The middles of a subject's results, and figures of the whole ones, by name [N]."""

        def one(i: int) -> tuple[U8, dict[str, float]]:
            photo = self.photo(self.rows[i])
            result = subject.result(self.photos.names[self.rows[i]], photo)
            self._advance()
            whole = recoloured_at(photo, result, FEED_PX)
            if faces_can_be_sought():
                faces = self.faces[i]
                kept = facefinder.face_figures(photo, result, faces) if faces else facefinder.Faces(math.nan, math.nan)
                whole |= {"faces-kept": kept.kept, "face-shift": kept.shift}
            return self.protocol.crop(result).copy(), whole

        found = list(pool.map(one, range(len(self.rows))))
        return [crop for crop, _ in found], _columns([whole for _, whole in found])

    def measure(self, pool: ThreadPoolExecutor, crops: Sequence[U8], strengths: Sequence[float] = ()) -> Values:
        """All that can be measured in crops beside the photos' own, one each."""
        return Values.joined(list(pool.map(lambda start: self._part(crops, start, strengths), range(0, len(crops), BATCH))))

    def _part(self, all_crops: Sequence[U8], start: int, strengths: Sequence[float]) -> Values:
        rows = range(start, min(start + BATCH, len(all_crops)))
        crops, photos = [all_crops[i] for i in rows], [self.crops[i] for i in rows]
        pairs = {
            name: np.array([measure(photo, crop) for photo, crop in zip(photos, crops, strict=True)], np.float64)
            for name, measure in self._measures.items()
        }
        looked = look(self.network, crops, content=True, grams=self.works is not None)
        assert looked.content is not None
        blended = []
        for strength in strengths:
            found = look(self.network, [blend(*pair, strength) for pair in zip(photos, crops, strict=True)], content=True)
            assert found.content is not None
            blended.append((found.style, self.space.kept(found.content, rows)))
        for _ in rows:
            self._advance()
        return Values(
            pairs,
            looked.style,
            self.space.kept(looked.content, rows),
            gram_distances(looked.grams, self.seen.grams) if self.seen else np.empty(0),
            np.stack([lattice_power(crop) for crop in crops]) if self.protocol.crop_px == CROP else np.empty((0,)),
            tuple(blended),
        )

    def evaluate(self, subject: Subject, more: MoreFigures | None = None) -> Evaluation:
        """What is found about a subject; `more` adds figures of its results' crops, and reasons why some are left out.

        Raises:
            DataError: a folder's results belong to other photos.
        """
        began = time.monotonic()
        with self._pool() as pool:
            crops, whole = self.results(pool, subject)
            if isinstance(subject, FolderSubject):
                self._refuse_mixed_up(subject, crops)
            found = self.measure(pool, crops, STRENGTHS if self.works else ())
            found.pairs |= whole
        left_out = []
        if faces_can_be_sought():
            if np.isnan(whole["faces-kept"]).all():
                left_out.append("Faces: the detector finds none in these photos.")
        else:
            left_out.append('Faces need OpenCV: pip install "huafeng[portrait]".')
        if "lpips" not in self._measures:
            left_out.append("LPIPS needs VGG-16's weights: --lpips FILE.")
        if "ms-ssim" not in self._measures:
            left_out.append(f"MS-SSIM is defined on crops of {FIVE_SCALES} px and more.")
        if self.protocol.crop_px != CROP:
            left_out.append(f"Grid energy is defined on crops of {CROP} px.")
        figures = pair_figures(found, self.identity, self.random)
        curve: tuple[CurvePoint, ...] = ()
        if self.works:
            assert self.seen
            styled, curve = style_figures(found, self.identity, self.works, self.seen, self.styles, STRENGTHS)
            figures |= styled
            if "style-gap-closed" not in figures:
                left_out.append("Style gap closed: plain photos lie as near to these works as works do, there is no gap.")
        else:
            left_out.append("Style figures and the strength curve need works: --works DIR.")
        if more:
            added, reasons = more(crops)
            figures |= added
            left_out += reasons
        left_out += [
            f"{definition.title}: nothing to measure it on in these photos."
            for name, definition in GLOSSARY.items()
            if name in found.pairs and name not in figures and name not in ("faces-kept", "face-shift")
        ]
        name = self.network.name
        return Evaluation(
            subject.name,
            self.protocol.name,
            name,
            self.inputs(subject),
            tuple(figures[key].renamed(pinned(key, name)) for key in GLOSSARY if key in figures),
            curve,
            safe_strength(curve),
            tuple(self.warnings()),
            tuple(left_out),
            time.monotonic() - began,
            tuple(self._examples(subject, found.content)),
        )

    def _refuse_mixed_up(self, subject: FolderSubject, crops: Sequence[U8]) -> None:
        """Results that plainly show another photo of the set than their own were renamed or sorted wrongly."""
        rows = range(min(len(crops), 100))
        content = np.concatenate([self._content(some) for some in batches(crops[: len(rows)])])
        fits = np.stack([self.space.kept(np.repeat(one[None], len(rows), 0), rows) for one in content])  # [results, photos]
        best, ranked = fits.argmax(1), np.sort(fits, 1)
        plain = ranked[:, -1] > ranked[:, -2] + BETTER_FIT
        wrong = [i for i in rows if plain[i] and best[i] != i and fits[:, best[i]].argmax() == i]  # each is the other's best
        if len(wrong) > MIXED_UP * len(rows):
            names = self.photos.names
            shown = listing([f"{names[self.rows[i]]} shows {names[self.rows[best[i]]]}" for i in wrong])
            raise DataError(
                f"The folder {subject.name} is mixed up: {len(wrong)} of {len(rows)} results show another photo ({shown})."
            )

    def _examples(self, subject: Subject, content: F64) -> Iterator[Example]:
        """Two each of those that kept least, middling and most content."""
        order = np.argsort(content)
        middle = len(order) // 2
        for i in dict.fromkeys(order[[0, 1, middle - 1, middle, -2, -1]].tolist()):
            name, photo = self.photos.names[self.rows[i]], self.photo(self.rows[i])
            yield Example(name, photo, subject.result(name, photo), float(content[i]))

    def inputs(self, subject: Subject) -> dict[str, object]:
        """What was measured on, with digests."""
        found: dict[str, object] = {
            "subject": subject.facts,
            "photos": {"count": len(self.rows), "fingerprint": self.photos.fingerprint},
            "network": {"name": self.network.name, "sha256": self.network.sha256},
        }
        if self.works:
            works = self.works
            source = Path(works.source).resolve().name  # the rest of the path is no reader's business
            found["works"] = {"source": source, "count": works.count, "crops": len(works.crops), "sha256": works.digest}
        return found

    def warnings(self) -> Iterator[str]:
        """What weakens the figures."""
        count = len(self.rows)
        if self.works and count < FRECHET_PICTURES:
            yield f"Frechet distance is biased under {FRECHET_PICTURES:,} pictures, and here are {count:,}: KID leads."
        if self.protocol.crop_px == CROP and count < GRID_PICTURES:
            yield f"Grid energy needs {GRID_PICTURES} pictures or so, here are {count}: chance adds some dB."
        if self.works and self.works.count == 1:
            yield "The works are one picture: both halves of its split are crops of the same picture, which may overlap."
        if bad := [name for row, name in enumerate(self.photos.names) if row not in self.rows]:
            yield f"Photos that cannot be read are left out: {listing(bad)}."


def recoloured_at(photo: U8, result: U8, feed_px: int) -> dict[str, float]:
    """How much of a result its recoloured photo explains, at a feed's size and as it is."""
    return {"recoloured-160": recoloured(photo, result, feed_px), "recoloured": recoloured(photo, result)}


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, F64]:
    """Figures of each picture -> by name [N]."""
    return {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}


def check_count(count: int) -> None:
    """Refuse a set of photos on which figures would mean nothing.

    Raises:
        DataError: fewer than 10.
    """
    if count < LEAST_PHOTOS:
        raise DataError(f"At least {LEAST_PHOTOS} photos are needed for figures, and here are {count}: give more of them.")
