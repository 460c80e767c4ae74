"""Skin in a photo, and looks that leave it its colour. Needs OpenCV (the extra `portrait`).

Skin is found by its own example: the colours in the middle of each face (`faces.py`) make a model, and what has these colours
and hangs together with the face is skin as well: ears, neck, shoulders. The model knows the tone, not the lightness, for in
CIELAB a surface that is lit less keeps a / (L + 16) and b / (L + 16).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from huafeng.color import ciede2000, lab_to_srgb, srgb_to_lab
from huafeng.colortable import sample
from huafeng.errors import DataError
from huafeng.faces import Frame, find_frames, has_opencv
from huafeng.look import Lut, apply_lut
from huafeng.pixels import F32, U8, Array, blend, resize

CAP = 4.0  # CIEDE2000
SIDE = 512  # px, short side at which skin is sought

FEWEST = 0.5  # of a face's middle: what has less of a colour that skin can have is no face, or not in colour
PLAUSIBLE = ((-2.0, 45.0), (-3.0, 50.0))  # tones of skin, along a and b
LEAST_CHROMA = 3.0
OWN_SPREAD = 2.0  # variance that every face's tones have at least
SURE, UNLIKE = 2.2, 3.6  # deviations from the face's tone
SHADE = (0.25, 0.7)  # of the face's lightness: from none to all; a cast in the shadows must go over into skin without an edge
REACH = (2.6, 1.0, 4.5)  # widths of the face from its middle: to either side, up, down
NECK = (0.8, 0.9, 1.4)  # the same, where what is beside the head has the colour of skin as well: walls, wood
BESIDE = 0.12  # share of it that has
SOFT_PX = 2.0

KNEE = 3  # how sharply a shift is bent at the cap
AIM = 0.96  # share of the cap that large shifts approach at the nodes: between them they are a little larger
NODES = 33
GREY, COLORED = 0.1, 0.3  # share of the colours' differences that a look keeps: below it is monochrome, above a colour look


class Model(NamedTuple):
    """The colours of one person's skin: tone [2] with its inverse covariance [2, 2], and lightness 0..100."""

    tone: F32
    precision: F32
    light: float


def spare_skin(photo: U8, before: U8, graded: U8, lut: Lut, cap: float, strength: float, *, threads: int) -> U8:
    """`graded` with the skin put back to within `cap` of `before`; where there is no skin it is `graded` itself.

    A look that makes the picture monochrome is left alone: coloured skin in it would be worse.

    Args:
        photo: uint8 [H, W, 3], where skin is sought.
        before, graded: uint8 [H, W, 3], without and with the look.
        lut: the look.
        cap: CIEDE2000, the shift that skin may have in a picture blended with `strength` (0..1).
        threads: how many share the work.

    Raises:
        DataError: OpenCV is not installed.
    """
    share = float(np.clip((colors_kept(lut) - GREY) / (COLORED - GREY), 0, 1))
    mask = find_skin(photo) if share > 0 else np.zeros((0, 0), np.uint8)
    if not mask.any():
        return graded
    rows, columns = (_span(np.asarray(mask.any(axis))) for axis in (1, 0))
    within = mask[rows, columns]
    if share < 1:
        within = np.rint(within * share).astype(np.uint8)
    spared = apply_lut(np.ascontiguousarray(before[rows, columns]), capped(lut, cap, strength), threads=threads)
    result = graded.copy()
    result[rows, columns] = blend(graded[rows, columns], spared, within, threads=threads)
    return result


