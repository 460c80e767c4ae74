"""The people in a photo, or else what stands out in it, cut out from the background. Needs OpenCV (the extra `portrait`).

grabCut (Rother, Kolmogorov & Blake, SIGGRAPH 2004) on a small picture. It starts from the faces: a head around each and
shoulders below. Without a face it starts from what is in the middle and not of the colours along the photo's rim.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from huafeng.color import srgb_to_lab
from huafeng.errors import RegionError
from huafeng.faces import Frame, find_frames
from huafeng.guided import follow_edges
from huafeng.pixels import F32, U8, resize

SIDE = 384  # px, short side at which it is cut out
SMALLEST_PX = 32  # a smaller photo has no subject to find
ROUNDS = 4

HOLE = 0.01  # of the picture: smaller gaps inside the subject are filled
RIM = 1 / 25  # of the short side
RIM_COLORS = 6
SHARE = (0.02, 0.6)  # of the picture, that a subject without a face takes
CUT = 0.2  # of the rim, that such a subject may cover
COMPACT = 0.4  # 4 pi area / outline^2, at least: 1 is a disc; what is ragged is a piece of a landscape
ALIKE = 0.25  # of its colours, at most, that the rest of the picture has as well

Bools = NDArray[np.bool_]


def find_subject(pixels: U8, *, threads: int = 1) -> U8:
    """The subject of uint8 [H, W, 3] as a mask uint8 [H, W], 255 = subject, its edges those of the photo.

    Raises:
        RegionError: there is no face, and nothing else stands out.
        DataError: OpenCV is not installed.
    """
    frames = find_frames(pixels)
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_PX:
        raise RegionError(f"The photo of {width} x {height} pixels is too small to find a subject in; use --box or --mask.")
    scale = min(1.0, SIDE / min(height, width))
    small = resize(pixels, round(width * scale), round(height * scale))
    if frames:
        subject = _people(small, [Frame(*(scale * number for number in frame)) for frame in frames])
    else:
        subject = _salient(small)
    return follow_edges(255 * _filled(subject), small, pixels, threads=threads)


def _people(small: U8, frames: list[Frame]) -> U8:
    """1 where people with these faces are in [h, w, 3]."""
    import cv2

    shape = small.shape[:2]
    around, person, core = (np.zeros(shape, np.bool_) for _ in range(3))
    for face in frames:
        down = ((np.arange(shape[0]) + 0.5 - face.y) / face.height - 0.5)[:, None]
        across = np.abs((np.arange(shape[1]) + 0.5 - face.x) / face.width - 0.5)[None]
        around |= (across < np.where(down < 0.4, 1.5, 3.2)) & (down > -1.5)
        person |= np.hypot(across / 0.68, (down + 0.12) / 0.85) < 1  # the head with its hair
        person |= (down > 0.6) & (across < np.minimum(0.45 + 1.3 * (down - 0.6), 1.35))  # shoulders
        core |= np.hypot(across / 0.36, (down - 0.08) / 0.5) < 1
        core |= (down > 0.4) & (down < 2.6) & (across < 0.22)
    marks = np.full(shape, cv2.GC_BGD, np.uint8)
    marks[around] = cv2.GC_PR_BGD
    marks[person] = cv2.GC_PR_FGD
    marks[core] = cv2.GC_FGD
    if not (marks == cv2.GC_BGD).any():  # so near a face that nothing is surely behind it
        marks[0][marks[0] == cv2.GC_PR_BGD] = cv2.GC_BGD
    if not np.isin(marks, (cv2.GC_BGD, cv2.GC_PR_BGD)).any():
        return np.ones(shape, np.uint8)
    return _reaching(_grab_cut(small, marks), core)


def _salient(small: U8) -> U8:
    """1 where something in the middle of [h, w, 3] stands out from the colours along the rim."""
    import cv2

    shape = small.shape[:2]
    width = max(2, round(RIM * min(shape)))
    rim = np.ones(shape, np.bool_)
    rim[width:-width, width:-width] = False
    strange = _unlike_rim(srgb_to_lab(cv2.GaussianBlur(small, (0, 0), 2)), rim)
    down, across = (np.linspace(-1, 1, length) for length in shape)
    central = np.exp(-2 * (down[:, None] ** 2 + across[None] ** 2))
    salient = np.clip(4 * strange * central, 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(salient, 0, 255, cv2.THRESH_OTSU)
    marks = np.where(salient > threshold, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    marks[rim] = cv2.GC_BGD
    core = (salient >= np.percentile(salient, 97)) & ~rim
    marks[core] = cv2.GC_FGD
    found = _reaching(_grab_cut(small, marks), core) if salient.any() and core.any() else np.zeros(shape, np.uint8)
    inside = found.astype(np.bool_)
    outlines, _ = cv2.findContours(found, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    around = sum(cv2.arcLength(outline, True) for outline in outlines)
    touched = np.zeros(shape, np.bool_)
    touched[width : width + 2, width:-width] = touched[-width - 2 : -width, width:-width] = True
    touched[width:-width, width : width + 2] = touched[width:-width, -width - 2 : -width] = True
    clear = (
        SHARE[0] < inside.mean() < SHARE[1]
        and inside[touched].mean() < CUT
        and 4 * np.pi * inside.sum() > COMPACT * around**2
        and _alike(small[inside], small[~inside]) < ALIKE
    )
    if not clear:
        raise RegionError("No face was found, and nothing else stands out clearly as the subject; use --box or --mask.")
    return found


def _alike(some: U8, others: U8) -> float:
    """How much two sets of colours [N, 3] overlap, 0..1: the histogram intersection in boxes of 8 in CIELAB."""
    shares = []
    for colors in (some, others):
        boxes = (srgb_to_lab(colors) // 8 + np.array([0, 16, 16])).astype(np.intp) @ np.array([1, 32, 1024])
        shares.append(np.bincount(boxes, minlength=1 << 15) / len(colors))
    return float(np.minimum(*shares).sum())


def _unlike_rim(lab: F32, rim: Bools) -> F32:
    """How far each colour of [h, w, 3] is from those that are common along the rim, CIELAB [h, w]."""
    import cv2

    cv2.setRNGSeed(0)
    colors = np.ascontiguousarray(lab[rim], np.float32)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 1.0)
    _, labels, centres = cv2.kmeans(colors, RIM_COLORS, None, stop, 2, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    common = np.bincount(labels[:, 0], minlength=RIM_COLORS) > 0.04 * len(labels)
    nearest = np.full(lab.shape[:2], np.inf, np.float32)
    for centre in centres[common]:
        nearest = np.minimum(nearest, np.linalg.norm(lab - centre, axis=-1))
    return nearest


def _grab_cut(small: U8, marks: U8) -> U8:
    """1 where grabCut sees foreground; `marks` are its classes [h, w]."""
    import cv2

    cv2.setRNGSeed(0)  # it starts from k-means
    marks = marks.copy()
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(small[..., ::-1]), marks, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    return np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)


def _reaching(mask: U8, core: Bools) -> U8:
    """The parts of a mask that reach into the core; specks and thin bridges are lost."""
    import cv2

    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    count, parts = cv2.connectedComponents(cv2.morphologyEx(mask, cv2.MORPH_OPEN, disc))
    kept = np.zeros(count, np.uint8)
    kept[np.unique(parts[core])] = 1
    kept[0] = 0
    return kept[parts]


def _filled(mask: U8) -> U8:
    """Without small holes; a gap that reaches the rim is none."""
    import cv2

    _, parts, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    left, top, width, height, area = stats.T
    inside = (left > 0) & (top > 0) & (left + width < mask.shape[1]) & (top + height < mask.shape[0])
    hole = inside & (area < HOLE * mask.size)
    hole[0] = False  # the subject itself
    return mask | hole[parts].astype(np.uint8)
