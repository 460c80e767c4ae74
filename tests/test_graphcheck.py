"""Graphs in foreign files: none reads a file of this computer, none runs without end, none gives what its plan does not say."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx (of the extra `train`) writes the graphs")
from onnx import TensorProto, helper  # noqa: E402

from huafeng import Card, Photo, Style  # noqa: E402
from huafeng.errors import GraphError, StyleError  # noqa: E402
from huafeng.graphcheck import check_graph  # noqa: E402
from huafeng.translator import Translator  # noqa: E402


def external(name: str, shape: list[int], place: str) -> Any:
    tensor = helper.make_tensor(name, TensorProto.FLOAT, shape, bytes(4 * int(np.prod(shape))), raw=True)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    return tensor


def model(change: Callable[[Any], None] | None = None) -> Any:
    """photo + 0 * (the weights), as uint8: what a network of a style's own looks like, and a change of it."""
    weights = [external("l.weight", [1, 1, 1, 1], "weights"), external("l.bias", [1], "weights")]
    nodes = [
        helper.make_node("ReduceMax", ["l.weight"], ["w"], keepdims=0),
        helper.make_node("ReduceMax", ["l.bias"], ["b"], keepdims=0),
        helper.make_node("Mul", ["w", "b"], ["product"]),
        helper.make_node("Sub", ["product", "product"], ["none"]),
        helper.make_node("Cast", ["none"], ["zero"], to=TensorProto.UINT8),
        helper.make_node("Add", ["photo", "zero"], ["picture"]),
    ]
    shape: list[str | int | None] = [1, "H", "W", 3]
    photo, picture = (helper.make_tensor_value_info(name, TensorProto.UINT8, shape) for name in ("photo", "picture"))
    graph = helper.make_graph(nodes, "g", [photo], [picture], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if change:
        change(made)
    return made


def translator(made: Any) -> Translator:
    plan = {"stride": 4, "reach": 1, "scale": 1, "working_px": 64, "layers": {"l": [False, False]}}
    tensors: dict[str, Any] = {
        "graph.picture": np.frombuffer(made.SerializeToString(), np.uint8),
        "plan": np.frombuffer(json.dumps(plan).encode(), np.uint8),
        "l.weight": np.zeros((1, 1, 1, 1), np.float32),
        "l.bias": np.zeros(1, np.float32),
    }
    card = Card(title_en="x", title_zh="", author="x", licence="x", trained_on="x", provenance="x", date="2024-01-01")
    return Translator(Style("x", "translator", tensors, card).tensors, threads=1)


PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def test_a_sound_one_paints() -> None:
    assert np.array_equal(translator(model()).paint(PIXELS), PIXELS)


def adds_secret(made: Any, place: str) -> None:
    made.graph.initializer.append(external("secret", [4], place))
    made.graph.node.insert(0, helper.make_node("ReduceMax", ["secret"], ["read"], keepdims=0))


@pytest.mark.parametrize("absolute", [False, True])
def test_weights_of_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absolute: bool) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.bin").write_bytes(os.urandom(16))
    place = str(tmp_path / "secret.bin") if absolute else "secret.bin"
    with pytest.raises(GraphError, match="'secret' from another file"):
        translator(model(lambda made: adds_secret(made, place))).paint(PIXELS)


def in_a_constant(made: Any) -> None:
    made.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=external("c", [4], "secret.bin")))


def in_a_branch(made: Any) -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["s"], ["o"])],
        "b",
        [],
        [helper.make_tensor_value_info("o", TensorProto.FLOAT, [4])],
        [external("s", [4], "secret.bin")],
    )
    made.graph.node.insert(0, helper.make_node("If", ["c"], ["o"], then_branch=inner, else_branch=inner))


def twice(made: Any) -> None:
    made.graph.initializer.append(external("l.bias", [1], "secret.bin"))


def by_location_alone(made: Any) -> None:
    tensor = external("s", [4], "x")
    tensor.ClearField("external_data")
    made.graph.initializer.append(tensor)


def by_place_alone(made: Any) -> None:
    tensor = external("s", [4], "x")
    tensor.ClearField("data_location")
    made.graph.initializer.append(tensor)


def with_a_function(made: Any) -> None:
    made.functions.append(helper.make_function("f", "F", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])], []))


