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
  ``merging`` and ``windows_ahead``; it notes in :attr:`Merging.drawn`
  what it has drawn. All other batches are concatenated in the main process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from upsize.run._draws import Draws
from upsize.run._joined import images_of, joined
from upsize.run._merge_rule import next_group
from upsize.run._per_image import Images
from upsize.run._training_run import TrainingRun

__all__ = ["counts_itself", "group_of", "micro_batches"]


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


def group_of(run: TrainingRun, batch: Any, left: int) -> tuple[int, Images | None]:
    """Return how many batches are trained on as one, and what each has of images.

    Args:
        run: The training run, which merges, and trains on the first of them.
        batch: That batch.
        left: Batches of the accumulation window that are left, with the first.

    Raises:
        ValueError: When its images are not found, or it is above the limit.
    """
    merging, plan, size = run.merging, run.plan, run.size
    assert merging is not None
    assert plan is not None  # it has trained the batch
    assert size is not None
    rule, full = merging.rule, plan.final_size
    if not rule.has_limit and (left <= 1 or rule.most(size, full, 1) <= 1):
        return 1, None  # without a look at what it holds
    images = images_of(batch, run.options.resizer)
    most = rule.most(size, full, images.number)
    merging.check_limits(images.number)
    return next_group(max(left, 1), most), images


def micro_batches(
    loader: Iterable[Any] | Draws,
    run: TrainingRun,
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
            parts, images = _collected(run, batch, draws, left(draws.count - 1))
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
    run: TrainingRun, batch: Any, draws: Draws, left: int
) -> tuple[list[Any], Images | None]:
    """Return the plain batches of a micro-batch, and what each has of images."""
    wanted, images = group_of(run, batch, left)
    resizer = run.options.resizer
    more = draws.more(wanted - 1, lambda other: images_of(other, resizer) == images)
    return [batch, *more], images
