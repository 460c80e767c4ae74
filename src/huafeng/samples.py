"""Photos that come with Huafeng: what an unknown style is tried on. `samples/README.md` says whose they are."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from huafeng.photo import Photo
from huafeng.pixels import U8

FOLDER = Path(__file__).parent / "samples"


@cache
def sample_photos() -> tuple[U8, ...]:
    """Squares of everyday photos, uint8 [256, 256, 3] each: a face, cloth, fur, a cup, wood, metal, the evening sky."""
    return tuple(Photo.open(path).pixels for path in sorted(FOLDER.glob("*.jpg")))
