"""The training run of a loop with an Accelerator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from accelerate import Accelerator
from torch import nn

from upsize.accelerate._counter import AcceleratorCounter, counter_of
from upsize.accelerate._grown import grown_counter_of
from upsize.accelerate._loaders import check_loader, prepared_in
from upsize.accelerate._merged import MergedPasses, check_merges
from upsize.accelerate._models import explain_errors
from upsize.accelerate._owner import check_free, take_over
from upsize.accelerate._prepared import size_again
from upsize.accelerate._state import read_state, write_state
from upsize.models._adapt._training import ModelSizes
from upsize.resize import Resizer
from upsize.run import BatchCounter, Options, Position
from upsize.run._batches import Batches
from upsize.run._epoch_steps import place_in_epoch
from upsize.run._grown_counter import check_accumulation
from upsize.run._loop_run import LoopRun
from upsize.run._merge_rule import Merge
from upsize.run._options import RESIZER, SizeFollower
from upsize.run._restoring import Restoring
from upsize.schedule import Grow, Schedule

__all__ = ["ProgressiveResize"]


class ProgressiveResize(LoopRun):
    """Resize each batch of a prepared loader to the size of its step.

    The run follows ``accelerator.sync_gradients``, so one size holds through an
    accumulation window. ``accelerator.save_state`` saves its state, and ``load_state``
    restores it. Every process computes the same sizes by itself. Until :meth:`remove`
    the prepared models are adapted to other sizes than their own, see
    :func:`upsize.models.adapt`.

    Args:
        schedule: How the image size grows.
        accelerator: The accelerator of the run.
        loader: The training loader that ``accelerator.prepare`` returns: its length is
            that of one process. With ``total_steps`` any other iterable, such as a
            ``WebLoader``, which ``prepare`` leaves unchanged.
        epochs: Length of the run in epochs of ``loader``.
        total_steps: Length of the run in optimizer steps, instead of ``epochs``; for
            loaders without a length.
        final_size: Full size in pixels, one side or (height, width), where the
            schedule does not name it.
        batch_size: A :class:`~upsize.schedule.Grow` for larger batches while images are
            small, which a :func:`sized` loader draws; its plain batch, and the samples
            of an epoch, are those of ``loader``. Needs ``epochs``, and a loader of a
            map-style dataset that is not dispatched. ``None``: the loader's own.
        merge: Whether the batches of an accumulation window are merged while images
            are small, see :class:`upsize.loop.ProgressiveResize`. The accelerator
            counts the plain batches, and ``accelerator.backward`` weighs the loss, a
            mean over images, by how many of them a batch is made of.
        resizer: How to find and resize the images of a batch.
        log: Name under which ``accelerator.log`` gets the longer side in pixels on
            every change; ``None``: not at all.
        verbose: Whether the first process prints the plan's summary, and what of the
            first batch is resized.
        follow: Regularization that follows the size; restored after the last step and
            by :meth:`remove`.

    Raises:
        TypeError: When ``schedule`` is not a schedule.
        ValueError: When the loader is a ``DataLoader`` that is not prepared, the length
            or the full size is missing or contradicts itself, a prepared model does not
            take a size of the plan, or the accelerator has a ProgressiveResize already.
            One whose loop was left, for example by running out of memory, or that is no
            longer in use, gives way.

    Warns:
        UserWarning: When a prepared model is compiled and the plan has more sizes than
            the compiler's recompile limit, or when its patches leave out a part of the
            images.

    Example:
        >>> import torch
        >>> from accelerate import Accelerator
        >>> from upsize.schedule import Ramp
        >>> accelerator = Accelerator(cpu=True)
        >>> images = torch.rand(20, 3, 64, 64)
        >>> loader = accelerator.prepare(torch.utils.data.DataLoader(images, 4))
        >>> resize = ProgressiveResize(
        ...     Ramp(final_size=64, increase_by=16), accelerator, loader=loader,
        ...     epochs=4, verbose=False,
        ... )
        >>> for epoch in range(4):
        ...     print(epoch, [batch.shape[-1] for batch in resize.batches(loader)])
        0 [32, 32, 32, 32, 32]
        1 [32, 32, 32, 32, 32]
        2 [48, 48, 48, 48, 48]
        3 [64, 64, 64, 64, 64]
        >>> resize.remove()
    """

    weighs_losses = False  # accelerator.backward does

    def __init__(
        self,
        schedule: Schedule,
        accelerator: Accelerator,
        *,
        loader: Iterable[Any],
        epochs: int | None = None,
        total_steps: int | None = None,
        final_size: int | tuple[int, int] | None = None,
        batch_size: Grow | None = None,
        merge: Merge = False,
        resizer: Resizer = RESIZER,
        log: str | None = "image_size",
        verbose: bool = True,
        follow: SizeFollower | None = None,
    ) -> None:
        check_loader(loader)
        check_free(accelerator)
        options = Options(
            schedule, final_size, resizer, log=log, verbose=verbose, follow=follow,
            merge=merge,
        )  # fmt: skip
        if merge:
            check_merges(accelerator)
        counter: BatchCounter
        if batch_size is None:
            counter = counter_of(accelerator, loader, epochs, total_steps)
        else:
            counter = grown_counter_of(
                accelerator, loader, options, batch_size, epochs, total_steps
            )
        super().__init__(
            options,
            counter,
            models=accelerator._models,
            say=accelerator.print,
            # Not a method: the run must not keep this object.
            report=lambda name, pixels, step: accelerator.log(
                {name: pixels}, step=step
            ),
        )
        with Restoring() as changes:
            models = ModelSizes(accelerator._models, changes)
            models.check(self.plan)
            explain_errors(accelerator, self._run, changes)
            self._merged = None
            if merge and isinstance(counter, AcceleratorCounter):
                self._merged = MergedPasses(accelerator, self._run, counter, changes)
            self._release = take_over(accelerator, self, self._run, changes.pop_all())
        models.tell(accelerator.print if verbose else None)
        self._accelerator = accelerator

    def batches(self, loader: Iterable[Any]) -> Batches:
        """Return the batches of an epoch, resized; the optimizer steps are counted.

        It has the length of the loader, for progress bars: ``tqdm(resize.batches(
        loader))``.

        Args:
            loader: The prepared loader, or in a resumed epoch what
                ``accelerator.skip_first_batches`` returns.

        Returns:
            An iterable of each batch at the size of its step. Save the state after the
            optimizer step.

        Raises:
            ValueError: When the loader is a ``DataLoader`` that is not prepared, or the
                accelerator accumulates gradients of batches that grow. While iterating,
                when images are too small.
        """
        check_loader(loader)
        if self.plan.grow is not None:  # the number may have been changed
            check_accumulation(self._accelerator.gradient_accumulation_steps)
        prepared = prepared_in(loader)
        if prepared is not None:
            size_again(prepared, self.size_source)
        if isinstance(self._counter, AcceleratorCounter):
            self._counter.draw_from(prepared)
        return super().batches(loader)

    def _pass(self, loader: Iterable[Any]) -> Iterator[Any]:
        begin, merged = super()._pass, self._merged
        return begin(loader) if merged is None else merged.over(begin, loader)

    def preallocate(
        self,
        model: nn.Module,
        batch: Any,
        *,
        forward: Callable[[nn.Module, Any], Any] | None = None,
    ) -> None:
        """Run a batch forward and backward at full size, and leave no trace of it.

        See :meth:`upsize.loop.ProgressiveResize.preallocate`. It runs under the
        accelerator's autocast.
        """
        with self._accelerator.autocast():
            super().preallocate(model, batch, forward=forward)

    def remove(self) -> None:
        """Remove the hooks from the accelerator: checkpoints no longer hold a state.

        Values that follow the size are restored, and so are the models.
        """
        self._release()

    def fast_forward(self, optimizer_steps: int) -> None:
        """Set how many steps are done, after a checkpoint without a state of upsize.

        The next pass over the loader begins an epoch; or, where batches grow, draws the
        rest of the one that the step is in.

        Args:
            optimizer_steps: Optimizer steps that are done, at least 0.

        Raises:
            ValueError: When it is negative.
        """
        if optimizer_steps < 0:
            raise ValueError(
                f"optimizer_steps must be at least 0, not {optimizer_steps}"
            )
        batch = 0
        if self.plan.grow is not None:
            _, batch = place_in_epoch(self.plan, optimizer_steps)
        first = optimizer_steps - batch
        self._counter.load(Position(optimizer_steps, batch, epoch_step=first))

    def save(self, output_dir: str) -> None:
        """Write the state into a folder; ``accelerator.save_state`` calls it.

        Args:
            output_dir: The folder of the checkpoint.
        """
        write_state(self._accelerator, output_dir, self.state_dict)

    def load(self, input_dir: str) -> None:
        """Read the state from a folder; ``accelerator.load_state`` calls it.

        Args:
            input_dir: The folder of the checkpoint.

        Raises:
            ValueError: When the state is broken, or that of something else.

        Warns:
            UserWarning: When the folder has none.
        """
        # Also where there is none: the other processes may have found theirs, and wait.
        self._run.planned.expect_agreement()
        read_state(
            input_dir,
            self.load_state_dict,
            f"Sizes continue from step {self.optimizer_steps}; call "
            "fast_forward(optimizer_steps) to continue from another step",
        )
