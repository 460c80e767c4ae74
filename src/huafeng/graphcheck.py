"""What an onnx graph from a foreign file may be, checked before onnxruntime sees it: it would read any file that a graph names.

A graph is Protocol Buffers' wire format: fields of a number and a wire type, 0 a varint, 1 eight bytes, 2 bytes behind their
length, 5 four bytes. The numbers of the fields are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Final

from huafeng.errors import GraphError

MOST_NODES = 4096
# Without loops, branches, functions of the file's own, random numbers, and what makes much of nothing
OPERATORS: Final = frozenset(
    " ".join(
        [
            "Abs Add And AveragePool BatchNormalization Cast Ceil Clip Concat Constant Conv ConvTranspose Cos",
            "DepthToSpace DequantizeLinear Div Elu Equal Erf Exp Flatten Floor Gather Gelu Gemm GlobalAveragePool",
            "Greater HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less Log MatMul",
            "Max MaxPool Mean Min Mish Mul Neg Not Or PRelu Pad Pow QuantizeLinear Reciprocal ReduceL2 ReduceMax",
            "ReduceMean ReduceMin ReduceSum Relu Reshape Resize Round Selu Shape Sigmoid Sign Sin Slice Softmax",
            "Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze Where",
        ]
    ).split(" ")
)
_GRAPH, _FUNCTIONS = 7, 25  # of ModelProto
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15  # of GraphProto
_OPERATOR, _DOMAIN, _ATTRIBUTE = 4, 7, 5  # of NodeProto
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS, _SPARSE_TENSOR, _SPARSE_TENSORS = 5, 6, 10, 11, 22, 23  # of AttributeProto
_NAME, _EXTERNAL, _LOCATION = 8, 13, 14  # of TensorProto
_HARM = "it is damaged, or made to do harm: do not use it."


def check_graph(graph: bytes, supplied: Collection[str], *, operators: bool = True) -> None:
    """Raise GraphError unless the graph is sound: it reads no file, and ends.

    Args:
        graph: an onnx model.
        supplied: names of the weights that are handed over; every other one must be in the graph itself.
        operators: check operators by the allow-list, and their count.

    Raises:
        GraphError: damaged; weights in other files; operators that are not allowed.
    """
    _check(bytes(graph), frozenset(supplied), operators)


@lru_cache(maxsize=32)
def _check(graph: bytes, supplied: frozenset[str], operators: bool) -> None:
    try:
        found = [content for number, content in _fields(memoryview(graph)) if number == _GRAPH]
        if any(number == _FUNCTIONS for number, _ in _fields(memoryview(graph))) and operators:
            raise GraphError(f"A network's graph brings functions of its own: {_HARM}")
        if not found:
            raise GraphError("A network's graph is damaged: it is no onnx model.")
        for one in found:
            _check_graph(one, supplied, operators, 0)
    except (ValueError, IndexError) as error:
        raise GraphError("A network's graph is damaged: it is no onnx model.") from error


def _check_graph(graph: memoryview, supplied: frozenset[str], operators: bool, depth: int) -> None:
    if depth > 8:
        raise GraphError(f"A network's graph holds graphs within graphs: {_HARM}")
    nodes, seen = 0, set[str]()
    for number, content in _fields(graph):
        if number == _INITIALIZER:
            name, external = _tensor(content)
            if external and (name not in supplied or depth):
                raise GraphError(f"A network's graph wants {name[:64]!r} from another file: {_HARM}")
            if name in seen:
                raise GraphError(f"A network's graph has {name[:64]!r} twice: {_HARM}")
            seen.add(name)
        elif number == _SPARSE:
            raise GraphError(f"A network's graph has sparse weights: {_HARM}")
        elif number == _NODE:
            nodes += 1
            _check_node(content, supplied, operators, depth)
    if operators and nodes > MOST_NODES:
        raise GraphError(f"A network's graph has {nodes:,} nodes, more than the {MOST_NODES:,} that are allowed.")


def _check_node(node: memoryview, supplied: frozenset[str], operators: bool, depth: int) -> None:
    operator, domain = "", ""
    for number, content in _fields(node):
        if number == _OPERATOR:
            operator = _text(content)
        elif number == _DOMAIN:
            domain = _text(content)
        elif number == _ATTRIBUTE:
            for kind, value in _fields(content):
                if kind in (_TENSOR, _TENSORS) and _tensor(value)[1]:
                    raise GraphError(f"A network's graph wants a constant from another file: {_HARM}")
                if kind in (_SUBGRAPH, _SUBGRAPHS):
                    if operators:
                        raise GraphError(f"A network's graph holds a graph within it ({operator[:32] or 'a loop'}): {_HARM}")
                    _check_graph(value, supplied, operators, depth + 1)
                if kind in (_SPARSE_TENSOR, _SPARSE_TENSORS):
                    raise GraphError(f"A network's graph has sparse weights: {_HARM}")
    if operators and (operator not in OPERATORS or domain not in ("", "ai.onnx")):
        raise GraphError(f"A network's graph uses the operator {f'{domain}.{operator}'.lstrip('.')[:64]!r}: {_HARM}")


def _tensor(tensor: memoryview) -> tuple[str, bool]:
    """A tensor's name, and whether its numbers are elsewhere."""
    name, external = "", False
    for number, content in _fields(tensor):
        if number == _NAME:
            name = _text(content)
        elif number == _EXTERNAL or (number == _LOCATION and any(content)):
            external = True
    return name, external


def _text(content: memoryview) -> str:
    return bytes(content).decode("utf-8")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field; of a varint its bytes without the marks that another follows.

    Raises:
        ValueError, IndexError: it ends too soon, or is none.
    """
    place, end = 0, len(message)
    while place < end:
        key, place = _varint(message, place)
        kind, number = key & 7, key >> 3
        if number == 0 or key >= 2**32:
            raise ValueError("no field")
        if kind == 0:
            value, place = _varint(message, place)
            yield number, memoryview(value.to_bytes(10, "little"))
            continue
        if kind == 2:
            length, place = _varint(message, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError("a wire type of old")
        if place + length > end:
            raise ValueError("cut off")
        yield number, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("an endless number")
