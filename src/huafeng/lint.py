"""What may go wrong in a colour table, measured and told in words; and repairs.

Figures are in levels of 8-bit sRGB (0..255) or shares (0..1). The limits were set by looking at film simulations that
photographers use, none of which is faulty by them, and at tables that were broken on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from huafeng.color import ciede2000, lab_to_srgb, srgb_to_lab
from huafeng.colortable import sample
from huafeng.errors import LutError
from huafeng.look import Lut
from huafeng.pixels import F32, Array

Severity = Literal["ok", "warning", "fault"]
F64 = NDArray[np.float64]

SIZE = 33  # nodes per axis at which a table is looked at, if it has as many
GREYS = 256
LUMA = np.array([0.2126, 0.7152, 0.0722])  # of R, G and B: Rec. 709, on sRGB as it is
CLIPPED = 0.5 / 255  # as near as this to 0 or 1, a value is written as 0 or 255
RIM = 12 / 255  # colours as near as this to the cube's faces may well end on them
NATURAL_CHROMA, NATURAL_LIGHTNESS = 55.0, (5.0, 95.0)  # nine in ten pixels of everyday photos are within (CIELAB)
SKIN_LIGHTNESS, SKIN_HUES, SKIN_CHROMA = (30, 40, 50, 60, 70, 80), (45, 60), 20.0  # CIELAB, from dark to light
GREY_CHROMA = 3.0  # less chroma is no colour

# name of a finding -> where its figure becomes a warning, and where a fault
LIMITS = {
    "roughness": (3.5, 7.0),
    "banding": (4.0, 8.0),
    "tone": (0.75, 3.0),
    "channels": (5.0, 15.0),
    "clipping": (0.2, 0.35),
    "skin": (18.0, 60.0),
    "contrast": (-120.0, -25.0),  # the less the worse
}
REPAIRED = ("roughness", "tone", "channels", "clipping")  # the findings that `fix` mends

_REACHES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)  # of the smoothing: standard deviations, in 1/32 of an axis
_ROUNDS = 4
_LEAST_RISE = 0.1  # of a repaired tone curve, as a share of its mean slope
_KNEE = 0.75  # a tone above it makes room for what was clipped
_FULL = 0.8  # of the chroma that fits: above it colours make room
_ONWARD, _LEAST_STEP = 0.9, 0.3  # a continued slope: per node this share of the last one, and at least this much of a node


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: "roughness", "banding", "tone", "channels", "clipping", "skin", "neutral" or "contrast".
        severity: "ok", "warning" (look at your pictures) or "fault" (it shows).
        figure: what was measured.
        unit: "levels" (of 255), "share" (0..1), "degrees" or "chroma" (CIELAB).
        sentence: what it means, for a photographer.
    """

    name: str
    severity: Severity
    figure: float
    unit: str
    sentence: str


