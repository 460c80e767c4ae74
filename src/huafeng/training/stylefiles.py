"""A trained generator and its arts -> the base generator file and one `.style` file per style, after a parity check.

Thumbnails show scikit-image's astronaut (NASA, public domain) where scikit-image is installed.
"""

from __future__ import annotations

import copy
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save as save_safetensors
from torch import Tensor

from huafeng.art import RIM, Generator, frame, noise_for
from huafeng.files import write_whole
from huafeng.pixels import F32, U8
from huafeng.style import Card, Style
from huafeng.training.data import to_batch
from huafeng.training.encoder import Encoder
from huafeng.training.export import base_tensors
from huafeng.training.network import Generator as TrainedGenerator
from huafeng.training.precision import PARITY, PRECISIONS, Precision, note_differences

THUMBNAIL_PX = 192


def rounded_art(art: Mapping[str, Tensor], precision: Precision) -> dict[str, F32]:
    """A style's numbers as its file keeps them: the delta rounded, or left out where it is 0."""
    rows = {part: row.numpy() for part, row in art.items() if part == "code" or row.any()}
    return {part: row.astype(precision).astype(np.float32) if part == "delta" else row for part, row in rows.items()}


def thumbnail(pixels: U8) -> bytes:
    """A small WebP of a picture uint8 [H, W, 3]."""
    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=82, method=6)
    return buffer.getvalue()


def parity(trained: TrainedGenerator, runtime: Generator, tensors: Mapping[str, F32], photo: U8) -> float:
    """Largest difference, of 255, between the trained network and the runtime on a photo of at most THUMBNAIL px."""
    manner = {name: torch.from_numpy(row)[None] for name, row in tensors.items() if name != "quiet"}
    framed, entering = frame(photo), 1 - float(tensors.get("quiet", [0])[0])
    with torch.no_grad():
        noise = entering * torch.from_numpy(noise_for(*framed.shape[:2]))[None]
        wanted = trained(to_batch([framed]), **manner, noise=noise)[0].permute(1, 2, 0) * 255
    inner = wanted.numpy()[RIM : RIM + photo.shape[0], RIM : RIM + photo.shape[1]]
    return float(np.abs(inner - runtime.paint(photo, runtime.modulation(**tensors))).max())


def test_photo() -> U8:
    """A portrait of 384 px, or a plain ramp of colours where scikit-image is not installed."""
    try:
        from skimage.data import astronaut
    except ImportError:
        ramp = np.arange(384) * 255 // 383
        return np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], 255 - ramp[:, None]), -1).astype(np.uint8)
    return np.ascontiguousarray(astronaut()[:384, 48:432])


def export_styles(
    trained: TrainedGenerator,
    encoder: Encoder | None,
    arts: Mapping[str, Mapping[str, Tensor]],
    cards: Sequence[Mapping[str, Any]],
    folder: Path,
    base: bytes | None = None,
) -> list[Path]:
    """Write the base generator and a style file for each of the arts {name: {"code": [K], "delta": [M]}}, as float32.

    Weights and deltas are rounded to float16, unless that changes pictures too much (`WeightsDiffer` is warned). A delta is
    left out where it is 0. Where `base` is given, the styles are for that base generator file, whose weights `trained` has,
    and it is not written. Gives the paths, the base first.
    """
    trained = copy.deepcopy(trained).cpu().float().eval()
    encoder = encoder and copy.deepcopy(encoder).cpu().float()
    photo = test_photo()
    differences: list[dict[str, float]] = []
    for precision in PRECISIONS:
        data = base or save_safetensors(base_tensors(trained, encoder, precision))
        runtime = Generator(data)
        rounded = {name: rounded_art(art, precision) for name, art in arts.items()}
        differences.append({name: parity(trained, runtime, tensors, photo) for name, tensors in rounded.items()})
        if all(worst <= PARITY for worst in differences[-1].values()):
            break
    note_differences(differences)
    sha256 = hashlib.sha256(data).hexdigest()
    styles = []
    for (name, tensors), card in zip(rounded.items(), cards, strict=True):
        picture = thumbnail(runtime.paint(photo, runtime.modulation(**tensors)))
        styles.append(Style(name, "art", tensors, Card(base_sha256=sha256, **card), picture))
    paths = [folder / f"{style.name}.style" for style in styles]
    if base is None:
        paths.insert(0, folder / f"base-{sha256[:8]}.safetensors")
        write_whole(paths[0], data, force=True)
    for style, path in zip(styles, paths[-len(styles) :], strict=True):
        style.save(path, force=True)
    return paths
