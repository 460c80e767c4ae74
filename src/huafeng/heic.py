"""HEIC photos, which pi-heif (the extra `heic`) decodes and turns upright."""

from __future__ import annotations

import io

from PIL import ImageFile

from huafeng.bmff import boxes
from huafeng.errors import PhotoError


def open_heic(data: bytes, name: str) -> ImageFile.ImageFile:
    """The picture, not yet decoded; `name` is for messages.

    Raises:
        PhotoError: pi-heif is not installed.
        ValueError, SyntaxError, ...: damaged.
    """
    try:
        from pi_heif import HeifImageFile
    except ImportError as error:
        raise PhotoError(f'{name} is HEIC, which needs a package more: pip install "huafeng[heic]".') from error
    if not _item_types_are_text(data):
        raise ValueError("an item's type is not text")
    image: ImageFile.ImageFile = HeifImageFile(io.BytesIO(data))
    return image


def _item_types_are_text(data: bytes) -> bool:
    """False if an item's type or name is not UTF-8, on which pi-heif (1.4) ends the whole process.

    An `infe` box (ISO/IEC 14496-12, 8.11.6): size, "infe", version, flags, item id (4 bytes from version 3, else 2),
    protection, then text.
    """
    for name, start, end in boxes(data):
        if name != b"meta":
            continue
        at = data.find(b"infe", start, end)
        while at != -1:
            box_end = at - 4 + int.from_bytes(data[at - 4 : at], "big")
            text = data[at + (14 if data[at + 4 : at + 5] == b"\3" else 12) : min(box_end, end)]
            try:
                text.decode()
            except UnicodeDecodeError:
                return False
            at = data.find(b"infe", at + 4, end)
    return True
