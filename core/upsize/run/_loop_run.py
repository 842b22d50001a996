"""A training run that a loop drives, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import nn

from upsize.resize import Resizer
from upsize.run._batch_steps import BatchSteps
from upsize.run._batches import Batches, innermost, length_of
from upsize.run._counter import BatchCounter
from upsize.run._epochs import EpochLengths, counts_epochs
from upsize.run._grown_counter import batches_of
from upsize.run._merge import Merging, micro_batches
from upsize.run._options import Options
from upsize.run._position import Position
from upsize.run._resume import moved_position
from upsize.run._state import LoopState, read_state
from upsize.run._training_run import TrainingRun
from upsize.schedule import Plan, Size
from upsize.schedule._warn import warn

__all__ = ["LoopRun"]

_NOT_WEIGHED = (
    "merge= has made one batch of several, and nothing asked for its loss_weight: a mean "
    "loss must count as often as the batches that it holds, so write (loss * "
    "resize.loss_weight).backward() in the place of loss / accumulate"
)


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
        self._run = TrainingRun(options, counter, **settings)
        self._counter = counter
        self._ends_by_steps = not counter.by_epochs
        self._lengths = EpochLengths(counter)
        self._finished = False
        # Whether a sized loader has asked for the batches of a plan that grows.
        self._is_drawn = self.plan.grow is None
        # Of the current batch of a pass, as it was drawn: whether its window ends.
        self._ends_window: bool | None = None
        # Whether somebody weighs the losses of merged batches, or was told to.
        self._is_weighed = not self.weighs_losses
        if options.merge_rule is not None and counter.accumulate == 1:
            raise ValueError(
                f"merge={options.merge} merges the batches of an accumulation window, and "
                "each batch is one: accumulate gradients, or leave out merge="
            )
        counter.merges = options.merge_rule is not None
        if self._ends_by_steps and counter.batches is not None:
            counter.by_epochs = counts_epochs(options.schedule, self.plan)

    @property
    def plan(self) -> Plan:
        """The plan: the size of every step of the run."""
        assert self._run.plan is not None  # the full size is known
        return self._run.plan

    @property
    def final_size(self) -> Size:
        """The full size."""
        return self.plan.final_size

    @property
    def resizer(self) -> Resizer:
        """How the images of a batch are found and resized."""
        return self._run.options.resizer

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
    def mismatched(self) -> int:
        """Batches that came from a sized loader at another size than their step's."""
        return self._run.mismatched

    @property
    def grown_plan(self) -> Plan | None:
        """The plan, if its batches grow while images are small, else ``None``."""
        return None if self.plan.grow is None else self.plan

    def batches_ahead(self, batches: int | None = None) -> Iterator[tuple[Size, int]]:
        """Yield size and images of each batch to come, without end.

        Args:
            batches: See :meth:`sizes_ahead`.
        """
        self._is_drawn = True
        return self._run.batches_ahead(batches)

    def batches_of(self, samples: int) -> int:
        """Return the batches of the next pass over a loader, in a plan that grows.

        Args:
            samples: Samples that the loader draws: those of an epoch, or of its rest.

        Raises:
            ValueError: When it is neither.
        """
        return batches_of(self._counter, self.plan, samples)

    @property
    def merging(self) -> Merging | None:
        """Which batches are merged; ``None``: none are."""
        return self._run.merging

    @property
    def loss_weight(self) -> float:
        """What to multiply the mean loss of the current batch by, to accumulate it.

        The share of the batches of an accumulation window that the current one holds:
        1 / ``accumulate``, and more where ``merge`` has merged several.
        """
        self._is_weighed = True
        return self._run.micro_batch.weight

    @property
    def ends_window(self) -> bool:
        """Whether the optimizer steps after the current batch.

        The last batch of an epoch ends a window as well. Where neither
        ``steps_per_epoch`` nor the loader has told which one that is, step after the
        loop, if this is still ``False`` then.
        """
        if self._ends_window is None:
            return self._counter.ends_window()
        return self._ends_window

    def windows_ahead(self, batches: int | None = None) -> Iterator[tuple[Size, int]]:
        """Yield size and accumulation window of each batch to come, without end.

        Args:
            batches: See :meth:`sizes_ahead`.
        """
        return self._run.windows_ahead(batches)

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

    def draw_rest(self) -> None:
        """Note that the loader draws the rest of a resumed epoch, and the loop skips none.

        Without it, a loader as long as an epoch is taken to draw all of it again.
        """
        self._counter.draw_rest()

    def expect_sizes(self, *, from_now: bool) -> BatchSteps:
        """Take batches at the size of their step from any loader from now on.

        Args:
            from_now: Whether batch 0 of the loader is the next batch of the run, and
                not its first one.

        Returns:
            The step of each batch, by its number.
        """
        counter = self._counter
        if self.grown_plan is not None:
            raise ValueError(
                "size_stage numbers batches of one length, and those of this run grow: "
                "draw them by a sized loader, or train with a constant batch_size"
            )
        self._run.expect_sizes()
        start = counter.upcoming() if from_now else Position()
        return BatchSteps(counter.accumulate, counter.batches, start)

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
        if not self._is_drawn:
            raise self._undrawn()
        self._ends_window = None
        return self._run.train(batch)

    def batches(self, loader: Iterable[Any]) -> Batches:
        """Return the batches of an epoch, resized; each one is counted when it is done.

        It has the length of the loader, for progress bars: ``tqdm(resize.batches(
        loader))``.

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
        return Batches(loader, self._pass)

    def _pass(self, loader: Iterable[Any]) -> Iterator[Any]:
        """Yield the batches of a pass over a loader."""
        counter, length = self._counter, length_of(loader)
        counter.settle()
        left = self._lengths.begin(length)
        inside = innermost(loader)
        self._run.draw_from(inside if hasattr(inside, "dataset") else None)
        merging, taken = self._run.merging, 0
        self._ends_window, accumulates = None, counter.accumulate > 1
        given = loader if merging is None else self._micro_batches(loader, length, left)
        with counter.watching():
            for batch in given:
                batches = 1
                if merging is None:
                    self._settle(length, left)
                    resized = self._run.train(batch)
                    counter.take()
                else:
                    resized, batches = batch
                    counter.take(batches)
                if accumulates:
                    in_pass = None if length is None else length - taken
                    self._ends_window = counter.ends_window(in_pass)
                if merging is not None:
                    self._run.note_micro_batch(batches, ends_window=self._ends_window)
                try:
                    yield resized
                except GeneratorExit:
                    counter.leave()
                    self._run.end_epoch()
                    if merging is not None and not isinstance(loader, Iterator):
                        merging.begin()  # what is left, nobody takes
                    raise
                taken += batches
                if batches > 1 and not self._is_weighed:
                    self._is_weighed = True
                    warn(_NOT_WEIGHED)
            counter.settle(at_end=True)
        self._run.agree()  # without a batch, the other processes still wait for this one
        self._lengths.check(length, left)
        self._lengths.end(left)
        self._run.end_epoch()
        self._end()

    def _settle(self, length: int | None, left: int) -> None:
        """Count the batch before the one that was drawn.

        Args:
            length: Batches of the pass; ``None``: not known.
            left: Batches that the plan has for the pass.
        """
        if not self._is_drawn:
            raise self._undrawn()
        self._counter.settle()
        self._lengths.check(length, left)

    def _micro_batches(
        self, loader: Iterable[Any], length: int | None, left: int
    ) -> Iterator[tuple[Any, int]]:
        """Yield each batch of a pass at its size, and the batches that it holds."""

        def window(drawn: int) -> int:
            return self._counter.left(None if length is None else length - drawn)

        return micro_batches(
            loader, self._run, lambda: self._settle(length, left), window
        )

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
        self._ends_window = None
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
        saved, counter = read_state(LoopState, state), self._counter
        position = moved_position(
            saved, self.plan, counter, by_steps=self._ends_by_steps
        )
        found = [position]

        def place(plan: Plan) -> tuple[int, int]:
            # Batches that grow are cut by the sizes of the plan to continue with.
            found[0] = moved_position(
                saved, plan, counter, by_steps=self._ends_by_steps
            )
            return saved.step, found[0].step

        self._run.resume(saved, at=place)
        counter.load(found[0])

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

    @staticmethod
    def _undrawn() -> ValueError:
        """Return the error for a loader that does not let its batches grow."""
        return ValueError(
            "batch_size=Grow(...) changes how many images a batch has, which only the "
            "batch sampler of a sized loader can do: write loader = sized(loader, "
            "resize), or give a constant batch_size"
        )

    def _end(self) -> None:
        """End the run with the last step of its plan."""
        if self._counter.step() >= self.plan.total_steps:
            self._finished = True
            self._run.finish()
