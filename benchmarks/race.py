"""Timing of several things in one run, in turn, so that a computer whose speed drifts treats all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def race(runs: int, contestants: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Median milliseconds of each, one run of each in turn, after a first run of each that does not count."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for lap in range(runs + 1):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            if lap:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(laps) for name, laps in times.items()}
