"""A training run that a loop drives, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from torch import nn

from upsize.run._batches import Batches
from upsize.run._counter import BatchCounter
from upsize.run._epochs import counts_epochs
from upsize.run._loop_pass import LoopPasses
from upsize.run._loop_resume import resume_loop
from upsize.run._loop_sizes import LoopSizes
from upsize.run._options import Options
from upsize.run._refusals import nothing_to_merge
from upsize.run._state import LoopState, read_state
from upsize.run._training_run import TrainingRun
from upsize.schedule import Plan, Size

__all__ = ["LoopRun"]


class LoopRun:
    """Resize each batch of a loop to the size of its step, and count the steps.

    The custom loop and Accelerate share it.

    Args:
        options: What the user asks for, with a full size.
        counter: Counts the batches.
        settings: More arguments of :class:`~upsize.run.TrainingRun`.
    """

    #: Whether the loop itself has to weigh the losses of merged batches.
    weighs_losses = True

    def __init__(
        self, options: Options, counter: BatchCounter, **settings: Any
    ) -> None:
        if options.full_size is None:
            # The loop makes its plan before it sees a batch.
            raise ValueError(
                f"final_size is missing: give it to {type(options.schedule).__name__} "
                f"or to {type(self).__name__}"
            )
        if options.merge_rule is not None and counter.accumulate == 1:
            raise nothing_to_merge(
                options.merge, "each batch is one", "accumulate gradients"
            )
        counter.merges = options.merge_rule is not None
        self._run, self._counter = TrainingRun(options, counter, **settings), counter
        # Loaders keep it, and not this object.
        self.size_source = LoopSizes(self._run, counter)
        self._passes = LoopPasses(
            self._run, counter, self.size_source, is_weighed=not self.weighs_losses
        )
        self._finished = False
        self._ends_by_steps = not counter.windows.by_epochs
        if self._ends_by_steps and counter.batches is not None:
            by_epochs = counts_epochs(options.schedule, self.plan)
            counter.windows = replace(counter.windows, by_epochs=by_epochs)

    @property
    def plan(self) -> Plan:
        """The plan: the size of every step of the run."""
        return self.size_source.plan

    @property
    def final_size(self) -> Size:
        """The full size."""
        return self.plan.final_size

    @property
    def mismatched(self) -> int:
        """Batches that came from a sized loader at another size than their step's."""
        return self._run.mismatched

    @property
    def size(self) -> Size:
        """Size of the current batch in a loop over :meth:`batches`, else the next."""
        return self.plan.size_at(self._counter.step())

    @property
    def optimizer_steps(self) -> int:
        """Optimizer steps that are done; the current batch does not count yet."""
        return self._counter.step()

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, or ``break`` or an exception has left its loop."""
        return self._finished or self._counter.is_left

    @property
    def loss_weight(self) -> float:
        """What to multiply the mean loss of the current batch by, to accumulate it.

        The share of the batches of an accumulation window that the current one holds:
        1 / ``accumulate``, and more where ``merge`` has merged several.
        """
        return self._passes.loss_weight

    @property
    def ends_window(self) -> bool:
        """Whether the optimizer steps after the current batch.

        The last batch of an epoch ends a window as well. Where neither
        ``steps_per_epoch`` nor the loader has told which one that is, step after the
        loop, if this is still ``False`` then.
        """
        return self._passes.ends_window

    def __call__(self, batch: Any) -> Any:
        """Return the batch with its images at :attr:`size`.

        Args:
            batch: A tensor (N, C, H, W) or any container of tensors, see
                :class:`~upsize.resize.Resizer`.

        Returns:
            A new batch, or the same one if it already has this size.

        Raises:
            ValueError: When the images are smaller than the full size, or the batch has
                none. When batches are merged, which only :meth:`batches` can do.

        Warns:
            UserWarning: Once, when the images are larger than the full size.
        """
        if self._run.merging is not None:
            raise ValueError(
                "merge= makes one batch of several, so take them from "
                "resize.batches(loader), or leave out merge="
            )
        self._passes.check_drawn()
        self._passes.leave()
        return self._run.train(batch)

    def batches(self, loader: Iterable[Any]) -> Batches:
        """Return the batches of an epoch, resized; each one is counted when it is done.

        It has a length, for progress bars: ``tqdm(resize.batches(loader))``. While
        batches are merged, that is the number of merged ones, where ``epochs`` are
        given and a ``DataLoader`` tells the length of each batch; else there is none.

        Args:
            loader: One epoch's batches, or the rest of a resumed epoch.

        Returns:
            An iterable of each batch at the size of its step. Inside the loop, the
            current batch counts as done: a checkpoint saved there resumes with the next
            one. When an exception ends the loop, the batch that it interrupted does not
            count.

        Warns:
            UserWarning: Once, while iterating, when an epoch does not have
                ``steps_per_epoch`` batches; says what it is taken for.
        """
        return Batches(loader, self._pass, self._passes.length)

    def _pass(self, loader: Iterable[Any]) -> Iterator[Any]:
        """Yield the batches of a pass over a loader."""
        return self._passes.over(loader, self._end)

    def sizes_ahead(self, batches: int | None = None) -> Iterator[Size]:
        """Yield the size of each batch to come, without end and without counting any.

        Args:
            batches: Batches in a pass over the loader that draws them. After
                :meth:`load_state_dict` within an epoch, a loader of ``steps_per_epoch``
                batches starts from the first batch of the epoch, which the loop skips;
                a shorter loader starts where the run resumes. ``None``, or a run
                without ``steps_per_epoch``: from the first batch.

        Example:
            >>> from itertools import islice
            >>> from upsize.loop import ProgressiveResize
            >>> from upsize.schedule import Ramp
            >>> resize = ProgressiveResize(
            ...     Ramp(final_size=64, increase_by=32), total_steps=2, accumulate=2
            ... )
            >>> [size.width for size in islice(resize.sizes_ahead(), 4)]
            [32, 32, 64, 64]
        """
        return self._run.sizes_ahead(batches)

    def step(self) -> None:
        """Count a batch as done; :meth:`batches` calls it for you.

        Example:
            >>> import torch
            >>> from upsize.loop import ProgressiveResize
            >>> from upsize.schedule import Ramp
            >>> resize = ProgressiveResize(
            ...     Ramp(final_size=64, increase_by=32), total_steps=4, accumulate=2
            ... )
            >>> for _ in range(8):
            ...     images = resize(torch.rand(4, 3, 64, 64))
            ...     resize.step()
            ...     print(images.shape[-1], end=" ")
            32 32 32 32 64 64 64 64
        """
        self._passes.leave()
        self._counter.count()
        self._end()

    def finish(self) -> None:
        """End the run early: restore values that follow the size, and warn.

        The last step of the plan ends the run without it.

        Warns:
            UserWarning: When training ended before full size.
        """
        self._counter.settle()
        self._finished = True
        self._run.finish()

    def state_dict(self) -> dict[str, Any]:
        """Return the plan and the position as plain JSON values.

        Inside a loop over :meth:`batches` the current batch counts as done. If you call
        the object and :meth:`step` yourself, it only counts after :meth:`step`.
        """
        counter = self._counter
        state = LoopState(
            unit=counter.unit,
            plan=self.plan,
            accumulate=counter.accumulate,
            **counter.done()._asdict(),
        )
        return state.model_dump(mode="json")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume where a saved run stopped.

        Args:
            state: What :meth:`state_dict` returned. In a run of another length sizes
                never shrink, and full size is reached where this run's own plan reaches
                it.

        Raises:
            ValueError: Before anything changes, when it is not such a state, has
                another schedule or full size, or was saved within an accumulation
                window of another ``accumulate``.

        Warns:
            UserWarning: When the run has another length than the saved one.

        Example:
            >>> from upsize.loop import ProgressiveResize
            >>> from upsize.schedule import Ramp
            >>> saved = ProgressiveResize(Ramp(final_size=64), total_steps=100)
            >>> for _ in range(60):
            ...     saved.step()
            >>> resumed = ProgressiveResize(Ramp(final_size=64), total_steps=100)
            >>> resumed.load_state_dict(saved.state_dict())
            >>> resumed.optimizer_steps, resumed.size == saved.size
            (60, True)
        """
        saved = read_state(LoopState, state)
        by_steps = self._ends_by_steps
        resume_loop(saved, self._run.planned, self._counter, by_steps=by_steps)

    def preallocate(
        self,
        model: nn.Module,
        batch: Any,
        *,
        forward: Callable[[nn.Module, Any], Any] | None = None,
    ) -> None:
        """Run a batch forward and backward at full size, and leave no trace of it.

        It proves that the largest size fits into memory, and allocates that memory
        before smaller sizes fragment it. Weights, buffers, ``.grad``, the optimizer and
        the random state stay bit-identical.

        Args:
            model: The model, on its device, in the mode it trains in.
            batch: A batch on the same device.
            forward: Called with the model and the batch at full size; returns the loss
                or other outputs. ``None``: the model is called with the first image.
                Under AMP, wrap the call of ``preallocate`` in ``torch.autocast``.

        Raises:
            ValueError: When a parameter of the model is not initialized yet.
            torch.OutOfMemoryError: When the full size does not fit.

        Example:
            >>> import torch
            >>> from upsize.loop import ProgressiveResize
            >>> from upsize.schedule import Ramp
            >>> model = torch.nn.Conv2d(3, 8, 3)
            >>> resize = ProgressiveResize(Ramp(final_size=64), total_steps=100)
            >>> resize.preallocate(model, torch.rand(4, 3, 64, 64))
            >>> model.weight.grad is None
            True
        """
        self._run.preallocate(model, batch, forward=forward)

    def _end(self) -> None:
        """End the run with the last step of its plan."""
        if self._counter.step() >= self.plan.total_steps:
            self.finish()
