"""The callback without its base class: each of Lightning's two packages has its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

from upsize.lightning._checks import (
    check_batch_size,
    check_merge,
    check_training_step,
)
from upsize.lightning._counter import counter_of
from upsize.lightning._dry_run import dry_run
from upsize.lightning._held import HELD
from upsize.lightning._merged import MergedBatches
from upsize.lightning._privates import (
    is_measuring_batchnorm,
    log_by,
    logging_step,
    restart_fetching,
    training_collection,
    training_loaders,
)
from upsize.models._adapt._training import ModelSizes
from upsize.resize import Resizer
from upsize.run import Options, TrainingRun
from upsize.run._alone import check_alone
from upsize.run._epochs import counts_epochs
from upsize.run._foreign import explain
from upsize.run._merge_rule import Merge
from upsize.run._options import RAMP, RESIZER, SizeFollower
from upsize.run._restoring import Restoring
from upsize.run._state import State, read_state
from upsize.schedule import (
    Linear,
    MultiScale,
    Phases,
    Plan,
    Ramp,
    Schedule,
    Size,
)
from upsize.schedule._size import check_whole_number

__all__ = ["ResizeCallback"]


class ResizeCallback:
    """Train on small images first, with a callback of the trainer.

    Each training batch is resized after its transfer to the device and your own
    transfer hooks, to the size that the plan has for the optimizer steps done. The
    progress bar and the loggers show the size, and checkpoints hold the plan.
    While the trainer fits, the model is adapted to other sizes than its own, see
    :func:`upsize.models.adapt`. Everything that the callback changes is restored after
    training, also after an exception or Ctrl-C.

    Args:
        schedule: What grows and when.
        final_size: Full size in pixels, one side or (height, width), where the
            schedule does not name it. ``None``: the size of the first batch's images.
        total_steps: Length of the run in optimizer steps, or in batches with manual
            optimization. ``None``: read from the trainer's settings and data. Needed
            when the trainer has no end.
        resizer: How to find and resize the images of a batch.
        resize_valid: Whether validation during training uses the size trained on last,
            instead of the unchanged images.
        preallocate: Whether to run the first batch forward and backward at full size
            before training: it proves that this fits into memory, and leaves no trace.
            The module's ``forward`` is called with the first image of the batch.
        empty_cache: Whether to empty CUDA's cache on every change of size.
        log: Name under which the progress bar and, on every change, each logger get
            the longer side in pixels; ``None``: not at all.
        verbose: Whether the first process prints the plan's summary, and what of the
            first batch is resized.
        follow: Regularization that follows the size; restored with the rest.
        merge: Whether small images are trained on in fewer, larger micro-batches of
            ``accumulate_grad_batches``. ``True``: as many batches in one as have no
            more pixels than a batch at full size. A number: the same, and at most so
            many images. ``{size: images}``: at most so many images at each size.
            Steps, batches and learning rates are counted as without it.
        batch_size: Not supported: a :class:`~upsize.schedule.Grow` is refused, with
            what to do instead.

    Raises:
        TypeError: When ``schedule`` is not a schedule, or ``merge`` none of these.
        ValueError: When sizes contradict each other, or for a ``batch_size``. At the
            start of training: for a
            trainer without an end, a second ProgressiveResize, a
            ``training_step(dataloader_iter)``, a batch without images, images smaller
            than the full size, or sizes that the model does not take. With ``merge``:
            for manual optimization, a strategy that accumulates gradients itself, a
            trainer that accumulates none, batches above the limit, and batches that
            cannot be concatenated.

    Warns:
        UserWarning: When the images are larger than the full size, training ends before
            full size, the data has no length, a resumed run has another length, a
            compiled model meets more sizes than its recompile limit, or the patches of
            the model leave out a part of the images.

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
        # Each kind by name: Lightning's command line cannot build an abstract class.
        schedule: Ramp | Linear | Phases | MultiScale | Schedule = RAMP,
        *,
        final_size: int | tuple[int, int] | None = None,
        total_steps: int | None = None,
        resizer: Resizer = RESIZER,
        resize_valid: bool = False,
        preallocate: bool = False,
        empty_cache: bool = False,
        log: str | None = "image_size",
        verbose: bool = True,
        follow: SizeFollower | None = None,
        merge: Merge = False,
        batch_size: None = None,
    ) -> None:
        check_batch_size(batch_size)
        self._options = Options(
            schedule, final_size, resizer, resize_valid, preallocate, empty_cache, log,
            verbose, follow, merge,
        )  # fmt: skip
        self._total = check_whole_number("total_steps", total_steps)
        self._saved: State | None = None
        self._is_second = False  # whether it is of the fit before, not of a checkpoint
        self._run: TrainingRun | None = None
        self._changes = Restoring()
        self._trainer: Any = None  # of the fit in progress
        self._shown: Size | None = None
        self._models: ModelSizes | None = None
        self._merged: MergedBatches | None = None

    @property
    def plan(self) -> Plan | None:
        """The plan, the size of every step; ``None`` before training has started."""
        return None if self._run is None else self._run.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on; ``None`` before the first."""
        return None if self._run is None else self._run.size

    @property
    def final_size(self) -> Size | None:
        """The full size; ``None``: that of the first batch's images."""
        return self._options.full_size

    @property
    def mismatched(self) -> int:
        """Batches that came from a sized loader at another size than their step's."""
        return 0 if self._run is None else self._run.mismatched

    def sizes_ahead(self, batches: int | None = None) -> Iterator[Size]:
        """Yield the size of each training batch to come; outside of a fit, full size.

        Args:
            batches: Batches in a pass over the loader; Lightning knows it.
        """
        trainer, run, full = self._trainer, self._run, self._options.full_size
        assert full is not None  # sized() refuses a callback without it
        ahead: Iterator[Size] = iter(())
        # As for the batches themselves: neither in the finders nor in other stages.
        if trainer is not None and run is not None and self in trainer.callbacks:
            measuring = is_measuring_batchnorm(trainer)
            if trainer.state.stage.value == "train" and not measuring:
                ahead = run.sizes_ahead(batches)
        return chain(ahead, repeat(full))

    @property
    def state_key(self) -> str:
        """Name of the state in a checkpoint, the same for both packages."""
        return "upsize.ProgressiveResize"

    def state_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values; empty before there is one."""
        if self._run is not None:
            return self._run.state_dict()
        return {} if self._saved is None else self._saved.model_dump(mode="json")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the plan of a checkpoint, for training to continue with.

        Lightning loads the weights first: after a refused state the module has the
        weights of the checkpoint.

        Args:
            state_dict: What :meth:`state_dict` gave.

        Raises:
            ValueError: When it is not a state of upsize.
        """
        try:
            self._saved = read_state(
                State, state_dict, "the checkpoint's callback state"
            )
            self._is_second = False
        except ValueError as error:
            error.add_note(
                "upsize: to continue with a new plan instead, delete the state: del "
                f'checkpoint["callbacks"]["{self.state_key}"]'
            )
            raise

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Wrap the transfer of batches while the trainer fits.

        Lightning's callback hooks cannot replace a batch. Every batch passes through
        this method, after the user's transfer hooks in the module or data module.
        """
        if stage != "fit":
            return
        check_alone(ResizeCallback, trainer.callbacks, "the trainer")
        self._end()
        # A second fit of a trainer continues where the first one stopped.
        before = self._run if trainer.global_step else None
        state = {} if before is None else before.state_dict()
        self._saved = read_state(State, state) if state else None
        self._is_second = self._saved is not None
        self._run = self._shown = None
        self._trainer = trainer
        self._changes.wrap_method(
            trainer.strategy, "batch_to_device", self._batch_to_device
        )

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Let the model take other sizes than its own, the sanity check included."""
        self._models = ModelSizes([pl_module], self._changes)
        summary = self._models.summary()
        if summary is not None and self._options.verbose and trainer.is_global_zero:
            print(summary)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the run: by now limits, finders and loaders settle its length."""
        check_training_step(pl_module)
        saved = None if self._saved is None else self._saved.plan
        counter = counter_of(
            trainer, pl_module, self._total, saved, self._counts_epochs
        )
        self._run = TrainingRun(
            self._options,
            counter,
            saved=self._saved,
            is_second=self._is_second,
            models=[trainer.lightning_module],
            say=print if trainer.is_global_zero else None,
            report=self._log,
            is_trial=bool(trainer.fast_dev_run),
            by_steps=counter.by_steps,
        )
        self._run.draw_from(training_collection(trainer))
        self._merged = None
        if self._run.merging is not None:
            check_merge(trainer, pl_module)
            self._merged = MergedBatches(trainer, self._run, self._changes)
        if any(
            getattr(each, "resize", None) is self for each in training_loaders(trainer)
        ):
            restart_fetching(trainer)

    def on_train_batch_start(
        self,
        trainer: Any,
        pl_module: Any,  # noqa: ARG002
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Show the size in the progress bar."""
        if batch is HELD:
            log_by(trainer, batch, samples=0)
        name, size = self._options.log, self.size
        if name is None or size is None or not (batch_idx == 0 or size != self._shown):
            return
        self._shown = size
        # The bar's own dict, which lasts until the epoch ends. A metric of `log` would
        # be evaluated in every step, which takes as long as the rest of this method.
        trainer.progress_bar_metrics[name] = float(max(size))

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Look at the loaders, which may be made again for each epoch."""
        assert self._run is not None
        if self._merged is not None:
            self._merged.begin_epoch()
        self._run.draw_from(training_collection(trainer))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Let the next epoch have another loader."""
        assert self._run is not None
        self._run.end_epoch()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Report how training ended."""
        assert self._run is not None
        self._run.finish()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Restore the transfer of batches."""
        self._end()

    def on_exception(
        self,
        trainer: Any,
        pl_module: Any,  # noqa: ARG002
        exception: BaseException,
    ) -> None:
        """Explain an error at a smaller size, and restore: no teardown follows it."""
        stages = ("train", "validate") if self._options.resize_valid else ("train",)
        if getattr(trainer.state.stage, "value", None) in stages:
            explain(exception, self._run)
        self._end()

    def _end(self) -> None:
        """Restore everything that was changed."""
        self._trainer = self._merged = None
        self._changes.close()
        if self._run is not None:
            self._run.finish(completed=False)

    def _counts_epochs(self) -> bool:
        """Whether the schedule of the run in progress has moments in epochs."""
        assert self.plan is not None  # asked for the step of a batch
        return counts_epochs(self._options.schedule, self.plan)

    def _log(self, name: str, pixels: int, step: int) -> None:  # noqa: ARG002
        """Log the size to every logger, at the step of Lightning's own monitors."""
        for logger in self._trainer.loggers:
            logger.log_metrics({name: float(pixels)}, step=logging_step(self._trainer))

    def _batch_to_device(
        self, inner: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Return the batch on its device, at its size if this callback is active."""
        batch, trainer, run = inner(*args, **kwargs), self._trainer, self._run
        # The finders of batch sizes and learning rates train without the callbacks.
        if batch is None or run is None or self not in trainer.callbacks:
            return batch
        # By value: comparing Lightning's stages lower-cases strings, at every batch.
        stage = trainer.state.stage.value
        if stage != "train":
            return run.validate(batch) if stage == "validate" else batch
        if is_measuring_batchnorm(trainer):
            return run.at_full_size(batch)
        if run.wants_dry_run:
            dry_run(trainer, run, batch)
        first = run.size is None
        resized = run.train(batch)
        if first:
            assert self._models is not None
            assert run.plan is not None
            self._models.check(run.plan)
        return resized if self._merged is None else self._merged.take(resized)
