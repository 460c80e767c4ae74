"""Real photos for the tests; they come with scikit-image, nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

U8 = NDArray[np.uint8]


def _real(name: str) -> U8:
    photo: U8 = np.ascontiguousarray(getattr(skimage.data, name)())
    photo.flags.writeable = False
    return photo


@pytest.fixture(scope="session")
def astronaut() -> U8:
    """uint8 [512, 512, 3]: a portrait."""
    return _real("astronaut")


@pytest.fixture(scope="session")
def chelsea() -> U8:
    """uint8 [300, 451, 3]: a cat."""
    return _real("chelsea")


@pytest.fixture(scope="session")
def coffee() -> U8:
    """uint8 [400, 600, 3]: a cup on a table."""
    return _real("coffee")


@pytest.fixture(scope="session")
def rocket() -> U8:
    """uint8 [427, 640, 3]: a dark sky."""
    return _real("rocket")


@pytest.fixture(scope="session")
def heic_bytes() -> bytes:
    """A HEIC that shows, upright, 24 x 32: blue and red above white and green; stored lying, orientation 6."""
    return (Path(__file__).parent / "data" / "turned.heic").read_bytes()
