"""A trained generator and its codes -> the base generator file and one `.style` file per style, after a parity check.

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

from huafeng.art import RIM, Generator, frame
from huafeng.errors import TrainingError
from huafeng.files import write_whole
from huafeng.pixels import U8
from huafeng.style import Card, Style
from huafeng.training.data import to_batch
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


def parity(trained: TrainedGenerator, runtime: Generator, code: Tensor, photo: U8) -> float:
    """Largest difference, of 255, between the trained network and the runtime on a photo of at most THUMBNAIL px."""
    with torch.no_grad():
        wanted = trained(to_batch([frame(photo)]), code[None])[0].permute(1, 2, 0) * 255
    inner = wanted.numpy()[RIM : RIM + photo.shape[0], RIM : RIM + photo.shape[1]]
    return float(np.abs(inner - runtime.paint(photo, code.numpy())).max())


def test_photo() -> U8:
    """A portrait of 384 px, or a plain ramp of colours where scikit-image is not installed."""
    try:
        from skimage.data import astronaut
    except ImportError:
        ramp = np.arange(384) * 255 // 383
        return np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], 255 - ramp[:, None]), -1).astype(np.uint8)
    return np.ascontiguousarray(astronaut()[:384, 48:432])


def export_styles(
    trained: TrainedGenerator, codes: Mapping[str, Tensor], cards: Sequence[Mapping[str, Any]], folder: Path
) -> list[Path]:
    """Write the base generator and a style file for each of the codes {name: [K]}; gives the paths, the base first.

    Raises:
        TrainingError: the runtime paints otherwise than the trained network.
    """
    trained = copy.deepcopy(trained).cpu().float().eval()
    base = save_safetensors(base_tensors(trained))
    sha256 = hashlib.sha256(base).hexdigest()
    runtime, photo = Generator(base), test_photo()
    styles = []
    for (name, code), card in zip(codes.items(), cards, strict=True):
        worst = parity(trained, runtime, code, photo)
        if not worst <= PARITY:
            raise TrainingError(f"{name}: the runtime differs from the trained network by {worst:.1f} of 255.")
        picture = thumbnail(runtime.paint(photo, code.numpy()))
        styles.append(Style(name, "art", {"code": code.numpy()}, Card(base_sha256=sha256, **card), picture))
    paths = [folder / f"base-{sha256[:8]}.safetensors", *(folder / f"{style.name}.style" for style in styles)]
    write_whole(paths[0], base, force=True)
    for style, path in zip(styles, paths[1:], strict=True):
        style.save(path, force=True)
    return paths
