"""Work done ahead in threads: Pillow lets other threads run while it decodes, encodes and resizes."""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from huafeng.stylizer import cores

T = TypeVar("T")
R = TypeVar("R")

BATCHES = 2  # prepared ahead: one for the next step, one against a picture that takes long


def in_order(work: Callable[[T], R], items: Iterable[T], threads: int | None = None) -> Generator[R, None, None]:
    """`work` on every item, over threads (by default one a core), results in the order of the items.

    Only a few results are kept at a time. When the caller stops, even by an exception, no work is begun any more.
    """
    threads = threads or cores()
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 3 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class Ahead(Generic[R]):
    """Batches of make(n, side) for consecutive n, made ahead in threads while the caller computes.

    After a batch it expects the next one as far on as this one was from the last, so that a process which takes its
    slice of every global batch is served as well. A wrong guess costs time and never changes a result, since `make`
    is a pure function. The threads never keep a process alive; they end with `close`, or when the object is dropped.
    For one caller at a time.
    """

    def __init__(self, make: Callable[[int, int], R], threads: int | None = None) -> None:
        self.waited_s = 0.0
        self._make = make  # must not refer to this object: the threads would keep it alive
        self._threads = threads or cores()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._made: dict[tuple[int, int], Future[R]] = {}
        self._last: tuple[int, int, int] | None = None
        self._started = False
        self._close = weakref.finalize(self, _stop, self._jobs, self._threads)
        self._close.atexit = False

    def take(self, first: int, count: int, side: int) -> list[R]:
        """[make(first, side), ..., make(first + count - 1, side)]; the time that this blocks is added to `waited_s`."""
        started = time.perf_counter()
        self._start_threads()
        advance = count
        if self._last is not None and self._last[1:] == (count, side) and first > self._last[0]:
            advance = first - self._last[0]
        self._last = (first, count, side)
        starts = range(first, first + BATCHES * advance + 1, advance)
        wanted = [(n, side) for start in starts for n in range(start, start + count)]
        for gone in self._made.keys() - set(wanted):
            self._made.pop(gone).cancel()
        for key in wanted:
            if key not in self._made:
                self._made[key] = self._submit(*key)
        result = [self._made[key].result() for key in wanted[:count]]
        for key in wanted[:count]:
            self._made.pop(key)
        self.waited_s += time.perf_counter() - started
        return result

    def close(self) -> None:
        """End the threads; nothing can be taken any more."""
        self._close()

    def _start_threads(self) -> None:
        if not self._close.alive:
            raise ValueError("This has been closed.")
        if not self._started:
            self._started = True
            for _ in range(self._threads):  # daemons: a pool's threads would be waited for when the process ends
                threading.Thread(target=_work, args=(self._jobs,), daemon=True).start()

    def _submit(self, n: int, side: int) -> Future[R]:
        future: Future[R] = Future()
        make = self._make

        def job() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(make(n, side))
                except BaseException as error:  # told to whoever takes it
                    future.set_exception(error)

        self._jobs.put(job)
        return future


_Job = Callable[[], None]


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job


def _stop(jobs: SimpleQueue[_Job | None], threads: int) -> None:
    with contextlib.suppress(Empty):
        while True:
            jobs.get_nowait()
    for _ in range(threads):
        jobs.put(None)