@dataclass(frozen=True)
class Report:
    """All findings on one colour table, always the same ones in the same order."""

    findings: tuple[Finding, ...]

    def __getitem__(self, name: str) -> Finding:
        """The finding of that name."""
        return next(finding for finding in self.findings if finding.name == name)

    @property
    def worst(self) -> Severity:
        """The worst severity among the findings."""
        found = {finding.severity for finding in self.findings}
        return "fault" if "fault" in found else "warning" if "warning" in found else "ok"

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are faults."""
        return tuple(finding for finding in self.findings if finding.severity == "fault")


def lint(lut: Lut) -> Report:
    """What is wrong with a colour table, or may be.

    - roughness: how far neighbouring nodes jump to and fro, in levels. Along each axis, two neighbouring second differences of
      opposite sign count with their geometric mean: noise and steps have them, smooth curves and single kinks do not. The 95th
      percentile over the cube, or half the largest on the grey diagonal.
    - banding: the largest change between two neighbouring levels of grey, in levels of a channel.
    - tone: by how much luminance falls while grey rises, in levels; channels: the same for the worst of R, G and B.
    - clipping: share of natural colours (CIELAB chroma to 55, lightness 5..95) of which a channel ends on 0 or 255 that was
      more than 12 levels away from there.
    - skin: by how many degrees the CIELAB hue of skin turns, + towards yellow, - towards red: the mean over `skin_colors`,
      weighted by the chroma that they have afterwards. What is rated is the mean without signs.
    - neutral: mean CIELAB chroma of greys; many looks tint on purpose, so it is never a fault.
    - contrast: levels of luminance between black and white.
    """
    greys = _grey_ramp(lut)
    return Report((_roughness(lut), _banding(greys), _tone(greys), _channels(greys), _clipping(lut), _skin(lut),
                   _neutral(greys), _contrast(greys)))  # fmt: skip


def fix(lut: Lut) -> Lut:
    """The table with roughness, falling tones and clipping mended: afterwards `lint` has nothing to say of these.

    A table without such findings comes back as it is. Roughness is smoothed, no more than is needed, along each axis by local
    straight lines (Cleveland, 1979), so that straight parts, black and white stay. Tone curves are made to rise
    everywhere (isotonic regression), and each channel's values follow its curve. Clipped colours are guessed by going on as
    the colours beside them do; then highlights, shadows and chroma are compressed softly until they fit. What is
    still wrong after that, as in a table that is hardly more than noise, is mixed with the untouched colours.

    Raises:
        LutError: the table turns light and dark round, so there is no rising tone curve in it.
    """
    if not _unsound(lut):
        return lut
    greys = _luminance(_grey_ramp(lut))
    if greys[-1] < greys[0]:
        raise LutError(
            "This look turns light and dark round, so it cannot be repaired: a repaired one would not be a negative."
        )
    mended = lut
    for _ in range(_ROUNDS):
        for name, repair in _REPAIRS.items():
            if name in _unsound(mended):
                mended = repair(mended)
    for strength in np.linspace(1, 0, 21):
        weaker = mended.with_strength(float(strength))
        if not _unsound(weaker):
            return weaker
    raise AssertionError("the untouched colours are sound")


def _unsound(lut: Lut) -> set[str]:
    """What of a table is to be mended."""
    report = lint(lut)
    return {name for name in REPAIRED if report[name].severity != "ok"}


# --- findings


def _finding(name: str, figure: float, unit: str, ok: str, else_: str, *, rated: float | None = None) -> Finding:
    """Rate a figure (or, instead, `rated`) by the limits of that name."""
    warning, fault = LIMITS[name]
    rated = figure if rated is None else rated
    severity: Severity = "fault" if rated > fault else "warning" if rated > warning else "ok"
    return Finding(name, severity, float(figure) + 0.0, unit, ok if severity == "ok" else else_)


def _roughness(lut: Lut) -> Finding:
    table = lut.resampled(min(lut.size, SIZE)).table.astype(np.float64)
    wiggles = np.concatenate([_wiggles(np.moveaxis(table, axis, 0)).ravel() for axis in range(3)])
    nodes = np.arange(len(table))
    on_grey = _wiggles(table[nodes, nodes, nodes])
    figure = max(np.percentile(wiggles, 95), on_grey.max() / 2) if wiggles.size else 0.0
    return _finding("roughness", figure, "levels", "The colours change smoothly.",
                    "Neighbouring colours jump to and fro: skies and skin may show bands or blotches.")  # fmt: skip


def _wiggles(table: F64) -> F64:
    """Of each pair of neighbouring second differences along the first axis: their geometric mean, where signs differ."""
    bends = np.diff(table * 255, 2, axis=0)
    return np.asarray(np.sqrt(np.maximum(0, -bends[1:] * bends[:-1])))


def _banding(greys: F64) -> Finding:
    jump = np.abs(np.diff(greys, axis=0)).max()
    return _finding("banding", jump, "levels", "Gradients stay gradients in 8-bit pictures.",
                    "Some tones are pulled so far apart that soft gradients in 8-bit pictures may become steps.")  # fmt: skip


def _tone(greys: F64) -> Finding:
    luminance = _luminance(greys)
    drop = _drop(luminance)
    text = "As a photo gets brighter, so does the result, but not everywhere: some brighter tones come out darker."
    if luminance[-1] < luminance[0]:
        text = "Light and dark are turned round, as in a negative."
    return _finding("tone", drop, "levels", "What is brighter in the photo is brighter in the result.", text)


def _channels(greys: F64) -> Finding:
    drops = [_drop(greys[:, channel]) for channel in range(3)]
    worst = int(np.argmax(drops))
    text = "Red, green and blue rise with the tones." if drops[worst] < 1 else "Red, green and blue hardly fall anywhere."
    return _finding("channels", drops[worst], "levels", text,
                    f"{('Red', 'Green', 'Blue')[worst]} falls where greys get brighter: their tint turns over.")  # fmt: skip


def _drop(curve: F64) -> float:
    """By how much a curve falls at most."""
    return float((np.maximum.accumulate(curve) - curve).max())


def _clipping(lut: Lut) -> Finding:
    table, colors = lut.resampled(SIZE).table, Lut.identity(SIZE).table
    lost = _lost(table, colors)
    lab = srgb_to_lab(colors)
    dark, light = NATURAL_LIGHTNESS
    natural = (np.hypot(lab[..., 1], lab[..., 2]) < NATURAL_CHROMA) & (lab[..., 0] > dark) & (lab[..., 0] < light)
    share, whole = lost[natural].mean(), lost.mean()
    told = f"{percent(share)} of natural colours and {percent(whole)} of all"
    return _finding("clipping", share, "share", f"Not much is clipped: {told}." if lost.any() else "Nothing is clipped.",
                    f"Colours are pushed onto 0 or 255, where their detail is lost: {told}.")  # fmt: skip


def _lost(table: F32, colors: F32) -> NDArray[np.bool_]:
    """[N, N, N]: whether a channel that was away from 0 and 1 has come there."""
    ends = (table <= CLIPPED) | (table >= 1 - CLIPPED)
    return np.asarray((ends & (colors > RIM) & (colors < 1 - RIM)).any(-1))


def _skin(lut: Lut) -> Finding:
    before = skin_colors()
    after = srgb_to_lab(look_up(lut, lab_to_srgb(before)))
    difference = ciede2000(before, after).mean()
    chroma = np.hypot(after[:, 1], after[:, 2])
    if chroma.max() < GREY_CHROMA:
        return Finding("skin", "ok", 0.0, "degrees", f"Skin has no colour any more (CIEDE2000 {difference:.1f}).")
    turns, weights = hue_turns(before, after), chroma / chroma.sum()
    mean = float(turns @ weights)
    sense = "yellow and green" if mean > 0 else "red and magenta"
    return _finding("skin", mean, "degrees", f"Skin stays among its hues (CIEDE2000 {difference:.1f} in all).",
                    f"Skin turns towards {sense} (CIEDE2000 {difference:.1f}): look at faces.",
                    rated=float(np.abs(turns) @ weights))  # fmt: skip


def _neutral(greys: F64) -> Finding:
    lab = srgb_to_lab(greys / 255)
    chroma = float(np.hypot(lab[:, 1], lab[:, 2]).mean())
    text = "Greys stay grey." if chroma < GREY_CHROMA else "Greys are tinted, as many looks do on purpose."
    return Finding("neutral", "ok", chroma, "chroma", text)


def _contrast(greys: F64) -> Finding:
    luminance = _luminance(greys)
    black, white = luminance[0], luminance[-1]
    told = f"Black becomes {black:.0f} and white {white:.0f} of 255"
    return _finding("contrast", abs(white - black), "levels", f"{told}.", f"{told}: hardly any contrast is left.",
                    rated=-abs(white - black))  # fmt: skip


def skin_colors() -> F64:
    """Colours of skin from dark to light, CIELAB [12, 3]: lightness 30..80, hue 45 and 60 degrees, chroma 20."""
    hues = np.deg2rad(SKIN_HUES)
    rows = [(light, SKIN_CHROMA * np.cos(hue), SKIN_CHROMA * np.sin(hue)) for light in SKIN_LIGHTNESS for hue in hues]
    return np.array(rows, np.float64)


def percent(share: float) -> str:
    """A share for people: "12%", "0.4%", "0%"."""
    return f"{share:.0%}" if share >= 0.1 or share == 0 else f"{share:.1%}"


def hue_turns(before: Array, after: Array) -> F64:
    """From CIELAB [N, 3] to CIELAB [N, 3]: by how many degrees each hue turns, -180..180, + from red to yellow."""
    hues = [np.rad2deg(np.arctan2(lab[:, 2], lab[:, 1])) for lab in (before, after)]
    return np.asarray((hues[1] - hues[0] + 180) % 360 - 180, np.float64)


def look_up(lut: Lut, colors: Array) -> F64:
    """sRGB floats [N, 3] in 0..1 through the table -> float64 [N, 3], trilinear; colours beyond are clipped first."""
    return np.asarray(sample(lut.table, colors.astype(np.float64)), np.float64)


def _grey_ramp(lut: Lut) -> F64:
    """What becomes of the 256 greys: levels float64 [256, 3], not rounded."""
    return look_up(lut, np.repeat(np.arange(GREYS)[:, None] / (GREYS - 1), 3, 1)) * 255


def _luminance(colors: F64) -> F64:
    return np.asarray(colors @ LUMA)


# --- repairs


def _smoothed(lut: Lut) -> Lut:
    """Local straight lines along each axis, over the shortest reach that takes the roughness off."""
    found = lut
    for reach in _REACHES:
        rows = _local_lines(lut.size, reach * (lut.size - 1) / (SIZE - 1))
        table = lut.table.astype(np.float64)
        for axis in range(3):
            table = np.moveaxis(np.tensordot(rows, table, (1, axis)), 0, axis)
        found = _lut(table)
        if _roughness(found).severity == "ok":
            break
    return found


def _local_lines(size: int, deviation: float) -> F64:
    """[N, N]: the weights with which each node's value is that of the straight line fitted to its surroundings."""
    offsets = np.arange(size)[None, :] - np.arange(size)[:, None]
    weights = np.exp(-0.5 * (offsets / max(deviation, 0.3)) ** 2)
    first, second = (weights * offsets).sum(1, keepdims=True), (weights * offsets**2).sum(1, keepdims=True)
    rows = weights * (second - first * offsets)
    return np.asarray(rows / rows.sum(1, keepdims=True))


