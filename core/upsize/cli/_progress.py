"""Live progress in the terminal: images decoded, and runs with their sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from upsize.schedule import Plan, Size

if TYPE_CHECKING:
    from upsize.demo._data import Track
    from upsize.demo._run import Epoch

__all__ = ["Board", "copying", "decoding", "measuring", "timing"]

_BAR_FITS = 100  # columns of a terminal in which a board has room for its bar


@contextmanager
def _bar(
    console: Console, description: str
) -> Iterator[Callable[[Iterable[Any], int], Iterable[Any]]]:
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *_clock(),
        console=console,
        transient=True,
    ) as progress:

        def track(items: Iterable[Any], count: int) -> Iterable[Any]:
            return progress.track(items, total=count, description=description)

        yield track


def _clock() -> tuple[ProgressColumn, ...]:
    """Return the columns of the time that has passed, and of the time that is left."""
    return (
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(compact=True),
    )


@contextmanager
def timing(console: Console, description: str, seconds: float) -> Iterator[None]:
    """Show how much of a time that is known has passed."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn(f"of about {seconds:.0f} s"),
        console=console,
        transient=True,
    ) as progress:
        progress.add_task(description, total=None)
        yield


def decoding(console: Console) -> AbstractContextManager[Track]:
    """Give a function that shows a bar while images pass through it."""
    return _bar(console, "decoding images")


def copying(
    console: Console,
) -> AbstractContextManager[Callable[[Iterable[Any], int], Iterable[Any]]]:
    """Give a function that shows a bar while copied images pass through it."""
    return _bar(console, "copying images")


def measuring(
    console: Console,
) -> AbstractContextManager[Callable[[Iterable[Any], int], Iterable[Any]]]:
    """Give a function that shows a bar while rounds of a measurement pass through it."""
    return _bar(console, "measuring")


class Board:
    """A line of progress for each run: its size, its seconds and its accuracy.

    Args:
        console: Where to show it.
        plans: The runs' plans by name.
    """

    def __init__(self, console: Console, plans: Mapping[str, Plan]) -> None:
        bar = [BarColumn(20)] if console.width >= _BAR_FITS else []
        self._progress = Progress(
            TextColumn("{task.description}"),
            *bar,
            TextColumn("{task.fields[size]}"),
            TextColumn("{task.fields[epochs]}"),
            TextColumn("{task.fields[state]}"),
            *_clock(),
            console=console,
        )
        width = max(map(len, plans))
        self._tasks = {
            name: self._progress.add_task(
                name.ljust(width),
                # In pixels, which steps of small images have fewer of: the time that
                # is left is that of the large ones.
                total=float(sum(stage.pixels for stage in plan.stages)),
                size=str(plan.size_at(0)),
                epochs=f"epoch 0/{plan.epochs}",
                state="",
            )
            for name, plan in plans.items()
        }
        self._plans = plans

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_step(self, name: str) -> Callable[[int, Size], None]:
        """Return what a run calls after each step."""
        task = self._tasks[name]

        def show(_: int, size: Size) -> None:
            pixels = size.height * size.width
            self._progress.update(task, advance=pixels, size=str(size))

        return show

    def watch(self, name: str, epochs: Iterator[Epoch]) -> Iterator[Epoch]:
        """Pass on the epochs of a run, and show each."""
        task, total = self._tasks[name], self._plans[name].epochs
        for number, epoch in enumerate(epochs, 1):
            self._progress.update(
                task,
                epochs=f"epoch {number}/{total}",
                state=f"{epoch.seconds:.1f} s, {100 * epoch.accuracy:.1f} %",
            )
            yield epoch