def find_skin(pixels: U8) -> U8:
    """The skin of the people whose faces are found in uint8 [H, W, 3]: a soft mask uint8 [H, W], 255 = skin.

    A face without the colours of skin (black-and-white, a false find) has none.

    Raises:
        DataError: OpenCV is not installed.
    """
    if not has_opencv():
        raise DataError('Skin needs OpenCV 4: pip install "huafeng[portrait]".')
    height, width = pixels.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    frames = find_frames(pixels)
    if not frames:
        return mask
    import cv2

    scale = min(1.0, SIDE / min(height, width))
    small = resize(pixels, max(1, round(width * scale)), max(1, round(height * scale)))
    lab = srgb_to_lab(small)
    found = np.zeros(lab.shape[:2], np.float32)
    for frame in frames:
        face = Frame(*(scale * number for number in frame))
        across, up, down = (face.width * reach for reach in REACH)
        middle, centre = face.x + face.width / 2, face.y + face.height / 2
        window = (_window(centre - up, centre + down, lab.shape[0]), _window(middle - across, middle + across, lab.shape[1]))
        part = lab[window]
        at = Frame(face.x - window[1].start, face.y - window[0].start, face.width, face.height)
        found[window] = np.maximum(found[window], _skin_of(part, at))
    soft = cv2.GaussianBlur(found, (0, 0), SOFT_PX)
    return np.asarray(
        cv2.resize(np.rint(255 * soft).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR), np.uint8
    )


def capped(lut: Lut, cap: float, strength: float = 1.0) -> Lut:
    """The look with each colour's shift bent so that it stays below `cap` (CIEDE2000), blended with `strength` 0..1.

    Small shifts stay, large ones approach the cap, on a straight line in sRGB between the colour and the look's. So one tone
    goes over into the next without a seam. Between the nodes (33 an axis) and after rounding to 8 bits, colours of skin may be
    up to 1 above the cap.
    """
    original, target = Lut.identity(NODES).table, lut.resampled(NODES).table
    way = np.float32(strength) * (target - original)
    start = srgb_to_lab(original)
    shift = ciede2000(start, srgb_to_lab(original + way))
    tiny = np.float32(1e-6)
    aim = AIM * cap
    goal = shift * aim / np.maximum((shift**KNEE + aim**KNEE) ** (1 / KNEE), tiny)
    share = goal / np.maximum(shift, tiny)
    for _ in range(4):  # a difference is not quite proportional to the way
        now = ciede2000(start, srgb_to_lab(original + share[..., None] * way))
        share = np.minimum(share * goal / np.maximum(now, tiny), 1)
    table = original + share[..., None] * (target - original)
    return Lut(np.clip(table, 0, 1).astype(np.float32))


def colors_kept(lut: Lut) -> float:
    """How much of the differences between hues of skin's chroma a look keeps: 1 all, 0 monochrome, toned or not.

    Twelve hues of chroma 22 at four lightnesses; the spread of their a and b after the look, over that before.
    """
    hues = np.arange(12) * (np.pi / 6)
    before = np.stack(np.broadcast_arrays(np.array([[35.0], [50.0], [65.0], [80.0]]), 22 * np.cos(hues), 22 * np.sin(hues)), -1)
    colors = np.clip(lab_to_srgb(before), 0, 1)
    looked_up = sample(lut.table, colors.reshape(-1, 3)).reshape(colors.shape)
    spreads = [_spread(srgb_to_lab(picked)[..., 1:]) for picked in (colors, looked_up)]
    return spreads[1] / spreads[0]


def _spread(tones: Array) -> float:
    """Deviation of [lightnesses, hues, 2] from each lightness's mean."""
    return float(np.sqrt(((tones - tones.mean(1, keepdims=True)) ** 2).sum(-1).mean()))


def _skin_of(lab: F32, face: Frame) -> F32:
    """Where CIELAB [H, W, 3] shows the skin of the person with this face: 0..1 [H, W]."""
    import cv2

    down, across = _from_middle(lab.shape[:2], face)
    model = _model(lab[np.hypot(across / 0.30, down / 0.36) < 1])
    if model is None:
        return np.zeros(lab.shape[:2], np.float32)
    front = 1 - _step(np.hypot(across / 0.55, down / 0.75), 0.85, 1.15)
    lightest = 100 - front * (100 - model.light)  # highlights are looked for on the face alone: not on light walls
    off = cv2.GaussianBlur(_tones(lab, lightest), (0, 0), 1.5) - model.tone
    deviations = np.sqrt(np.einsum("hwi,ij,hwj->hw", off, model.precision, off))
    likely = (1 - _step(deviations, SURE, UNLIKE)) * _step(lab[..., 0] / model.light, *SHADE)
    beside = (np.abs(across) > 0.9) & (np.abs(across) < 2.2) & (down > -1) & (down < 0.3)
    side, up, low = NECK if likely[beside].sum() > BESIDE * beside.sum() else REACH
    likely *= 1 - _step(np.hypot(across / side, np.where(down > 0, down / low, down / up)), 0.8, 1.0)

    likely *= _joined(likely > 0.5, front > 0.5, 0.04 * face.width)
    # eyes, lips and brows belong to the face
    whole = cv2.morphologyEx(likely, cv2.MORPH_CLOSE, _disc(0.09 * face.width))
    return np.maximum(likely, whole * front).astype(np.float32)