def _rising(lut: Lut) -> Lut:
    """Each channel of grey rises everywhere, and the channel's values change with its own curve."""
    nodes = np.arange(lut.size)
    table = lut.table.astype(np.float64)
    shape = np.full((3, 3), 1)
    np.fill_diagonal(shape, lut.size)
    for channel in range(3):
        curve = table[nodes, nodes, nodes, channel]
        least = _LEAST_RISE * max(0.0, curve[-1] - curve[0]) * nodes / (lut.size - 1)
        change = isotonic(curve - least) + least - curve
        table[..., channel] += change.reshape(shape[channel])
    return _lut(table)


def isotonic(values: Array) -> F64:
    """The rising sequence [N] nearest to the given one in squares, by pooling neighbours that fall (Ayer et al., 1955)."""
    pools: list[tuple[float, int]] = []  # mean, count
    for value in values.tolist():
        mean, count = float(value), 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        pools.append((mean, count))
    return np.repeat([mean for mean, _ in pools], [count for _, count in pools])


def _unclipped(lut: Lut) -> Lut:
    """Clipped values go on as their neighbours do; then tones, and after them chroma, are compressed until they fit."""
    table = lut.table.astype(np.float64)
    table = 1 - _continued(1 - _continued(table))
    table = _shoulder(table, table[-1, -1, -1].max())
    table = 1 - _shoulder(1 - table, (1 - table[0, 0, 0]).max())

    luminance = np.clip(table @ LUMA, 0, 1)[..., None]
    away = table - luminance
    room = np.where(away > 0, 1 - luminance, luminance)
    fullness = (np.abs(away) / np.maximum(room, 1e-6)).max(-1, keepdims=True)  # 1: a channel just reaches 0 or 1
    fitting = _compressed(fullness, _FULL, float(min(fullness.max(), 4.0)))
    return _lut(luminance + away * fitting / np.maximum(fullness, 1e-6))


