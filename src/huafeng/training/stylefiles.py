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
from huafeng.errors import TrainingError
from huafeng.files import write_whole
from huafeng.pixels import F32, U8
from huafeng.style import Card, Style
from huafeng.training.data import to_batch
from huafeng.training.encoder import Encoder
from huafeng.training.export import base_tensors
from huafeng.training.network import Generator as TrainedGenerator

THUMBNAIL_PX = 192
PARITY = 3.0  # of 255: what float16 weights may change at most


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

    A delta is rounded to float16, and left out where it is 0. Where `base` is given, the styles are for that base generator
    file, whose weights `trained` has, and it is not written. Gives the paths, the base first.

    Raises:
        TrainingError: the runtime paints otherwise than the trained network.
    """
    trained = copy.deepcopy(trained).cpu().float().eval()
    own = base is None
    if base is None:
        base = save_safetensors(base_tensors(trained, encoder and copy.deepcopy(encoder).cpu().float()))
    sha256 = hashlib.sha256(base).hexdigest()
    runtime, photo = Generator(base), test_photo()
    styles = []
    for (name, art), card in zip(arts.items(), cards, strict=True):
        tensors = {part: row.numpy() for part, row in art.items() if part == "code" or row.any()}
        if "delta" in tensors:
            tensors["delta"] = tensors["delta"].astype(np.float16).astype(np.float32)
        worst = parity(trained, runtime, tensors, photo)
        if not worst <= PARITY:
            raise TrainingError(f"{name}: the runtime differs from the trained network by {worst:.1f} of 255.")
        picture = thumbnail(runtime.paint(photo, runtime.modulation(**tensors)))
        styles.append(Style(name, "art", tensors, Card(base_sha256=sha256, **card), picture))
    paths = [folder / f"{style.name}.style" for style in styles]
    if own:
        paths.insert(0, folder / f"base-{sha256[:8]}.safetensors")
        write_whole(paths[0], base, force=True)
    for style, path in zip(styles, paths[-len(styles) :], strict=True):
        style.save(path, force=True)
    return paths
