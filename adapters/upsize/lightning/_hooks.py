"""What the callback does at each hook of a trainer that fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from upsize.lightning._checks import (
    check_merge,
    check_saved_plan,
    check_training_step,
)
from upsize.lightning._counter import counter_of
from upsize.lightning._dry_run import dry_run
from upsize.lightning._grown import GrownFit
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
from upsize.lightning._steps import LightningCounter
from upsize.models._adapt._training import ModelSizes
from upsize.run import Options, TrainingRun
from upsize.run._epochs import counts_epochs
from upsize.run._foreign import explain
from upsize.run._refusals import check_alone, keep_plan
from upsize.run._restoring import Restoring
from upsize.run._state import State, read_state
from upsize.schedule import Grow, Plan, Size

__all__ = ["FitHooks"]


class FitHooks:
    """Resizes the batches of each fit, by the hooks of a Lightning callback.

    Args:
        options: What the user asks for.
        total_steps: The length that the user gave, or ``None``.
        grow: How the batch grows; ``None``: it is the loader's own.
    """

    def __init__(
        self, options: Options, total_steps: int | None, grow: Grow | None
    ) -> None:
        self._options, self._total, self._grow = options, total_steps, grow
        self._saved: State | None = None
        self._is_second = False  # whether it is of the fit before, not of a checkpoint
        self._run: TrainingRun | None = None
        self._counter: LightningCounter | None = None
        self._changes = Restoring()
        self._trainer: Any = None  # of the fit in progress
        self._shown: Size | None = None
        self._models: ModelSizes | None = None
        self._merged: MergedBatches | None = None
        self._grown: GrownFit | None = None

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
        with keep_plan(f'the state: del checkpoint["callbacks"]["{self.state_key}"]'):
            self._saved = read_state(
                State, state_dict, "the checkpoint's callback state"
            )
        self._is_second = False

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Wrap the transfer of batches while the trainer fits.

        Lightning's callback hooks cannot replace a batch. Every batch passes through
        this method, after the user's transfer hooks in the module or data module.
        """
        if stage != "fit":
            return
        self._end()
        # A second fit of a trainer continues where the first one stopped.
        state = self._run.state_dict() if self._run and trainer.global_step else {}
        self._saved = read_state(State, state) if state else None
        self._is_second = self._saved is not None
        self._run = self._shown = self._grown = None
        self._take_over(trainer)
        if self._grow is not None:
            self._grown = GrownFit(
                trainer, self, self._options, self._grow, self._changes
            )

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Let the model take other sizes than its own, the sanity check included."""
        self._take_over(trainer)
        self._models = ModelSizes([pl_module], self._changes)
        says = self._options.verbose and trainer.is_global_zero
        self._models.tell(print if says else None)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the run: by now limits, finders and loaders settle its length."""
        check_training_step(pl_module)
        if self._trainer is None:
            self.on_fit_start(trainer, pl_module)
        saved = None if self._saved is None else self._saved.plan
        grown = self._grown
        self._counter = counter = (
            counter_of(trainer, pl_module, self._total, saved, self._counts_epochs)
            if grown is None
            else grown.counter()
        )
        self._run = TrainingRun(
            self._options,
            counter,
            saved=self._saved,
            is_second=self._is_second,
            models=[trainer.lightning_module],
            say=print if trainer.is_global_zero else None,
            report=self._log,
            begin=self._begin,
            is_trial=bool(trainer.fast_dev_run),
            by_steps=counter.by_steps,
        )
        self._run.draw_from(training_collection(trainer))
        self._merged = None
        if self._run.merging is not None:
            check_merge(trainer, pl_module, self._options.merge)
            self._merged = MergedBatches(trainer, self._run, self._changes)
        if grown is not None:
            check_saved_plan(trainer, saved)
            grown.begin(self._run)
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
        run, name = self._run, self._options.log
        size = None if run is None else run.size
        if name is None or size is None or not (batch_idx == 0 or size != self._shown):
            return
        self._shown = size
        # The bar's own dict, which lasts until the epoch ends. A metric of `log` would
        # be evaluated in every step, which takes as long as the rest of this method.
        trainer.progress_bar_metrics[name] = float(max(size))

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Look at the loaders, which may be made again for each epoch."""
        if self._trainer is None or self._run is None:
            raise ValueError(
                "ProgressiveResize joined the trainer after training had begun: give it "
                "to Trainer(callbacks=[...]), or return it from configure_callbacks of "
                "the module"
            )
        if self._merged is not None:
            self._merged.begin_epoch()
        if self._grown is not None:
            # Lightning 2.4, resumed after an epoch, does not end that one once more.
            self._grown.begin_epoch()
        self._run.draw_from(training_collection(trainer))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Let the next epoch have another loader, and begin at its own step."""
        assert self._run is not None
        assert self._counter is not None
        only_measures = is_measuring_batchnorm(trainer)
        self._run.end_epoch(None if only_measures else self._counter.next_epoch())

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Report how training ended."""
        assert self._run is not None
        self._run.finish()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Restore the transfer of batches."""
        self._end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: Any) -> None:  # noqa: ARG002
        """Explain an error at a smaller size, and restore: no teardown follows it."""
        stages = ("train", "validate") if self._options.resize_valid else ("train",)
        if getattr(trainer.state.stage, "value", None) in stages:
            explain(exception, self._run)
        self._end()

    def _take_over(self, trainer: Any) -> None:
        """Wrap the transfer of batches, also where a hook of the module adds this one."""
        if self._trainer is None:
            check_alone(FitHooks, trainer.callbacks, "the trainer")
            self._trainer = trainer
            self._changes.wrap_method(
                trainer.strategy, "batch_to_device", self._batch_to_device
            )

    def _end(self) -> None:
        """Restore everything that was changed."""
        self._trainer = self._merged = None
        self._changes.close()
        if self._run is not None:
            self._run.finish(completed=False)

    def _begin(self, plan: Plan) -> None:
        """Check the model, and the length of the epoch, at the first batch."""
        assert self._models is not None  # adapted before it
        self._models.check(plan)
        if self._grown is not None:
            assert self._run is not None  # whose plan it is
            self._grown.begin_batch(self._run)

    def _counts_epochs(self) -> bool:
        """Whether the schedule of the run in progress has moments in epochs."""
        assert self._run is not None  # asked for the step of a batch
        assert self._run.plan is not None
        return counts_epochs(self._options.schedule, self._run.plan)

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
        resized = run.train(batch)
        return resized if self._merged is None else self._merged.take(resized)