def _continued(table: F64) -> F64:
    """Values that reach 1 are replaced, from the rim of the clipped part inwards, by the going on of those before them."""
    least = _LEAST_STEP / (len(table) - 1)
    found = table.copy()
    for channel in range(3):
        values = found[..., channel]
        known = values < 1 - CLIPPED
        while known.any() and not known.all():
            total, count = np.zeros_like(values), np.zeros_like(values)
            for axis in range(3):
                for flip in (1, -1):
                    v, t, c = (np.moveaxis(part, axis, 0)[::flip] for part in (values, total, count))
                    k = np.moveaxis(known, axis, 0)[::flip]
                    usable = k[1:-1] & k[:-2] & ~k[2:]
                    t[2:] += np.where(usable, v[1:-1] + np.maximum(_ONWARD * (v[1:-1] - v[:-2]), least), 0)
                    c[2:] += usable
            reached = count > 0
            if not reached.any():
                break
            values[reached] = np.maximum(1, total[reached] / count[reached])
            known |= reached
    return found


def _shoulder(table: F64, top: float) -> F64:
    """Values above a knee are compressed so that `top` becomes 1; nothing changes where it is no more than that."""
    return _compressed(table, _KNEE, top)


def _compressed(values: F64, knee: float, top: float) -> F64:
    """As they are up to the knee; from there on a hyperbola of slope 1 that takes `top` to 1, if that is above 1."""
    if top <= 1:
        return values
    room, reach = 1 - knee, top - knee
    over = np.maximum(values - knee, 0)
    return np.minimum(values, knee) + over / (1 + over * (reach - room) / (reach * room))


def _lut(table: F64) -> Lut:
    return Lut(np.clip(table, 0, 1).astype(np.float32))


_REPAIRS: dict[str, Callable[[Lut], Lut]] = {
    "roughness": _smoothed,
    "tone": _rising,
    "channels": _rising,
    "clipping": _unclipped,
}