def _model(lab: F32) -> Model | None:
    """The skin's colours, from CIELAB [N, 3] in the middle of a face; None where they are not those of skin."""
    tones, light = _tones(lab), lab[:, 0]
    inside = [(tones[:, axis] > low) & (tones[:, axis] < high) for axis, (low, high) in enumerate(PLAUSIBLE)]
    plausible = inside[0] & inside[1] & (np.hypot(*tones.T) > LEAST_CHROMA)
    if plausible.sum() < 16 or plausible.mean() < FEWEST:
        return None
    tones, light = tones[plausible], light[plausible]
    chosen = light > np.percentile(light, 25)  # brows, nostrils and beard are darker
    lit = light > np.percentile(light, 15)
    for _ in range(3):  # what lies far off is left out, and the rest looked at again
        tone = np.median(tones[chosen], 0)
        precision = np.linalg.inv(np.cov((tones[chosen] - tone).T) + OWN_SPREAD * np.eye(2))
        off = tones - tone
        near = np.einsum("ni,ij,nj->n", off, precision, off) < 6
        if (near & lit).sum() < 8:
            break
        chosen = near & lit
    return Model(tone.astype(np.float32), precision.astype(np.float32), float(np.median(light[chosen])))


def _tones(lab: F32, lightest: F32 | None = None) -> F32:
    """a and b as they would be at lightness 50: [..., 3] -> [..., 2].

    What is lighter than `lightest` [...] counts as a highlight, white light over the surface's own: a and b are then those of
    the surface at that lightness.
    """
    light = lab[..., 0] if lightest is None else np.minimum(lab[..., 0], lightest)
    return np.asarray(66 * lab[..., 1:] / (light[..., None] + 16), np.float32)


def _joined(mask: NDArray[np.bool_], core: NDArray[np.bool_], gap: float) -> F32:
    """1 at the parts of a mask that reach into the core, softly 0 some gaps away; bridges thinner than a gap do not count."""
    import cv2

    count, parts = cv2.connectedComponents(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, _disc(gap)))
    reached = np.zeros(count, np.uint8)
    reached[np.unique(parts[core])] = 1
    reached[0] = 0
    around = cv2.dilate(reached[parts], _disc(3 * gap)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(around, (0, 0), max(gap, 0.5)), np.float32)


def _disc(radius: float) -> U8:
    import cv2

    size = 2 * max(1, int(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def _from_middle(shape: tuple[int, ...], face: Frame) -> tuple[F32, F32]:
    """How far rows [H, 1] and columns [1, W] are from the face's middle, in its widths."""
    down = (np.arange(shape[0]) + 0.5 - face.y - 0.55 * face.height) / face.width
    across = (np.arange(shape[1]) + 0.5 - face.x - 0.5 * face.width) / face.width
    return down[:, None].astype(np.float32), across[None].astype(np.float32)


def _step(value: Array, low: float, high: float) -> F32:
    """A smooth step from 0 at `low` to 1 at `high`."""
    rise = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(rise * rise * (3 - 2 * rise), np.float32)


def _window(first: float, last: float, length: int) -> slice:
    return slice(max(0, int(first)), min(length, int(last) + 1))


def _span(used: NDArray[np.bool_]) -> slice:
    """From the first to the last of those used [N]."""
    at = np.flatnonzero(used)
    return slice(int(at[0]), int(at[-1]) + 1)
