"""Regions: which pixels of a photo are styled, as a mask."""

from __future__ import annotations

import warnings

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from huafeng import models
from huafeng.edit import BackgroundRegion, BoxRegion, FaceRegion, MaskRegion, Region, SubjectRegion
from huafeng.errors import Note, PhotoError, RegionError
from huafeng.faces import face_mask
from huafeng.photo import Photo
from huafeng.pixels import U8, resize
from huafeng.subject import find_subject

_BLUR_SIGMA = 4.0  # pixels; a wider feather is blurred on a picture reduced to this


DARK, LIGHT = 32, 223  # of 255, what is nearly black or white in a mask


class MaskResized(Note):
    """A mask file has another size than its photo."""


def region_mask(region: Region, pixels: U8, *, threads: int = 1) -> U8:
    """The mask of a region of the photo uint8 [H, W, 3]: uint8 [H, W], 255 = styled, 0 = untouched.

    A mask file counts by its lightness (luma, ITU-R 601) times its alpha, so white paint on a transparent layer
    works as well as white on black; of a cut-out, a picture on a transparent layer, its alpha counts alone. One of
    another size is resized (`MaskResized` is warned). A box covers at least one pixel. The feather is
    Gaussian, its sigma a fraction of the photo's short side; the photo's own
    edges are not feathered.

    Raises:
        RegionError: the mask file cannot be read as a picture; the photo has no face, or no clear subject.
        DataError: the region is a part of the photo that is to be found, and what finds it is not installed.
    """
    height, width = pixels.shape[:2]
    match region:  # a new kind of region is a new case here
        case MaskRegion():
            mask = _from_file(region.path, width, height)
        case BoxRegion():
            mask = _from_box(region, width, height)
        case FaceRegion():
            mask = face_mask(pixels)
            if not mask.any():
                raise RegionError(f"No face was found; use --box or --mask{_finer()}.")
        case SubjectRegion():
            mask = find_subject(pixels, threads=threads)
        case BackgroundRegion():
            mask = 255 - find_subject(pixels, threads=threads)
    return _feathered(mask, region.feather * min(width, height))


def _finer() -> str:
    hint = f" (profiles are found after {models.INSTALL})"
    return "" if models.ready(models.FACES) else hint


def _from_file(path: str, width: int, height: int) -> U8:
    try:
        photo = Photo.open(path)
    except PhotoError as error:
        raise RegionError(f"The mask cannot be used: {error}") from error
    luma = Image.fromarray(photo.pixels).convert("L")
    if photo.alpha is not None:
        alpha = Image.fromarray(photo.alpha)
        luma = alpha if _is_cutout(photo) else ImageChops.multiply(luma, alpha)
    if luma.size != (width, height):
        message = f"The mask {path} is {luma.width} x {luma.height} pixels: resized to the photo's {width} x {height}."
        warnings.warn(message, MaskResized, stacklevel=3)  # names the caller of region_mask
    return resize(np.asarray(luma), width, height)


def _is_cutout(photo: Photo) -> bool:
    """Whether alpha says where, and colours are the picture that was cut out: they are neither black nor white."""
    assert photo.alpha is not None
    seen = photo.pixels[photo.alpha > 127]
    painted = (seen.max(-1, initial=0) < DARK) | (seen.min(-1, initial=255) > LIGHT)
    return bool(photo.alpha.min() < photo.alpha.max() and painted.size and painted.mean() < 0.5)


def _from_box(box: BoxRegion, width: int, height: int) -> U8:
    left, right = _span(box.left, box.right, width)
    top, bottom = _span(box.top, box.bottom, height)
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def _span(low: float, high: float, length: int) -> tuple[int, int]:
    """Fractions of a length -> whole pixels, at least one."""
    start = min(round(low * length), length - 1)
    return start, max(round(high * length), start + 1)


def _feathered(mask: U8, sigma: float) -> U8:
    """A Gaussian blur by `sigma` pixels that goes on beyond the edges as the mask ends there."""
    if sigma == 0:
        return mask
    height, width = mask.shape
    image = Image.fromarray(mask)
    factor = max(1, int(sigma / _BLUR_SIGMA))
    image = image.reduce(factor).filter(ImageFilter.GaussianBlur(sigma / factor))
    if factor > 1:
        # The last block may hang over the edge: only the part inside is enlarged.
        image = image.resize((width, height), Image.Resampling.BILINEAR, box=(0, 0, width / factor, height / factor))
    return np.asarray(image)
