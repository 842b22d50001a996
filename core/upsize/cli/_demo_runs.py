"""What ``upsize demo`` runs: it decodes the images, and trains along each plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console

from upsize.cli._progress import Board, decoding
from upsize.schedule import Plan, Schedule

if TYPE_CHECKING:
    from upsize.demo._data import Data
    from upsize.demo._files import Files
    from upsize.demo._report import Result
    from upsize.demo._run import Runner

__all__ = ["compare_runs", "load_images", "train_longer"]


def load_images(files: Files, size: int, console: Console) -> Data:
    """Decode the images under a progress bar."""
    from upsize.demo._data import load

    with decoding(console) as track:
        return load(files, size, track)


def compare_runs(
    schedules: dict[str, Schedule],
    plans: dict[str, Plan],
    *,
    train: Runner,
    data: Data,
    batch_size: int,
    seed: int,
    console: Console,
) -> list[Result]:
    """Train along each plan, alternately, under a board of progress."""
    from upsize.demo._report import Result
    from upsize.demo._run import Training, round_robin

    with Board(console, plans) as board:
        runs = {
            name: board.watch(
                name,
                train(
                    Training(
                        data, schedules[name], plan, batch_size=batch_size, seed=seed
                    ),
                    board.on_step(name),
                ),
            )
            for name, plan in plans.items()
        }
        epochs = round_robin(runs)
    return [Result(name, plans[name], epochs[name]) for name in plans]


def train_longer(
    schedule: Schedule,
    results: list[Result],
    compare: Callable[..., list[Result]],
    console: Console,
) -> list[Result]:
    """Train progressively for as long as full size has taken, where that is longer."""
    from upsize.demo._plans import affordable_epochs

    baseline, progressive = results
    plan = progressive.plan
    longer = affordable_epochs(schedule, plan, progressive.seconds, baseline.seconds)
    again = longer != plan.epochs
    instead = (
        f"instead of {plan.epochs}" if again else "as before: that run is not repeated"
    )
    console.print(
        f"Full size took {baseline.seconds:.1f} s: time for {longer} progressive "
        f"epochs, {instead}.",
        highlight=False,
    )
    if not again:
        return []
    made = schedule.plan(
        epochs=longer,
        steps_per_epoch=plan.steps_per_epoch,
        final_size=plan.final_size,
    )
    name = "equal time"
    return compare({name: schedule}, {name: made})
