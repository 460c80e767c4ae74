"""Writing onnx graphs whose weights are handed over when a session opens: the file that holds them keeps them once."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import TensorProto, helper

from huafeng.pixels import Array

OPSET = 18


class GraphWriter:
    """Writes a graph, node by node."""

    def __init__(self, *inputs: onnx.ValueInfoProto) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[TensorProto] = []
        self.inputs = list(inputs)
        self.outputs: list[onnx.ValueInfoProto] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add one operator; its output has the node's name."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def external(self, name: str, shape: tuple[int, ...]) -> str:
        """Declare a weight that is handed over when the session opens."""
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="handed-over")
        self.initializers.append(tensor)
        return name

    def constant(self, name: str, values: Array) -> str:
        """Add a value that is part of the graph."""
        self.initializers.append(onnx.numpy_helper.from_array(values, name))
        return name

    def model(self, name: str) -> bytes:
        """The whole graph as an onnx model."""
        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="huafeng")
        model.ir_version = 9
        return model.SerializeToString()
