"""Counter-based randomness: every number is a pure function of (seed, purpose, counters).

So a run has no state of a random generator to save or to lose: resume is exact, and of several processes each draws
what one process would have drawn for the same samples.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def _key(seed: int, purpose: str, counters: tuple[int, ...]) -> int:
    """128 bits; a hash, since neighbouring seeds must give unrelated streams."""
    text = f"{seed}/{purpose}/{'/'.join(map(str, counters))}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def numbers(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """A numpy generator, e.g. `numbers(seed, "crops", sample).uniform()`; Philox, keyed (Salmon et al., SC 2011)."""
    return np.random.Generator(np.random.Philox(key=_key(seed, purpose, counters)))


def torch_numbers(seed: int, purpose: str, *counters: int) -> torch.Generator:
    """The same for torch, on the CPU, so that every device sees the same numbers."""
    return torch.Generator().manual_seed(_key(seed, purpose, counters) % 2**63)
