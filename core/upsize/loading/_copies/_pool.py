"""Work in processes, a little ahead of what takes the results."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["in_processes"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
# Tasks for each worker: more would only wait in memory, with their results.
_AHEAD = 4


@contextmanager
def in_processes(
    work: Callable[[_Item], _Result],
    items: Sequence[_Item],
    workers: int,
    at_once: int,
) -> Iterator[Iterator[_Result]]:
    """Give the results of items in order, from worker processes if any.

    Args:
        work: What is done with an item; can be pickled.
        items: The items.
        workers: Processes; 0: none, in this process.
        at_once: A worker hands over the results of so many items together, or fewer.

    Raises:
        OSError: When a worker process was killed.
    """
    if workers == 0 or len(items) <= 1:
        yield map(work, items)
        return
    # No fork: the process may have threads, of torch or of a progress bar.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_end_with_parent)
    try:
        yield _results(pool, work, items, workers, at_once)
    except BrokenProcessPool as error:
        raise OSError(
            "a worker process was killed, perhaps for lack of memory; what was made is "
            "kept: run this again with fewer workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _results(
    pool: ProcessPoolExecutor,
    work: Callable[[_Item], _Result],
    items: Sequence[_Item],
    workers: int,
    at_once: int,
) -> Iterator[_Result]:
    count = min(at_once, -(-len(items) // workers))
    running: deque[Future[list[_Result]]] = deque()
    for start in range(0, len(items), count):
        running.append(pool.submit(_each, work, items[start : start + count]))
        if len(running) > _AHEAD * workers:
            yield from running.popleft().result()
    while running:
        yield from running.popleft().result()


def _each(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    return [work(item) for item in items]


def _end_with_parent() -> None:
    """End this worker process when the process that started it has been killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def wait() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=wait, daemon=True).start()