def an_operator(name: str, domain: str = "") -> Callable[[Any], None]:
    def change(made: Any) -> None:
        made.graph.node.insert(0, helper.make_node(name, ["photo"], ["y"], domain=domain))

    return change


def too_many(made: Any) -> None:
    made.graph.node.extend(helper.make_node("Identity", ["photo"], [f"y{i}"]) for i in range(5000))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (in_a_constant, "constant from another file"),
        (in_a_branch, "a graph within it"),
        (twice, "'l.bias' twice"),
        (by_location_alone, "'s' from another file"),
        (by_place_alone, "'s' from another file"),
        (with_a_function, "functions of its own"),
        (an_operator("Range"), "operator 'Range'"),
        (an_operator("RandomNormalLike"), "operator 'RandomNormalLike'"),
        (an_operator("Add", "com.example"), "operator 'com.example.Add'"),
        (too_many, "nodes, more than"),
    ],
)
def test_what_is_not_allowed(change: Callable[[Any], None], told: str) -> None:
    with pytest.raises(GraphError, match=told):
        translator(model(change)).paint(PIXELS)


@pytest.mark.parametrize("change", [in_a_constant, in_a_branch, twice, by_location_alone])
def test_networks_for_features_may_branch_but_read_no_files(change: Callable[[Any], None]) -> None:
    with pytest.raises(GraphError, match="another file"):
        check_graph(model(change).SerializeToString(), (), operators=False)


@pytest.mark.parametrize("data", [b"", b"\0", b"ORTM" * 9, b"\x3a\xff\x01", b"\x3b", b"\xff" * 40])
def test_what_is_no_graph(data: bytes) -> None:
    with pytest.raises(GraphError, match="no onnx model"):
        check_graph(data, ())


def test_every_cut_of_a_graph_is_refused_or_sound() -> None:
    data = model().SerializeToString()
    for end in range(len(data)):
        try:
            check_graph(data[:end], ("l.weight", "l.bias"))
        except GraphError:
            continue


def ends_in(*nodes: Any) -> Callable[[Any], None]:
    def change(made: Any) -> None:
        made.graph.node[-1].output[0] = "before"
        made.graph.node.extend(nodes)
        made.graph.output[0].type.tensor_type.ClearField("shape")

    return change


@pytest.mark.parametrize(
    "change",
    [
        ends_in(helper.make_node("Concat", ["before", "before"], ["picture"], axis=1)),
        ends_in(helper.make_node("Concat", ["before", "before"], ["picture"], axis=3)),
        ends_in(helper.make_node("ReduceMax", ["before"], ["picture"], keepdims=0)),
        ends_in(helper.make_node("Transpose", ["before"], ["picture"], perm=[0, 3, 1, 2])),
        ends_in(helper.make_node("Cast", ["before"], ["picture"], to=TensorProto.FLOAT)),
    ],
    ids=["taller", "six channels", "scalar", "turned", "floats"],
)
def test_a_result_that_the_plan_does_not_say(change: Callable[[Any], None]) -> None:
    with pytest.raises(StyleError, match="does not do what its plan says|is damaged"):
        translator(model(change)).paint(PIXELS)


def test_the_command_line_calls_it_the_files_fault(huafeng: Any, tmp_path: Path) -> None:
    made = model(lambda one: adds_secret(one, "secret.bin"))
    plan = {"stride": 4, "reach": 1, "scale": 1, "working_px": 64, "layers": {"l": [False, False]}}
    tensors: dict[str, Any] = {
        "graph.picture": np.frombuffer(made.SerializeToString(), np.uint8),
        "l.bias": np.zeros(1, np.float32),
        "plan": np.frombuffer(json.dumps(plan).encode(), np.uint8),
        "l.weight": np.zeros((1, 1, 1, 1), np.float32),
    }
    card = Card(title_en="x", title_zh="", author="x", licence="x", trained_on="x", provenance="x", date="2024-01-01")
    Style("x", "translator", tensors, card).save("x.style")
    Photo.from_array(PIXELS).save("a.png")
    ran = huafeng("apply", "./x.style", "a.png")
    assert (ran.code, Path("a-x.png").exists()) == (2, False)
    assert "from another file" in ran.err
