"""How many cores a run takes: all, or those that other programs leave."""

from __future__ import annotations

import os
from collections.abc import Callable

from huafeng.stylizer import cores

NUMBER = "OMP_NUM_THREADS"  # torchrun sets it for each of its processes


def free_cores() -> int:
    """Cores that this process may use and that others have not kept busy, at least 1.

    Busy is the lesser of the machine's loads over one minute and over five: what has just begun, or just ended, does not count.
    """
    if not hasattr(os, "getloadavg"):  # Windows
        return cores()
    busy = round(min(os.getloadavg()[:2]))
    return max(1, min(cores(), (os.cpu_count() or 1) - busy))


def chosen_threads(
    asked: int | None, tell: Callable[[str], None], *, resumed: bool = False, before: int | None = None
) -> int | None:
    """With how many threads to compute; None: as torch and the environment have it, which is all cores.

    Args:
        asked: by the user; it counts before all else, then what OMP_NUM_THREADS says.
        tell: is told where fewer than all cores are taken unasked.
        resumed: a run goes on, with as many threads as `before`: with others the last bits of its weights differ.
    """
    if asked is not None or NUMBER in os.environ:
        return asked
    count = before if resumed else free_cores()
    if count is None or not 1 <= count < cores():
        return None
    why = "as before" if resumed else "for other programs keep the rest busy"
    tell(f"{count} of {cores()} cores are taken, {why} (--threads {cores()} takes all).")
    return count
