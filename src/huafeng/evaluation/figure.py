"""What a figure is, and the glossary: what each one means, and when it misleads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

GROUPS = {
    "style": "How near to the works",
    "content": "What is kept of the photo",
    "clean": "Cleanliness",
    "look": "Colour and tone",
    "generator": "Pictures made from noise",
    "adversarial": "Generator against discriminator",
}


@dataclass(frozen=True)
class Definition:
    """What a figure means.

    Args:
        title: as headings show it.
        group: one of GROUPS.
        better: "higher" or "lower" is better, or "photo": as near as possible to what the plain photos have.
        meaning: one sentence.
        misleads: one sentence: when it is not to be trusted.
        unit: of the values, "" for a ratio.
        by_features: it is measured in a feature network, whose name belongs to the figure's.
    """

    title: str
    group: str
    better: Literal["higher", "lower", "photo"]
    meaning: str
    misleads: str
    unit: str = ""
    by_features: bool = False


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Args:
        name: key of GLOSSARY, with "-" and the feature network's name behind where that matters ("kid-features-v1").
        value: the figure; a mean over pictures, or one of the whole set.
        interval: bootstrap interval of 95 %, or None where nothing was resampled.
        identity: the same figure of the plain photos.
        random: the same figure of real works put in the photos' place; without works, of unrelated photos.
        count: on how many pictures it rests.
    """

    name: str
    value: float
    interval: tuple[float, float] | None = None
    identity: float | None = None
    random: float | None = None
    count: int = 0

    def renamed(self, name: str) -> Figure:
        """The same under another name."""
        return replace(self, name=name)


@dataclass(frozen=True)
class CurvePoint:
    """The style gap closed and the content kept at one strength."""

    strength: float
    style_gap_closed: float
    content_kept: float


