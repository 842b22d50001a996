"""Merged batches in a loop with an Accelerator, which counts and weighs plain ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

from accelerate.utils import DistributedType

from upsize.accelerate._counter import AcceleratorCounter
from upsize.accelerate._drawn import DrawnBatches
from upsize.accelerate._loaders import prepared_in, total_batch_size
from upsize.run import TrainingRun
from upsize.run._merge import counts_itself
from upsize.run._restoring import Restoring
from upsize.schedule._warn import warn

__all__ = ["MergedPasses", "check_lengths", "check_merges"]

_UNKNOWN = (
    "batches are merged, and the loop has made an optimizer step and not {} them: do so, "
    "or leave out merge="
)


def check_merges(accelerator: Any) -> None:
    """Refuse to merge batches where an engine of its own counts them.

    Raises:
        ValueError: When the accelerator drives such an engine.
    """
    kind = accelerator.distributed_type
    if kind in (DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM):
        raise ValueError(counts_itself(kind.value))


def check_lengths(accelerator: Any, prepared: Any) -> None:
    """Refuse batches of any length where each pass waits for all processes.

    Each process merges its own batches, and only those of one length.

    Args:
        accelerator: The accelerator.
        prepared: A prepared loader; ``None``: it is another iterable.

    Raises:
        ValueError: When processes may make different numbers of passes.
    """
    if accelerator.num_processes == 1 or prepared is None:
        return
    each = accelerator.gradient_state.plugin_kwargs.get("sync_each_batch", False)
    shards = accelerator.distributed_type == DistributedType.FSDP
    own = getattr(prepared, "batch_sampler", None) is not None
    if (each or shards) and own and total_batch_size(prepared) is None:
        raise ValueError(
            f"merge= merges batches of one length, and {'FSDP' if shards else 'sync_each_batch'} "
            "waits for all processes in each, which may merge other numbers of them where "
            "a batch sampler of your own has no batch_size: give the DataLoader a "
            "batch_size, or leave out merge="
        )


class MergedPasses:
    """Tells an accelerator of how many batches the current one is made.

    Args:
        accelerator: The accelerator.
        run: The training run, which merges.
        counter: Counts its batches.
        changes: Restores the accelerator; nothing in it keeps the run's owner.
    """

    def __init__(
        self,
        accelerator: Any,
        run: TrainingRun,
        counter: AcceleratorCounter,
        changes: Restoring,
    ) -> None:
        assert run.merging is not None
        self._accelerator, self._run, self._merging = accelerator, run, run.merging
        self._counter = counter
        self._batches = 1  # in the current micro-batch
        self._step = 0  # of the accelerator, before the body of the loop
        self._merged = self._weighs = self._told = False
        changes.wrap_method(accelerator, "backward", self._backward)
        for scheduler in accelerator._schedulers:
            if not scheduler.step_with_optimizer:
                changes.wrap_method(scheduler, "step", self._scheduled)

    def over(
        self, begin: Callable[[Any], Iterator[Any]], loader: Iterable[Any]
    ) -> Iterator[Any]:
        """Yield the batches of a pass, while the accelerator counts those of the loader.

        Args:
            begin: Returns the micro-batches of a pass over a loader.
            loader: The loader.

        Raises:
            ValueError: When the loop steps without the accelerator's methods, which
                count and weigh its batches.
        """
        check_lengths(self._accelerator, prepared_in(loader))
        drawn = DrawnBatches(loader, self._merging, self._accelerator.gradient_state)
        batches: Any = begin(drawn)
        with closing(batches):
            for batch in batches:
                self._begin(self._counter.taken)
                drawn.take(self._batches)
                try:
                    yield batch
                finally:
                    number, self._batches = self._batches, 1
                    drawn.restore()
                self._check(number)
        drawn.finish()

    def _begin(self, batches: int) -> None:
        self._check_window()
        self._batches, self._weighs = batches, False
        self._merged |= batches > 1
        self._merging.tell_mean(batches)
        # accumulate() counts one of them.
        self._accelerator.step += batches - 1
        self._step = self._accelerator.step

    def _check_window(self) -> None:
        """Check that accumulation windows are those that batches are merged for."""
        now, planned = (
            self._accelerator.gradient_accumulation_steps,
            self._counter.accumulate,
        )
        if now != planned:
            raise ValueError(
                f"gradient_accumulation_steps is {now}, and was {planned} when "
                "ProgressiveResize was made, which merges the batches of such windows: "
                "leave it unchanged, or leave out merge="
            )

    def _check(self, batches: int) -> None:
        """Check that the body of the loop has let the accelerator count and weigh."""
        stepped = self._counter.seen.stepped
        if batches > 1 and self._accelerator.step == self._step:
            self._accelerator.step -= batches - 1  # it counts none that is left out
            if stepped:
                raise ValueError(
                    _UNKNOWN.format(
                        "trained within accelerator.accumulate(model), which counts"
                    )
                )
        if self._merged and stepped and not self._weighs:
            raise ValueError(
                _UNKNOWN.format("called accelerator.backward(loss), which weighs")
            )

    def _backward(self, inner: Callable[..., Any], loss: Any, **kwargs: Any) -> Any:
        self._weighs = True
        if self._batches > 1:
            loss = loss * self._batches
        return inner(loss, **kwargs)

    def _scheduled(self, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Step a scheduler that does so at each call."""
        if self._batches > 1 and not self._told:
            self._told = True
            warn(
                f"{self._batches} batches were merged, and the learning-rate scheduler "
                "steps once with them (step_scheduler_with_optimizer=False), as is right "
                "if it counts optimizer steps: if it counts batches, it is too slow; "
                "give it optimizer steps, or leave out merge="
            )
        return inner(*args, **kwargs)
