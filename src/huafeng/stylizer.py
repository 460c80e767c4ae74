"""One photo end to end: arts, translators and filters, then looks, then the blend with the untouched photo; or enlarged."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from huafeng.classical import FILTER, drawn, read_filter
from huafeng.edit import Edit
from huafeng.errors import PhotoError, StyleError
from huafeng.exactlut import ExactLut, apply_exact
from huafeng.faces import GENTLE, available, face_mask, find_frames, has_opencv, manner, place_of
from huafeng.fullsize import enlarge, keep_colors
from huafeng.grade import Grade, apply_grade
from huafeng.library import Library
from huafeng.look import Lut, apply_lut
from huafeng.networkfile import ENLARGER, TRANSLATOR
from huafeng.photo import DEFAULT_LIMITS, Photo
from huafeng.pixels import U8, blend, resize
from huafeng.region import region_mask
from huafeng.skin import CAP, spare_skin
from huafeng.style import Style, mix_arts

if TYPE_CHECKING:
    from huafeng.art import Generator
    from huafeng.translator import Translator

Paint = Callable[[U8], U8]
Begin = Callable[[U8], Paint]  # takes the whole picture at the working size, whose statistics hold for all of its parts

WORKING_PX = 640  # short side at which strokes are drawn, for stroke size 1: a little more than works have in training, 512
MOST_PIXELS = 16_000_000  # painted at most: finer strokes on a larger photo are not worth the minutes and the memory
KEPT_OPEN = 2  # base generators, and as many translators
SMALLEST_PX = 64  # a smaller working size leaves nothing of the photo to recognise


class Stylizer:
    """Applies edits to photos. One object serves several threads; make it once, it keeps the generator open.

    Args:
        library: where styles come from; by default the built-in ones and the user's own.
        threads: cores for one photo; by default all.
    """

    def __init__(self, library: Library | None = None, *, threads: int | None = None) -> None:
        self.library = library or Library()
        self.threads = max(1, threads or cores())
        self._generators: dict[Path, Generator] = {}
        self._translators: dict[Style, Translator] = {}
        self._lock = threading.Lock()

    def apply(self, photo: Photo, edit: Edit) -> Photo:
        """The photo with the edit applied, in the same size, alpha and source kept.

        Strength 0 returns the photo's own pixels. Where arts and looks are mixed in one edit, the weights compare arts with
        arts and looks with looks: the arts are painted as one, the looks are graded as one, over it. Translators and filters
        count as arts, but have no code that could be mixed: their results are blended with the others'.

        Raises:
            StyleError: a style is missing, damaged, made for another base generator, or an enlarger.
            RegionError: the mask cannot be used, or the photo has no face or clear subject to take for the region.
            DataError: the edit asks for faces, skin or a subject to be found, and what finds them is not installed.
            EngineError: onnxruntime is missing or fails.
        """
        styles = [(self.library.get(name), share) for name, share in edit.weights.items() if share > 0]
        amount: float | U8 = edit.strength
        if edit.region is not None:
            mask = region_mask(edit.region, photo.pixels, threads=self.threads)
            amount = np.rint(mask * np.float32(edit.strength)).astype(np.uint8)
        if edit.strength == 0:
            return photo
        for style, _ in styles:
            if style.kind == ENLARGER:
                raise StyleError(f"{style.name!r} is no style, it enlarges photos: huafeng apply --enlarge FILE PHOTO...")
        arts = [(style, share) for style, share in styles if style.kind != "look"]
        looks = [(style, share) for style, share in styles if style.kind == "look"]
        styled = photo.pixels
        if arts:
            styled = self._paint(styled, arts, edit)
        if looks:
            luts = [Lut(style.tensors["lut"]) for style, _ in looks]
            lut = Lut.mixed([share for _, share in looks], luts)
            exact = looks[0][0].exact if len(looks) == 1 else None
            if exact is None and edit.interpolation == "tetrahedral":
                exact = ExactLut.of(lut.table)
            styled = self._graded(photo.pixels, styled, lut, exact, edit)
            grade = Grade.mixed([share for _, share in looks], [style.grade for style, _ in looks])
            styled = apply_grade(styled, grade, threads=self.threads)
        if edit.keep_colors:
            styled = keep_colors(styled, photo.pixels, threads=self.threads)
        return photo.with_pixels(blend(photo.pixels, styled, amount, threads=self.threads))

    def _graded(self, photo: U8, pixels: U8, lut: Lut, exact: ExactLut | None, edit: Edit) -> U8:
        if exact is None:
            graded = apply_lut(pixels, lut, threads=self.threads)
        else:
            graded = apply_exact(pixels, exact, threads=self.threads, interpolation=edit.interpolation)
        if edit.skin == "off" or (edit.skin == "auto" and not has_opencv()):
            return graded
        cap = CAP if edit.skin == "auto" else float(edit.skin)
        return spare_skin(photo, pixels, graded, lut, cap, edit.strength, threads=self.threads)

    def enlarge(self, photo: Photo, enlarger: Style) -> Photo:
        """The photo, as many times larger as the enlarger says; its alpha is enlarged plainly.

        Raises:
            StyleError: the style is none that enlarges.
            PhotoError: the result would have more pixels than a photo may have.
            EngineError: onnxruntime is missing or fails.
        """
        if enlarger.kind != ENLARGER:
            raise StyleError(f"{enlarger.name!r} is a style ({enlarger.kind}), it does not enlarge: give a .enlarge file.")
        network = self.translator(enlarger)
        scale = network.plan.scale
        height, width = (side * scale for side in photo.pixels.shape[:2])
        if height * width > DEFAULT_LIMITS.max_pixels:
            raise PhotoError(
                f"Enlarged {scale} times, the photo would have {width:,} x {height:,} pixels, more than the "
                f"{DEFAULT_LIMITS.max_pixels:,} that are allowed: make it smaller, or cut out a part of it."
            )
        alpha = None if photo.alpha is None else resize(photo.alpha, width, height)
        return replace(photo, pixels=network.paint(photo.pixels), alpha=alpha)

    def _paint(self, pixels: U8, styles: list[tuple[Style, float]], edit: Edit) -> U8:
        """All arts as one, then translators and filters; blended by their weights."""
        result, total = pixels, 0.0
        for painted, share in self._results(pixels, styles, edit):
            total += share
            result = blend(result, painted, share / total, threads=self.threads)
        return result

    def _results(self, pixels: U8, styles: list[tuple[Style, float]], edit: Edit) -> Iterator[tuple[U8, float]]:
        """The photo as each of them paints it, with its weight."""
        arts = [(style, share) for style, share in styles if style.kind == "art"]
        if arts:
            generator = self.generator(arts[0][0])
            modulation = generator.modulation(**mix_arts(arts))

            def begin(working: U8) -> Paint:
                statistics = generator.statistics(working, modulation)
                return lambda part: generator.paint(part, modulation, statistics=statistics)

            yield self._painted(pixels, begin, WORKING_PX, edit), sum(share for _, share in arts)
        for style, share in styles:
            if style.kind == TRANSLATOR:
                network = self.translator(style)
                yield self._painted(pixels, network.begin, network.plan.working_px, edit), share
            elif style.kind == FILTER:
                yield self._drawn(pixels, style, edit), share

    def _drawn(self, pixels: U8, style: Style, edit: Edit) -> U8:
        method, gentleness, focus = read_filter(style.tensors[FILTER].tobytes()), _gentleness(edit), None
        if gentleness > 0:
            height, width = pixels.shape[:2]
            faces = face_mask(resize(pixels, *working_size(width, height, 1.0, method.working_px)))
            focus = np.rint(faces * np.float32(gentleness)).astype(np.uint8)
        return drawn(method, pixels, stroke=edit.stroke, focus=focus, threads=self.threads)

    def _painted(self, pixels: U8, begin: Begin, working_px: int, edit: Edit) -> U8:
        gentleness = _gentleness(edit)
        frames = find_frames(pixels) if gentleness > 0 else []
        height, width = pixels.shape[:2]
        working = resize(pixels, *working_size(width, height, edit.stroke, working_px))
        painter = begin(working)

        def paint(part: U8, working: U8) -> U8:
            return enlarge(painter(working), part, working, edit.detail, threads=self.threads)

        styled = paint(pixels, working)
        result = styled.copy() if frames else styled
        for frame in frames:
            rows, columns, mask = place_of(frame, width, height)
            scale = working.shape[1] / width
            stroke, strength = manner(gentleness, frame.width * scale)
            part, face = pixels[rows, columns], styled[rows, columns]
            if stroke < 1:
                face = paint(part, resize(part, *(max(1, round(side * scale / stroke)) for side in part.shape[1::-1])))
            face = blend(part, face, strength, threads=self.threads)
            result[rows, columns] = blend(result[rows, columns], face, mask, threads=self.threads)
        return result

    def translator(self, style: Style) -> Translator:
        """The network of a translator or an enlarger; kept open."""
        from huafeng.translator import Translator  # looks need no onnxruntime

        with self._lock:
            if style not in self._translators:
                if len(self._translators) == KEPT_OPEN:
                    del self._translators[next(iter(self._translators))]
                self._translators[style] = Translator(style.tensors, threads=self.threads)
            return self._translators[style]

    def generator(self, style: Style | None = None) -> Generator:
        """The base generator that paints this art, by default the one that the library's styles share; kept open.

        Raises:
            StyleError: it is not there.
        """
        from huafeng.art import Generator  # looks need no onnxruntime

        try:
            path = self.library.base_path(style.card.base_sha256 if style else None)
        except StyleError as error:
            raise error if style is None else StyleError(f"The style {style.name!r} cannot paint: {error}.") from error
        with self._lock:
            if path not in self._generators:
                if len(self._generators) == KEPT_OPEN:
                    del self._generators[next(iter(self._generators))]
                self._generators[path] = Generator.open(path, threads=self.threads)
            return self._generators[path]


def _gentleness(edit: Edit) -> float:
    return float(edit.faces) if edit.faces != "auto" else GENTLE if available() else 0.0


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def working_size(width: int, height: int, stroke: float, working_px: int = WORKING_PX) -> tuple[int, int]:
    """Width and height at which a photo of width x height is painted.

    The short side is `working_px`, or the photo's own if that is less, divided by the stroke size: a smaller picture has
    larger strokes once it is back at full size. At most 16 million pixels. The proportions stay, to a pixel.
    """
    short = min(width, height)
    scale = max(min(short, working_px) / stroke, min(short, SMALLEST_PX)) / short
    scale = min(scale, (MOST_PIXELS / (width * height)) ** 0.5)
    return max(1, round(width * scale)), max(1, round(height * scale))
