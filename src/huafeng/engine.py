"""The one seam to onnxruntime: sessions with our settings, its errors as ours."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from huafeng.errors import EngineError
from huafeng.graphcheck import check_graph
from huafeng.pixels import F32, Array

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read by onnxruntime when it is imported
try:
    import onnxruntime
except ImportError as error:
    raise EngineError(
        'Art styles need onnxruntime: pip install "huafeng[cpu]", or "huafeng[gpu]" for an NVIDIA card.'
    ) from error


def _arena() -> dict[str, int]:
    """Memory is taken as it is needed, three quarters of the computer's at most: a foreign network may want any amount."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return {"arena_extend_strategy": 1}
    return {"arena_extend_strategy": 1, "max_mem": physical * 3 // 4}


# One arena for all sessions: a session lives for one photo, and memory that is new to the process costs a page fault each.
_MEMORY = onnxruntime.OrtMemoryInfo("Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT)
with contextlib.suppress(Exception):  # another part of the program may have registered one: that serves as well
    onnxruntime.create_and_register_allocator(_MEMORY, onnxruntime.OrtArenaCfg(_arena()))


class Session:
    """A graph ready to run; `run` may be called from several threads."""

    def __init__(self, graph: bytes, weights: Mapping[str, F32], *, threads: int) -> None:
        """Open `graph` (an onnx model whose weights are declared external) with the weights that it names.

        Raises:
            GraphError: it names others, which onnxruntime would read from files; or it is otherwise not allowed.
            EngineError: onnxruntime cannot open it.
        """
        check_graph(graph, weights)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # idle workers would spin on a core that other photos of a folder could use
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.use_env_allocators", "1")
        self._weights = {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}
        try:
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in self._weights.values()]
            options.add_external_initializers(list(self._weights), values)
            providers = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in available_providers()]
            self._session = onnxruntime.InferenceSession(graph, options, providers=providers)
        except Exception as error:  # onnxruntime's exception classes share no public base
            raise EngineError(f"onnxruntime cannot open the generator: {first_line(error)}") from error
        self.outputs: list[str] = [o.name for o in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name."""
        try:
            found: list[Any] = self._session.run(None, dict(inputs))
        except Exception as error:
            raise EngineError(f"onnxruntime failed: {first_line(error)}") from error
        return dict(zip(self.outputs, found, strict=True))


def available_providers() -> list[str]:
    """Execution providers of the installed onnxruntime, best first."""
    return list(onnxruntime.get_available_providers())


def first_line(error: Exception) -> str:
    """An exception's first line, for use inside a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
