"""Checkpoint -> the base generator file and one `.style` file per style, after a parity check.

    python -m huafeng.training.pack RUN --out src/huafeng/styles

Cards come from the recipe in the run folder's options.json; thumbnails show scikit-image's astronaut (NASA, public domain).
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save as save_safetensors

from huafeng.art import RIM, Generator, frame
from huafeng.files import write_whole
from huafeng.library import BASE_FILE
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


def parity(trained: TrainedGenerator, runtime: Generator, code: torch.Tensor, photo: U8) -> float:
    """Largest difference, of 255, between the trained network and the runtime on a photo of at most THUMBNAIL px."""
    with torch.no_grad():
        wanted = trained(to_batch([frame(photo)]), code[None])[0].permute(1, 2, 0) * 255
    inner = wanted.numpy()[RIM : RIM + photo.shape[0], RIM : RIM + photo.shape[1]]
    return float(np.abs(inner - runtime.paint(photo, code.numpy())).max())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder with checkpoint.pt and options.json")
    parser.add_argument("--out", type=Path, required=True, help="folder for base.safetensors and NAME.style")
    args = parser.parse_args()
    recipe = json.loads((args.run / "options.json").read_text(encoding="utf-8"))
    state = torch.load(args.run / "checkpoint.pt", weights_only=True)
    trained = TrainedGenerator()
    trained.load_state_dict(state["ema"])
    trained.eval()
    base = save_safetensors(base_tensors(trained))
    sha256 = hashlib.sha256(base).hexdigest()
    runtime = Generator(base)

    from skimage.data import astronaut

    photo = np.ascontiguousarray(astronaut()[:384, 48:432])
    write_whole(args.out / BASE_FILE, base, force=True)
    today = datetime.date.today().isoformat()
    for name, code in zip(state["names"], state["ema_codes"], strict=True):
        worst = parity(trained, runtime, code, photo)
        if worst > PARITY:
            raise SystemExit(f"{name}: the runtime differs from the trained network by {worst} of 255.")
        card = Card(date=today, base_sha256=sha256, **recipe["styles"][name]["card"])
        style = Style(name, "art", {"code": code.numpy()}, card, thumbnail(runtime.paint(photo, code.numpy())))
        style.save(args.out / f"{name}.style", force=True)
        print(f"{name}: {len(style.to_bytes())} bytes, parity {worst:.1f}/255")
    print(f"{BASE_FILE}: {len(base)} bytes")


if __name__ == "__main__":
    main()
