"""The callback without its base class: Lightning has two packages, and two bases."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from upsize.follow import Applier
from upsize.lightning._batch_hook import BatchHook
from upsize.lightning._clock import clock_of
from upsize.lightning._report import Report
from upsize.lightning._run import Run, Settings
from upsize.lightning._state import State, read_state
from upsize.resize import Resizer
from upsize.run._full_size import warn_at_end
from upsize.schedule import Linear, MultiScale, Phases, Plan, Ramp, Size
from upsize.schedule._base import check_schedule
from upsize.schedule._size import as_size, check_whole_number

__all__ = ["ResizeCallback"]

_RAMP, _RESIZER = Ramp(), Resizer()  # both are frozen


class ResizeCallback:
    """Train on small images first, by a callback of the trainer.

    Each training batch is resized behind its transfer to the device and the user's own
    transfer hooks, to the size that the plan has for the optimizer steps done. The
    size goes to the progress bar and the loggers, the plan into the checkpoints. What
    is touched is put back after training, an exception and Ctrl-C alike.

    Args:
        schedule: What grows and when.
        final_size: Full size in pixels, one side or (height, width), where the
            schedule does not name it. ``None``: the size of the first batch's images.
        total_steps: Length of the run in optimizer steps, with manual optimisation in
            batches. ``None``: what the trainer's settings and data give. Needed for a
            trainer without end.
        resizer: How to find and resize the images of a batch.
        resize_valid: Whether validation during training uses the size that is trained
            on, instead of the images as they come.
        preallocate: Whether to run the first batch forward and backward at full size
            before training: it proves that this fits into the memory, and leaves no
            trace. The module's ``forward`` is called with the first image of the batch.
        empty_cache: Whether to empty CUDA's cache on every change of size.
        log: Name under which the progress bar and, on every change, each logger get
            the longer side in pixels; ``None``: not at all.
        verbose: Whether the first process prints the plan's summary.
        follow: Regularisation that follows the size, put back with the rest.

    Raises:
        TypeError: When the schedule is none.
        ValueError: When sizes contradict each other. At the start of training: for a
            trainer without end, a second ProgressiveResize, a
            ``training_step(dataloader_iter)``, a batch without images, or images
            smaller than the full size.

    Warns:
        UserWarning: When the images are larger than the full size, training ends before
            it, the data has no length, a resumed run has another one, or a compiled
            model meets more sizes than its recompile limit.

    Example:
        >>> import lightning.pytorch as L
        >>> from upsize.lightning import ProgressiveResize
        >>> from upsize.schedule import Ramp
        >>> resize = ProgressiveResize(Ramp(initial_size=0.5, start=0.5, finish=0.75))
        >>> trainer = L.Trainer(
        ...     max_epochs=90, callbacks=[resize], accelerator="cpu", logger=False,
        ...     enable_checkpointing=False, enable_progress_bar=False,
        ... )
        >>> resize.state_key, resize.plan
        ('upsize.ProgressiveResize', None)
    """

    def __init__(
        self,
        schedule: Ramp | Linear | Phases | MultiScale = _RAMP,
        *,
        final_size: int | tuple[int, int] | None = None,
        total_steps: int | None = None,
        resizer: Resizer = _RESIZER,
        resize_valid: bool = False,
        preallocate: bool = False,
        empty_cache: bool = False,
        log: str | None = "image_size",
        verbose: bool = True,
        follow: Applier | None = None,
    ) -> None:
        check_schedule(schedule, final_size)
        self._total = check_whole_number("total_steps", total_steps)
        self._settings = Settings(
            schedule=schedule,
            final_size=final_size,
            resizer=resizer,
            resize_valid=resize_valid,
            preallocate=preallocate,
            empty_cache=empty_cache,
            verbose=verbose,
            follow=follow,
        )
        self._report = Report(log)  # not self.log, which Lightning sets to a function
        self._saved: State | None = None
        self._run: Run | None = None
        self._hook: BatchHook | None = None
        self._trainer: Any = None  # of the fit that is going on
        self._sized_loader = False

    @property
    def plan(self) -> Plan | None:
        """The plan, the size of every step; ``None`` before training has started."""
        state = None if self._run is None else self._run.state
        return None if state is None else state.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on; ``None`` before the first."""
        return None if self._run is None else self._run.size

    @property
    def final_size(self) -> Size | None:
        """The full size; ``None``: that of the first batch's images."""
        given = self._settings.final_size
        target = self._settings.schedule.target() if given is None else given
        return None if target is None else as_size(target)

    @property
    def corrected(self) -> int:
        """Batches that came from a sized loader at another size than their step's."""
        return 0 if self._run is None else self._run.corrected

    def expect_sized(self) -> None:
        """Let the loader make the images at their step's size.

        :func:`upsize.lightning.sized` calls it.
        """
        self._sized_loader = True

    def sizes_ahead(self) -> Iterator[Size]:
        """Yield the size of each training batch to come; nothing outside of a fit."""
        trainer, run = self._trainer, self._run
        # As for the batches themselves: not in the finders, nor in other stages.
        if trainer is None or run is None or self not in trainer.callbacks:
            return
        if trainer.state.stage.value == "train":
            yield from run.sizes_ahead(trainer)

    @property
    def state_key(self) -> str:
        """Name of the state in a checkpoint, the same for both packages."""
        return "upsize.ProgressiveResize"

    def state_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values; nothing before there is one."""
        state = (None if self._run is None else self._run.state) or self._saved
        return {} if state is None else state.model_dump(mode="json")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the plan of a checkpoint, which training then goes on with.

        Args:
            state_dict: What :meth:`state_dict` gave.

        Raises:
            ValueError: When it is none of ours.
        """
        self._saved = read_state(state_dict)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Stand behind the transfer of batches, for the time of a fit."""
        if stage != "fit":
            return
        count = sum(isinstance(each, ResizeCallback) for each in trainer.callbacks)
        if count > 1:
            raise ValueError(
                f"the trainer has {count} ProgressiveResize callbacks, and each would "
                "resize what the other has resized: keep one"
            )
        # A second fit of a trainer goes on where the first has stopped.
        before = self._run if trainer.global_step else None
        self._saved, self._run = None if before is None else before.state, None
        self._report.begin()
        self._remove()
        self._trainer = trainer
        self._hook = BatchHook(
            trainer.strategy, lambda batch: self._resized(trainer, batch)
        )

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Find out how long the run is: limits, finders and loaders are settled."""
        if "dataloader_iter" in inspect.signature(pl_module.training_step).parameters:
            raise ValueError(
                "training_step(dataloader_iter) takes its batches from the loader by "
                "itself, and ProgressiveResize never sees them: let training_step take "
                "(batch, batch_idx), or resize in it with upsize.loop.ProgressiveResize"
            )
        clock = clock_of(trainer, pl_module, self._total)
        self._run = Run(
            self._settings, clock, self._saved, sized_loader=self._sized_loader
        )
        self._run.start(trainer)
        fetcher = trainer.fit_loop._data_fetcher
        if self._sized_loader and fetcher.length is None:
            # Of loaders without a length it has taken the first batch by now.
            iter(fetcher)

    def on_train_batch_start(
        self,
        trainer: Any,
        pl_module: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Report the size."""
        # None in a run that was resumed in the BatchNorm epoch of SWA.
        if (size := self.size) is not None:  # pragma: no branch - nothing to report
            self._report(trainer, size, batch_idx)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Warn when full size was planned and not reached, or sizes were not."""
        warn_at_end(
            self.plan,
            self.size,
            self.corrected,
            cure="; give ProgressiveResize total_steps= where the trainer cannot know "
            "the length",
        )

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Put back the transfer of batches."""
        self._remove()

    def on_exception(
        self,
        trainer: Any,  # noqa: ARG002
        pl_module: Any,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Put it back here, too: no teardown follows an exception."""
        self._remove()

    def _remove(self) -> None:
        self._trainer = None
        if self._settings.follow is not None:
            self._settings.follow.restore()
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _resized(self, trainer: Any, batch: Any) -> Any:
        """Return the batch at its size, while this callback has a say."""
        # The finders of batch sizes and learning rates train without the callbacks.
        if batch is None or self not in trainer.callbacks:
            return batch
        if (run := self._run) is None:
            return batch
        # By value: comparing Lightning's stages lower-cases strings, at every batch.
        stage = trainer.state.stage.value
        if stage == "train":
            return run.train(trainer, batch)
        if stage == "validate" and self._settings.resize_valid:
            return run.validate(batch)
        return batch
