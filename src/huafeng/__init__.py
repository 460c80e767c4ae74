"""Huafeng 画风: learns a visual style from images and gives it to your photos.

from huafeng import Edit, Photo, StyleWeight, Stylizer

photo = Photo.open("holiday.jpg")
Stylizer().apply(photo, Edit((StyleWeight("monet"),), strength=0.8)).save("holiday-monet.jpg")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huafeng.edit import (
        BackgroundRegion,
        BoxRegion,
        Edit,
        FaceRegion,
        MaskRegion,
        StyleWeight,
        SubjectRegion,
        parse_styles,
    )
    from huafeng.errors import HuafengError
    from huafeng.generator import Generator
    from huafeng.library import Library
    from huafeng.photo import Limits, Photo
    from huafeng.style import Card, Style
    from huafeng.stylizer import Stylizer

__version__ = "0.1.0"

__all__ = [
    "BackgroundRegion",
    "BoxRegion",
    "Card",
    "Edit",
    "FaceRegion",
    "Generator",
    "HuafengError",
    "Library",
    "Limits",
    "MaskRegion",
    "Photo",
    "Style",
    "StyleWeight",
    "Stylizer",
    "SubjectRegion",
    "parse_styles",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that `huafeng --help` answers at once."""
    from importlib import import_module

    homes = {
        "edit": (
            "BackgroundRegion",
            "BoxRegion",
            "Edit",
            "FaceRegion",
            "MaskRegion",
            "StyleWeight",
            "SubjectRegion",
            "parse_styles",
        ),
        "errors": ("HuafengError",),
        "generator": ("Generator",),
        "library": ("Library",),
        "photo": ("Limits", "Photo"),
        "style": ("Card", "Style"),
        "stylizer": ("Stylizer",),
    }
    for home, names in homes.items():
        if name in names:
            return getattr(import_module(f"huafeng.{home}"), name)
    raise AttributeError(f"module 'huafeng' has no attribute {name!r}")
