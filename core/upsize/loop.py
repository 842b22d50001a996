"""Progressive resizing in a training loop of your own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

from upsize._extras import missing_extra

try:
    from torch import nn
except ModuleNotFoundError as error:  # pragma: no cover - in test_missing.py
    raise missing_extra("torch", "Training loops") from error

from upsize.follow import Applier
from upsize.resize import Resizer
from upsize.run._dry_run import dry_run
from upsize.run._full_size import FullSizeCheck, corrected_batches
from upsize.run._position import Clock, State, advance, end_epoch, read_state
from upsize.run._resume import resume
from upsize.schedule import Linear, MultiScale, Phases, Plan, Ramp, Size
from upsize.schedule._run import run_length
from upsize.schedule._size import check_whole_number

__all__ = ["ProgressiveResize"]


class ProgressiveResize:
    """Resize each batch to the size that its step needs, and count the steps.

    Args:
        schedule: What grows and when, with its ``final_size`` or with the one below.
        epochs: Length of the run in epochs; needs ``steps_per_epoch``.
        steps_per_epoch: **Batches** in an epoch, ``len(loader)``.
        total_steps: Length of the run in **optimizer steps**, instead of ``epochs``.
        final_size: Full size in pixels, one side or (height, width), where the
            schedule does not name it.
        accumulate: Batches per optimizer step. The clock counts optimizer steps: it
            advances every ``accumulate`` batches and at the end of an epoch, so that
            one size holds through a window.
        resizer: How to find and resize the images of a batch.
        sized_loader: Whether the loader makes the images at their step's size already,
            as those of :func:`upsize.loading.sized` do, which sets it. Those then pass
            untouched, and others are corrected and counted. Without it, images below
            the full size are refused.
        follow: Regularisation that follows the size: set for each batch that is
            resized, and put back with the last step of the plan. Train within
            ``with follow:`` to have it put back after an exception, too.

    Raises:
        ValueError: When the length of the run or the full size is missing or
            contradicts itself, or ``accumulate`` is below 1.

    Example:
        >>> import torch
        >>> from upsize.schedule import Ramp
        >>> loader = [(torch.rand(4, 3, 64, 64), torch.zeros(4)) for _ in range(5)]
        >>> resize = ProgressiveResize(
        ...     Ramp(final_size=64, increase_by=16), epochs=4, steps_per_epoch=5
        ... )
        >>> for epoch in range(4):
        ...     sizes = [images.shape[-1] for images, _ in resize.batches(loader)]
        ...     print(epoch, sizes)
        0 [32, 32, 32, 32, 32]
        1 [32, 32, 32, 32, 32]
        2 [48, 48, 48, 48, 48]
        3 [64, 64, 64, 64, 64]
    """

    def __init__(
        self,
        schedule: Ramp | Linear | Phases | MultiScale,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        total_steps: int | None = None,
        final_size: int | tuple[int, int] | None = None,
        accumulate: int = 1,
        resizer: Resizer | None = None,
        sized_loader: bool = False,
        follow: Applier | None = None,
    ) -> None:
        self._accumulate = check_whole_number("accumulate", accumulate)
        # A window that the end of an epoch cuts short is a step, too.
        windows = None
        if steps_per_epoch is not None:
            run = run_length(None, steps_per_epoch, steps_per_epoch)
            steps_per_epoch = run.total_steps
            windows = -(-steps_per_epoch // self._accumulate)
        self._plan = schedule.plan(
            epochs=epochs,
            steps_per_epoch=windows,
            total_steps=total_steps,
            final_size=final_size,
        )
        self._batches_per_epoch = steps_per_epoch
        self._resizer = Resizer() if resizer is None else resizer
        self._sized_loader = sized_loader
        self._clock = Clock()
        self._full = FullSizeCheck(self._plan.final_size)
        self._in_hand = False
        self._skipped = 0
        self._corrected = 0
        self._follow = follow
        if follow is not None:
            follow.bind(self._plan)

    @property
    def plan(self) -> Plan:
        """The plan: the size of every step of the run."""
        return self._plan

    @property
    def size(self) -> Size:
        """Size of the batch in hand in the body of :meth:`batches`, else of the next."""
        return self._plan.size_at(self._clock.step)

    @property
    def optimizer_steps(self) -> int:
        """Optimizer steps that are done; a batch in hand does not count yet."""
        return self._clock.step

    @property
    def corrected(self) -> int:
        """Batches that came from a sized loader at another size than their step's."""
        return self._corrected

    def expect_sized(self) -> None:
        """Let the loader make the images at their step's size.

        :func:`upsize.loading.sized` calls it; the argument ``sized_loader`` is the same.
        """
        self._sized_loader = True

    def sizes_ahead(self, batches: int | None = None) -> Iterator[Size]:
        """Yield the size of each batch to come, without end and without counting any.

        Args:
            batches: Batches in a pass over the loader that draws them. After
                :meth:`load_state_dict` within an epoch, one of ``steps_per_epoch``
                batches starts from the epoch's first, which are dropped until the run
                goes on; one of fewer starts where the run does. ``None``, or a run
                without ``steps_per_epoch``: from the first.

        Example:
            >>> from itertools import islice
            >>> from upsize.schedule import Ramp
            >>> resize = ProgressiveResize(
            ...     Ramp(final_size=64, increase_by=32), total_steps=2, accumulate=2
            ... )
            >>> [size.width for size in islice(resize.sizes_ahead(), 4)]
            [32, 32, 64, 64]
        """
        clock = self._next_clock()
        if None in (batches, self._batches_per_epoch) or (
            batches == self._batches_per_epoch
        ):
            for _ in range(self._skipped):
                yield self._plan.size_at(clock.step)
        while True:
            yield self._plan.size_at(clock.step)
            clock = advance(clock, self._accumulate, self._batches_per_epoch)

    def __call__(self, batch: Any) -> Any:
        """Return the batch with its images at :attr:`size`.

        Args:
            batch: A tensor (N, C, H, W) or any container of tensors, see
                :class:`~upsize.resize.Resizer`.

        Returns:
            A new batch, or the same one when nothing is to be done.

        Raises:
            ValueError: When the images are smaller than the full size, or there are
                none.

        Warns:
            UserWarning: Once, when the images are larger than the full size: they
                never train at their own.
        """
        size = self.size
        if self._follow is not None:
            self._follow.set(self._clock.step)
        images = self._image_size(batch)
        if images == size and (self._sized_loader or size == self._plan.final_size):
            return batch
        self._corrected += self._sized_loader
        self._check_images(images)
        return self._resizer(batch, size, full=images)

    def batches(self, loader: Iterable[Any]) -> Iterator[Any]:
        """Yield the batches of an epoch, resized, and count them.

        Args:
            loader: One epoch's batches, or what is left of an epoch that is resumed.

        Yields:
            Each batch at its step's size. In the body :meth:`state_dict` counts the
            batch in hand as done, so that a checkpoint written there resumes after it.

        Warns:
            UserWarning: When ``len(loader)`` is not what ``steps_per_epoch`` leaves of
                this epoch: full size would come too early or never. At the end of the
                epoch, when batches of a sized loader had to be corrected.
        """
        self._settle()
        self._check_length(loader)
        corrected = self._corrected
        for batch in loader:
            self._settle()
            resized = self(batch)
            self._in_hand = True
            yield resized
        self._settle()
        self._clock = end_epoch(self._clock)
        self._end_follow()
        if self._corrected > corrected:
            count = self._corrected - corrected
            text = corrected_batches(count, of=" of this epoch")
            warnings.warn(text, UserWarning, stacklevel=2)

    def step(self) -> None:
        """Count a batch as done; :meth:`batches` does it by itself.

        Example:
            >>> import torch
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
        self._in_hand = False
        self._skipped = 0
        self._clock = self._advanced()
        self._end_follow()

    def state_dict(self) -> dict[str, Any]:
        """Return the plan and the clock as plain JSON values.

        A batch in hand in the body of :meth:`batches` counts as done. Between a call
        and its :meth:`step` by hand it does not.
        """
        clock = self._advanced() if self._in_hand else self._clock
        state = State(plan=self._plan, accumulate=self._accumulate, **clock._asdict())
        return state.model_dump(mode="json")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a saved run stopped.

        Args:
            state: What :meth:`state_dict` gave. A run of another length is rebound:
                sizes never shrink, and full size is reached where this run's own plan
                reaches it.

        Raises:
            ValueError: Before anything changes, when it is no such state, of another
                schedule or full size, or from within a window of another
                ``accumulate``.

        Warns:
            UserWarning: When the run has another length than the saved one.

        Example:
            >>> from upsize.schedule import Ramp
            >>> saved = ProgressiveResize(Ramp(final_size=64), total_steps=100)
            >>> for _ in range(60):
            ...     saved.step()
            >>> resumed = ProgressiveResize(Ramp(final_size=64), total_steps=100)
            >>> resumed.load_state_dict(saved.state_dict())
            >>> resumed.optimizer_steps, resumed.size == saved.size
            (60, True)
        """
        saved = read_state(state)
        if saved.accumulate != self._accumulate and saved.window:
            raise ValueError(
                f"the state was saved after {saved.window} of {saved.accumulate} "
                f"batches of a window, and accumulate is {self._accumulate} now: "
                f"resume with accumulate={saved.accumulate}, or from a state saved "
                "after an optimizer step"
            )
        self._plan = resume(saved.plan, self._plan, stacklevel=3)
        self._clock = Clock(saved.step, saved.batch, saved.window)
        self._skipped = saved.batch
        self._in_hand = False
        if self._follow is not None:
            self._follow.bind(self._plan)

    def preallocate(
        self,
        model: nn.Module,
        batch: Any,
        *,
        forward: Callable[[nn.Module, Any], Any] | None = None,
    ) -> None:
        """Run a batch forward and backward at full size, and leave no trace of it.

        It proves that the largest size fits into the memory, and takes that memory
        before smaller sizes fragment it. Weights, buffers, ``.grad``, the optimizer
        and the random state stay bit-identical.

        Args:
            model: The model, on its device, in the mode that it trains in.
            batch: A batch on the same device.
            forward: Called with the model and the batch at full size, returns the loss
                or other outputs; ``None``: the model is called with the first image.
                Under AMP, wrap the call of ``preallocate`` in ``torch.autocast``.

        Raises:
            ValueError: When a parameter of the model is not initialised yet.
            torch.OutOfMemoryError: When the full size does not fit.

        Example:
            >>> import torch
            >>> from upsize.schedule import Ramp
            >>> model = torch.nn.Conv2d(3, 8, 3)
            >>> resize = ProgressiveResize(Ramp(final_size=64), total_steps=100)
            >>> resize.preallocate(model, torch.rand(4, 3, 64, 64))
            >>> model.weight.grad is None
            True
        """
        final, images = self._plan.final_size, self._image_size(batch)
        self._check_images(images)
        full = self._resizer(batch, final, full=images)
        if forward is None:
            first = self._resizer.first_image(full)
            dry_run(model, lambda: model(first), final)
        else:
            dry_run(model, lambda: forward(model, full), final)

    def _advanced(self) -> Clock:
        """Return the clock after one batch more."""
        return advance(self._clock, self._accumulate, self._batches_per_epoch)

    def _next_clock(self) -> Clock:
        """Return the clock of the next batch that is drawn."""
        return self._advanced() if self._in_hand else self._clock

    def _image_size(self, batch: Any) -> Size:
        """Return the size of the images; the full one stands for those in a list."""
        full = None if self._sized_loader else self._plan.final_size
        return self._resizer.image_size(batch, full=full)

    def _check_images(self, images: Size) -> None:
        """Refuse images of a size that only a sized loader may give."""
        if not self._sized_loader or images not in self._plan.sizes:
            self._full.check(images, stacklevel=4)

    def _settle(self) -> None:
        """Count the batch that :meth:`batches` has handed out."""
        if self._in_hand:
            self.step()

    def _end_follow(self) -> None:
        """Put back the regularisation when the last step is done."""
        if self._follow is not None and self._clock.step >= self._plan.total_steps:
            self._follow.restore()

    def _check_length(self, loader: Iterable[Any]) -> None:
        if self._batches_per_epoch is None or not isinstance(loader, Sized):
            return
        try:
            length = len(loader)
        except TypeError:  # a DataLoader of an iterable dataset
            return
        left = self._batches_per_epoch - self._clock.batch
        if length != left:
            warnings.warn(
                f"the loader has {length} batches and steps_per_epoch leaves {left} "
                "for this epoch: full size may come too early or never; give "
                "steps_per_epoch=len(loader)",
                UserWarning,
                stacklevel=3,
            )
