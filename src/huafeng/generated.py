"""Pictures that a generator made, as files: PNG, a grid of them, a film. All of them say that they are made by AI."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from huafeng.errors import GeneratorError
from huafeng.label import xmp_label
from huafeng.pixels import U8

FRAMES_A_SECOND = 24
FILMS = (".webp", ".mp4")
_QUALITY = 90  # of WebP


def png(picture: U8, label: str) -> bytes:
    """uint8 [H, W, 3] as a PNG with the label as XMP, and as a comment."""
    info, buffer = PngInfo(), io.BytesIO()
    info.add_itxt("XML:com.adobe.xmp", xmp_label(label).decode())
    info.add_itxt("Comment", label)
    Image.fromarray(picture).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def grid(pictures: U8) -> U8:
    """uint8 [n, S, S, 3] -> one picture, row by row, about as high as wide; places that stay empty are white."""
    count, side = pictures.shape[:2]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    page = np.full((rows * columns, side, side, 3), 255, np.uint8)
    page[:count] = pictures
    return page.reshape(rows, columns, side, side, 3).swapaxes(1, 2).reshape(rows * side, columns * side, 3)


def film(frames: U8, suffix: str, label: str) -> bytes:
    """uint8 [n, S, S, 3] -> an animated WebP that repeats for ever, or an MP4 (H.264); suffix: one of FILMS.

    Raises:
        GeneratorError: an MP4 without PyAV.
    """
    return _mp4(frames, label) if suffix == ".mp4" else _webp(frames, label)


def _webp(frames: U8, label: str) -> bytes:
    first, *others = (Image.fromarray(frame) for frame in frames)
    buffer, duration = io.BytesIO(), round(1000 / FRAMES_A_SECOND)
    first.save(buffer, "WEBP", save_all=True, append_images=others, duration=duration, loop=0, quality=_QUALITY,
               xmp=xmp_label(label))  # fmt: skip
    return buffer.getvalue()


def _mp4(frames: U8, label: str) -> bytes:
    try:
        import av
    except ImportError as error:
        raise GeneratorError("An MP4 needs PyAV: pip install av, or let the name end in .webp.") from error
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        container.metadata["comment"] = label
        stream = container.add_stream("h264", rate=FRAMES_A_SECOND, options={"crf": "18"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()