GLOSSARY: dict[str, Definition] = {
    "style-gap-closed": Definition(
        "Style gap closed", "style", "higher",
        "How much of the distance between plain photos and real works the style has gone: 0 = the photo, 1 = real works.",
        "A picture of pure texture scores high: read it beside content kept.",
        by_features=True,
    ),
    "kid": Definition(
        "KID (style)", "style", "lower",
        "Squared distance (unbiased, cubic kernel) between the style statistics of the results and of the works.",
        "Its size depends on the network and on the photos that are measured: compare figures of one report only.",
        by_features=True,
    ),
    "frechet": Definition(
        "Frechet distance (style)", "style", "lower",
        "Distance between the results' and the works' style statistics, each taken as one normal distribution.",
        "Under 2,000 pictures it is biased upwards, the more the fewer there are: KID leads then.",
        by_features=True,
    ),
    "gram-distance": Definition(
        "Gram distance", "style", "lower",
        "Relative distance of the results' Gram matrices to the works' mean: what style losses train.",
        "A generator trained on this very distance in this very network can be good at nothing else.",
        by_features=True,
    ),
    "content-kept": Definition(
        "Content kept", "content", "higher",
        "How much of the photo's features is still there and in its place: 1 = the photo itself, 0 = an unrelated photo.",
        "The plain photo has the best figure there is: read it beside the style gap closed.",
        by_features=True,
    ),
    "recoloured-160": Definition(
        "Recoloured, at 160 px", "content", "lower",
        "How much of the result is merely its photo in other colours, in a feed: the share of its variance that the best cubic "
        "colour map of the photo explains; 1 = a colour filter.",
        "A result that destroys the photo scores best, so read it beside content kept and faces kept; soft styles keep the "
        "photo's tones on purpose.",
    ),
    "recoloured": Definition(
        "Recoloured", "content", "lower",
        "The same at the size at which photos are styled, where strokes count as well as shapes.",
        "As at 160 px; noise and a fine pattern over an otherwise untouched photo lower it, too.",
    ),
    "ssim": Definition(
        "SSIM", "content", "higher",
        "Structural similarity of the luminance to the photo's, in windows of 11 px (Wang et al., 2004): 1 = equal.",
        "Strokes that a painter would set lower it as much as damage does.",
    ),
    "ms-ssim": Definition(
        "MS-SSIM", "content", "higher",
        "Structural similarity of the luminance over five sizes (Wang et al., 2003): 1 = equal.",
        "It hardly sees colour, and rates a blurred photo too high.",
    ),
    "psnr": Definition(
        "PSNR", "content", "higher",
        "Mean squared difference to the photo on a logarithmic scale; 40 dB is hardly visible.",
        "A style that only changes colours has a low one; an identical picture is counted as 100 dB.",
        unit="dB",
    ),
    "mse": Definition(
        "MSE", "content", "lower",
        "Mean squared difference to the photo, of values in 0..1.",
        "It counts a shift of brightness like the loss of an eye.",
    ),
    "edges-kept": Definition(
        "Edges kept", "content", "higher",
        "How well the result's edges lie on the photo's (F measure of Canny edges, 2 px of tolerance): 1 = all of them.",
        "Outlines that a style adds on purpose count as wrong.",
    ),
    "lpips": Definition(
        "LPIPS", "content", "lower",
        "Perceptual distance to the photo in VGG-16, at a short side of 256 px (Zhang et al., CVPR 2018): 0 = equal.",
        "It was learned from judgements on distortions, not on paintings.",
    ),
    "faces-kept": Definition(
        "Faces kept", "content", "higher",
        "Share of the photos' faces that a detector (Haar cascade) still finds in the result, in the same place.",
        "The detector is an old one: it misses turned, dark and small faces, and finds some that are none.",
    ),
    "face-shift": Definition(
        "Face shift", "content", "lower",
        "How far the frame and the eyes of faces that were found again moved, in parts of the face's width.",
        "Only of faces that were found in both; the detector itself trembles by 0.02 or so.",
    ),
    "grid": Definition(
        "Grid energy", "clean", "lower",
        "How far the strongest peak at periods of 2 or 4 px stands out of the spectrum of all results: a checkerboard shows "
        "above 10 dB or so.",
        "Real canvas, halftone or hatching of that period is a peak, too; under 30 pictures chance adds some dB.",
        unit="dB",
    ),
    "halo": Definition(
        "Halo", "clean", "photo",
        "How far the luminance beside strong edges over- or undershoots what lies further away, in parts of the edge's height; "
        "below 0 it is softer than a clean step.",
        "Outlines that a style draws along edges are seen as halos.",
    ),
    "flat-noise": Definition(
        "Noise in flat areas", "clean", "photo",
        "Standard deviation of fine luminance detail where the photo is flat (skies, walls).",
        "A style whose ground has texture (canvas, paper) has it on purpose.",
        unit="of 255",
    ),
    "heaped": Definition(
        "Texture in heaps", "clean", "lower",
        "How far a result's texture lies in heaps where the photo has none, as scales and rings in soft shades: 0 = nowhere.",
        "A style of a few strokes on plain ground has heaps on purpose. The built-in styles are trained against its like.",
    ),
    "ciede2000": Definition(
        "Colour change", "look", "photo",
        "Mean CIEDE2000 colour difference to the photo: 1 is just visible.",
        "More is not worse: it says how much a style changes, not how well.",
        unit="ΔE00",
    ),
    "neutral-shift": Definition(
        "Neutral shift", "look", "photo",
        "Mean chroma of the pixels that are nearly grey in the photo, where they have 0 to 4 of it.",
        "A look that is meant to be warm or cold shifts them on purpose.",
        unit="ΔC",
    ),
    "skin-shift": Definition(
        "Skin shift", "look", "photo",
        "Mean CIEDE2000 colour difference of pixels with the colour of skin.",
        "Sand, wood and terracotta have the colour of skin, too.",
        unit="ΔE00",
    ),
    "banding": Definition(
        "Banding", "look", "photo",
        "Share of places with a soft gradient in the photo that became flat steps in the result.",
        "Posterised styles have steps on purpose.",
    ),
    "generated-frechet": Definition(
        "Frechet distance", "generator", "lower",
        "Distance between made and real pictures' features, each taken as one normal distribution; with Inception's features "
        "it is FID (Heusel et al., NeurIPS 2017).",
        "Under 2,000 pictures it is biased upwards; a network that memorised its training pictures scores best.",
        by_features=True,
    ),
    "generated-kid": Definition(
        "KID", "generator", "lower",
        "Squared distance (unbiased, cubic kernel) between made and real pictures' features, times 1,000 "
        "(Binkowski et al., ICLR 2018).",
        "A network that memorised its training pictures scores best.",
        by_features=True,
    ),
    "precision": Definition(
        "Precision", "generator", "higher",
        "Share of made pictures that lie among real ones (Kynkäänniemi et al., NeurIPS 2019): how believable they are.",
        "One good picture, made again and again, has precision 1.",
        by_features=True,
    ),
    "recall": Definition(
        "Recall", "generator", "higher",
        "Share of real pictures that lie among made ones: how much of the variety is covered.",
        "One outlier among the made pictures can cover much: it grows with noise.",
        by_features=True,
    ),
    "diversity": Definition(
        "Diversity", "generator", "photo",
        "Mean distance between two made pictures, in parts of that between two real ones: near 0 is a collapse.",
        "Noise is diverse.",
        by_features=True,
    ),
    "duplicates": Definition(
        "Near copies", "generator", "lower",
        "Share of made pictures that lie nearer to a real one than real ones lie to each other (its lowest hundredth): a "
        "privacy figure, for such a picture may show a real person.",
        "Features overlook copies that were mirrored, cropped or recoloured: 0 is no proof.",
        by_features=True,
    ),
    "accuracy-real": Definition(
        "Real works recognised", "adversarial", "photo",
        "Share of real pictures that the discriminator takes for real: 0.5 to 0.9 is a fair match.",
        "On works that it was trained on it says how well they were learned by heart.",
    ),
    "accuracy-made": Definition(
        "Made pictures recognised", "adversarial", "photo",
        "Share of results that the discriminator takes for made.",
        "A discriminator that takes everything for made has 1, and is worth nothing.",
    ),
    "calibration-error": Definition(
        "Calibration error", "adversarial", "lower",
        "How far the discriminator's certainty and its share of right answers lie apart, on average over ten bins, after one "
        "temperature was fitted on the other half of the pictures.",
        "With few pictures chance alone gives 0.05 to 0.1.",
    ),
    "loss-spread": Definition(
        "Training stability", "adversarial", "lower",
        "Spread (standard deviation over mean) of the validation objective over the last tenth of the training.",
        "A small learning rate at the end makes every run calm.",
    ),
    "curve-area": Definition(
        "Strength curve", "style", "higher",
        "Area between the curve of style gap closed over content kept, for strengths 0 to 1, and the straight line from photo "
        "to work: above 0 the style gives more than it takes.",
        "A style that stops early has a short curve and a small area.",
        by_features=True,
    ),
}  # fmt: skip


def pinned(name: str, features: str) -> str:
    """The figure's full name: with the feature network's where it is measured in one."""
    return f"{name}-{features}" if GLOSSARY[name].by_features else name


def definition(pinned_name: str) -> Definition:
    """What a figure's full name means.

    Raises:
        KeyError: there is no such figure.
    """
    for name in sorted(GLOSSARY, key=len, reverse=True):
        if pinned_name == name or (GLOSSARY[name].by_features and pinned_name.startswith(f"{name}-")):
            return GLOSSARY[name]
    raise KeyError(pinned_name)
