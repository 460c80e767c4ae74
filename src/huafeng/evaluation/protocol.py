"""The protocol: how large pictures are when they are measured. Its name belongs to every figure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from huafeng.errors import DataError
from huafeng.pixels import U8, resize

VERSION = 1  # of all that is decided in this package and changes figures
LEAST_PHOTOS = 10
LEAST_CROP_PX = 64
FRECHET_PICTURES = 2000  # under which its bias is told


@dataclass(frozen=True)
class Protocol:
    """Photos are styled at a short side of `photo_px`; features see the middle `crop_px` square.

    Raises:
        DataError: the crop is larger than the photo, or too small to measure anything in.
    """

    photo_px: int = 512
    crop_px: int = 256

    def __post_init__(self) -> None:
        if not LEAST_CROP_PX <= self.crop_px <= self.photo_px <= 4096:
            raise DataError(
                f"The protocol {self.name} cannot be: the photo must be at most 4096 px and at least as large as the crop, "
                f"and the crop at least {LEAST_CROP_PX} px."
            )

    @property
    def name(self) -> str:
        """photo512-crop256-v1."""
        return f"photo{self.photo_px}-crop{self.crop_px}-v{VERSION}"

    @classmethod
    def named(cls, name: str) -> Protocol:
        """The protocol of that name.

        Raises:
            DataError: there is none of that name in this version.
        """
        found = re.fullmatch(r"photo(\d{1,5})-crop(\d{1,5})-v(\d{1,5})", name)
        if not found or int(found[3]) != VERSION:
            raise DataError(f"There is no protocol {name!r} here: it reads like {cls().name}, photo and crop size in px.")
        return cls(int(found[1]), int(found[2]))

    def shown(self, picture: U8) -> U8:
        """uint8 [H, W, 3] -> the same at a short side of `photo_px`."""
        return at_short_side(picture, self.photo_px)

    def crop(self, picture: U8) -> U8:
        """uint8 [H, W, 3] -> its middle, uint8 [S, S, 3]."""
        height, width = picture.shape[:2]
        top, left = (height - self.crop_px) // 2, (width - self.crop_px) // 2
        return picture[top : top + self.crop_px, left : left + self.crop_px]


def at_short_side(picture: U8, short_side_px: int) -> U8:
    """uint8 [H, W, 3] -> shrunk or grown to a short side in px, proportions kept."""
    height, width = picture.shape[:2]
    scale = short_side_px / min(height, width)
    return resize(picture, max(short_side_px, round(width * scale)), max(short_side_px, round(height * scale)))
