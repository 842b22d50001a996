"""Small images in fewer, larger micro-batches of the same optimizer step.

Who accumulates gradients over k batches trains small images in larger ones: of the k
plain batches of a window, as many are merged as have no more pixels than one of full
size. All counters (steps, batches, states, learning rates) go on counting plain batches.

* ``TrainingRun.merging`` is ``None`` where nothing is merged (``Options.merge``).
* A loop gets merged batches alone, and counts each as the batches that it holds
  (:func:`micro_batches`).
* A framework gets as many batches as before (:func:`held_and_merged`): of j that are
  merged, the first j - 1 are :data:`HELD`, which it must neither forward nor backward,
  and the last is the merged one. ``TrainingRun.train`` takes both.
* ``TrainingRun.micro_batch`` tells of the batch that was trained last how many plain
  batches it holds: multiply its mean loss by ``batches``, if the framework divides by
  the batches of a window, or by ``weight`` if nobody does.
* A counter must know where accumulation windows end: ``accumulate`` and
  ``windows_ahead``, as :class:`~upsize.run.BatchCounter` has them.
* The batch sampler of a sized loader merges the indices, where its source of sizes has
  ``merging`` and ``windows_ahead``; it notes in :attr:`Merging.drawn` what it has drawn.
  All other batches are concatenated in the main process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NoReturn, Protocol

from upsize.run._batches import length_of
from upsize.run._draws import Draws, Merging
from upsize.run._joined import Images, images_of, joined
from upsize.run._merge_rule import MicroBatch, next_group
from upsize.run._options import Options
from upsize.run._position import Ahead
from upsize.schedule import Plan, Size

__all__ = [
    "HELD",
    "Draws",
    "Merging",
    "MergingCounter",
    "MicroBatch",
    "held_and_merged",
    "micro_batches",
]


class _Held:
    """Stands for a batch that is trained on as a part of a later one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "HELD"

    def __reduce__(self) -> str:
        return "HELD"

    def __getitem__(self, key: object) -> NoReturn:  # iterating asks for it, too
        raise TypeError(_NO_SAMPLES)


_NO_SAMPLES = (
    "this batch holds no samples: merge= trains on them as a part of a later batch. Skip "
    "it where code reads batches (`if batch is HELD`), or leave out merge="
)


#: A batch that a later one holds: no forward, no backward, but it counts.
HELD: Final = _Held()


class MergingCounter(Protocol):
    """What a counter must tell of its accumulation windows, beside its steps."""

    @property
    def accumulate(self) -> int:
        """Batches in an accumulation window."""
        ...

    def windows_ahead(self, batches: int | None) -> Iterator[Ahead]:
        """Yield step and accumulation window of each batch to come, without end."""
        ...


class Run(Protocol):
    """What of a training run is needed to merge its batches."""

    merging: Merging | None
    options: Options

    @property
    def plan(self) -> Plan | None:
        """The plan; ``None`` until the full size is known."""
        ...

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on."""
        ...

    def train(self, batch: Any) -> Any:
        """Return a batch at the size of its step."""
        ...

    def windows(self, batches: int | None) -> Iterator[tuple[Size | None, int]]:
        """Yield size and window of each batch that a loader is about to draw."""
        ...


def held_and_merged(loader: Iterable[Any], run: Run) -> Iterator[Any]:
    """Yield :data:`HELD` and merged batches in the place of plain ones.

    All batches that are merged are drawn before the first of them is yielded. While the
    full size is unknown, batches come alone.

    Args:
        loader: The batches of a pass, as a loader makes them: on any device, at any
            size. Those of a sized loader may be merged already.
        run: The training run, which gets each batch later.

    Raises:
        ValueError: When the images of a batch are not found, a batch is above the limit,
            or something in it cannot be concatenated.
    """
    merging = run.merging
    if merging is None:
        yield from loader
        return
    draws, ahead = Draws(loader, merging), run.windows(length_of(loader))
    for batch, number in draws:
        if number is None:
            size, left = next(ahead)
            parts, images = [batch], None
            if size is not None:
                assert run.plan is not None  # which has told the size
                full = run.plan.final_size
                parts, images = _collected(batch, draws, run, size, full, left)
            number = len(parts)
            batch = joined(parts, images)
            for _ in range(number - 1):
                next(ahead)
        for _ in range(number - 1):
            yield HELD
        yield batch


def micro_batches(
    loader: Iterable[Any],
    run: Run,
    settle: Callable[[], object],
    left: Callable[[int], int],
) -> Iterator[tuple[Any, int]]:
    """Yield the micro-batches of a loop at their size, and the plain batches in each.

    Args:
        loader: The batches of a pass.
        run: The training run, which merges.
        settle: Called when a batch is drawn, to count the one before.
        left: Called then with the batches of the pass that were drawn before; returns
            how many are left in the accumulation window.
    """
    assert run.merging is not None
    draws = Draws(loader, run.merging)
    for batch, number in draws:
        settle()
        small = run.train(batch)
        if number is None:
            assert run.size is not None  # that of the batch
            assert run.plan is not None
            size, full = run.size, run.plan.final_size
            window = left(draws.count - 1)
            parts, images = _collected(batch, draws, run, size, full, window)
            number = len(parts)
            # Small images are cheaper to concatenate.
            small = joined([small, *map(run.train, parts[1:])], images)
        yield small, number


def _collected(
    batch: Any, draws: Draws, run: Run, size: Size, full: Size, left: int
) -> tuple[list[Any], Images | None]:
    """Return the plain batches of a micro-batch, and what each has of images.

    Args:
        batch: The first of them.
        draws: Gives the others.
        run: The training run.
        size: The size of their step.
        full: The full size.
        left: Batches of the accumulation window that are left, with the first.
    """
    assert run.merging is not None
    rule, resizer = run.merging.rule, run.options.resizer
    if not rule.has_limit and (left <= 1 or rule.most(size, full, 1) <= 1):
        return [batch], None  # without a look at what it holds
    images = images_of(batch, resizer)
    most = rule.most(size, full, images.number)
    wanted = next_group(left, most) if left > 1 else 1
    more = draws.more(wanted - 1, lambda other: images_of(other, resizer) == images)
    return [batch, *more], images
