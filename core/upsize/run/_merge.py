"""Small images in fewer, larger micro-batches of the same optimizer step.

Who accumulates gradients over k batches trains small images in larger ones: of the k
plain batches of a window, as many are merged as have no more pixels than one of full
size. All counters (steps, batches, states, learning rates) go on counting plain batches.

* ``TrainingRun.merging`` is ``None`` where nothing is merged (``Options.merge``).
* A loop gets merged batches alone, and counts each as the batches that it holds
  (:func:`micro_batches`), as do Accelerate and transformers.
* Frameworks whose own loop counts each batch let those that are merged wait
  (:class:`~upsize.run._waiting.WaitingBatches`).
* A counter must know where accumulation windows end: ``accumulate`` and
  ``windows_ahead``, as :class:`~upsize.run.BatchCounter` has them.
* The batch sampler of a sized loader merges the indices, where its source of sizes has
  ``merging`` and ``windows_ahead``; it notes in :attr:`Merging.drawn` what it has drawn.
  All other batches are concatenated in the main process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from upsize.run._draws import Draws, Merging
from upsize.run._joined import group_from, images_of, joined
from upsize.run._merge_rule import MicroBatch
from upsize.run._options import Options
from upsize.run._per_image import Images
from upsize.schedule import Plan, Size

__all__ = [
    "Draws",
    "Merging",
    "MicroBatch",
    "counts_itself",
    "micro_batches",
]


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


def counts_itself(engine: str) -> str:
    """Return why batches are not merged for an engine, for the error that refuses it.

    Args:
        engine: Its name.

    Example:
        >>> counts_itself("DeepSpeed").partition(",")[0]
        'DeepSpeed counts the batches of an accumulation window itself'
    """
    return (
        f"{engine} counts the batches of an accumulation window itself, and merge= would "
        "give it fewer: leave out merge="
    )


def micro_batches(
    loader: Iterable[Any] | Draws,
    run: Run,
    settle: Callable[[], object],
    left: Callable[[int], int],
) -> Iterator[tuple[Any, int]]:
    """Yield the micro-batches of a loop at their size, and the plain batches in each.

    Args:
        loader: The batches of a pass, or what is left of those that were begun before.
        run: The training run, which merges.
        settle: Called when a batch is drawn, to count the one before.
        left: Called then with the batches of the pass that were drawn before; returns
            how many are left in the accumulation window.
    """
    assert run.merging is not None
    draws = loader if isinstance(loader, Draws) else Draws(loader, run.merging)
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
        else:
            run.merging.check_limits(draws.samples // number)
            if number > 1:
                found = images_of(small, run.options.resizer)
                run.merging.check_samples(found.number, draws.samples)
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
    wanted, images = group_from(batch, rule, resizer, size, full, left)
    if images is not None:
        run.merging.check_limits(images.number)
    more = draws.more(wanted - 1, lambda other: images_of(other, resizer) == images)
    return [batch, *more], images
