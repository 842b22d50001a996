"""The code that the mixin and ``attach`` wrap around the methods of a Trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from upsize.loading._dataset import SetSize
from upsize.run import Options, TrainingRun
from upsize.run._foreign import explain
from upsize.run._restoring import Restoring
from upsize.schedule import Grow, Plan, Size
from upsize.transformers._counter import TrainerCounter
from upsize.transformers._dry_run import dry_run
from upsize.transformers._grown import GrownCounter, GrownTraining
from upsize.transformers._merged import MergedSteps
from upsize.transformers._model import AdaptedModel
from upsize.transformers._options import check_options
from upsize.transformers._report import LogChanges
from upsize.transformers._sized import sized, sized_again
from upsize.transformers._sizes import SessionSizes
from upsize.transformers._state import read_from, write_to

__all__ = ["Session"]

Method: TypeAlias = Callable[..., Any]


class Session:
    """Resizes for a trainer: each method gets the trainer's method to call.

    Args:
        trainer: The trainer.
        options: What the user asks for.
        sized: Whether the workers of the training loader make small images.
        set_size: See :func:`upsize.loading.sized`.
        batch_size: How the batch grows; ``None``: it does not.

    Raises:
        TypeError: When ``batch_size`` is not a ``Grow``.
        ValueError: When options contradict each other.
    """

    #: The methods of a Trainer that it wraps.
    METHODS = (
        "train", "get_batch_samples", "get_train_dataloader", "training_step",
        "evaluate", "predict", "prediction_step", "log",
    )  # fmt: skip

    def __init__(
        self,
        trainer: Any,
        options: Options,
        sized: bool,
        set_size: SetSize | None,
        batch_size: Grow | None = None,
    ) -> None:
        check_options(options, sized, set_size, batch_size)
        self._trainer, self._options = trainer, options
        self._sized, self._set_size = sized, set_size
        self._run: TrainingRun | None = None
        self._counter: TrainerCounter | GrownCounter | None = None
        self._model = AdaptedModel(trainer, options.verbose)
        self._epoch: Iterator[Any] | None = None  # its batches
        self._training = self._evaluating = False
        self._loader: Any = None  # of the training
        self._to_try: Any = None  # the batch for the dry run
        self._changes = Restoring()
        self._changed = LogChanges()
        self._merged: MergedSteps | None = None
        if options.merge_rule is not None:
            self._merged = MergedSteps(trainer, options.merge)
        self._grown: GrownTraining | None = None
        if batch_size is not None:
            self._grown = GrownTraining(trainer, options, batch_size)

    @property
    def plan(self) -> Plan | None:
        """The plan, the size of every step; ``None`` before training has started."""
        if self._run is None:
            return None if self._grown is None else self._grown.plan
        return self._run.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on; ``None`` before the first."""
        return None if self._run is None else self._run.size

    @property
    def mismatched(self) -> int:
        """Batches that came from the sized loader at another size than their step's."""
        return 0 if self._run is None else self._run.mismatched

    def attach(self) -> None:
        """Wrap the methods of the trainer."""
        for name in self.METHODS:
            self._changes.wrap_method(self._trainer, name, getattr(self, name))
        self._changes.set(self._trainer, "_upsize", self)

    def remove(self) -> None:
        """Restore the trainer's methods; calling it again does nothing.

        If another tool wrapped them later, these wrappers stay and only call through.
        """
        self._changes.close()

    def train(self, inner: Method, *args: Any, **kwargs: Any) -> Any:
        """Train, and restore the values that follow the size."""
        if self._merged is not None:
            self._merged.check()
        self._run, self._training, completed = None, True, False
        self._trainer.add_callback(self._changed)
        epochs = Restoring()
        try:
            if self._grown is not None:
                self._grown.begin(epochs)
            output = inner(*args, **kwargs)
            completed = True
        finally:
            epochs.close()
            self._trainer.remove_callback(self._changed)
            self._training, self._to_try, self._loader = False, None, None
            self._model.restore()
            self._epoch = None
            if self._run is not None:
                self._run.finish(completed=completed)
        return output

    def get_batch_samples(
        self,
        inner: Method,
        epoch_iterator: Iterator[Any],
        num_batches: int,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Resize the batches of an optimizer step as they are drawn."""
        if epoch_iterator is not self._epoch:
            if self._epoch is not None and self._counter is not None:
                self._counter.begin_epoch()
            self._epoch = epoch_iterator
            if self._sized:
                sized_again(epoch_iterator, SessionSizes(self))
            if self._merged is not None:
                self._merged.begin_epoch(
                    map(self._drawn, epoch_iterator), self.current_run()
                )
        if self._merged is None:
            batches: Iterator[Any] = map(self._resized, epoch_iterator)
            samples = inner(batches, num_batches, *args, **kwargs)
        else:
            batches = self._merged.window(num_batches, self.current_run())
            samples = inner(batches, num_batches, *args, **kwargs)
            samples = self._merged.expand(samples[0]), *samples[1:]
        if self._to_try is not None:
            batch, self._to_try = self._to_try, None
            dry_run(self._trainer, self.current_run(), batch, *samples[1:])
        return samples

    def get_train_dataloader(self, inner: Method, *args: Any, **kwargs: Any) -> Any:
        """Let the workers make small images, if ``sized`` asks for it."""
        loader = inner(*args, **kwargs)
        if self._grown is not None and self._training:
            self._grown.make(loader)
        if self._sized:
            loader = sized(loader, SessionSizes(self), self._set_size)
        self._loader = loader
        return loader

    def training_step(self, inner: Method, *args: Any, **kwargs: Any) -> Any:
        """Name size and step in an error at a smaller size."""
        try:
            if self._merged is None:
                return inner(*args, **kwargs)
            return self._merged.step(inner, *args, **kwargs)
        except Exception as error:
            explain(error, self._run)
            raise

    def evaluate(self, inner: Method, *args: Any, **kwargs: Any) -> Any:
        """Note that predictions during evaluation are validation."""
        before, self._evaluating = self._evaluating, True
        try:
            with self._model.adapted():
                return inner(*args, **kwargs)
        finally:
            self._evaluating = before

    def predict(self, inner: Method, *args: Any, **kwargs: Any) -> Any:
        """Let the model take what it was trained on."""
        with self._model.adapted():
            return inner(*args, **kwargs)

    def prediction_step(
        self, inner: Method, model: Any, inputs: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Validate at the size trained on last, if ``resize_valid`` asks for it."""
        run = self._run
        if self._training and self._evaluating and run is not None:
            inputs = run.validate(inputs)
        return inner(model, inputs, *args, **kwargs)

    def log(
        self, inner: Method, logs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add the size to the logs of training."""
        name, size = self._options.log, self.size
        if name is not None and size is not None and "loss" in logs:
            logs.setdefault(name, max(size))
        return inner(logs, *args, **kwargs)

    def current_run(self) -> TrainingRun:
        """Return the run that the trainer's state belongs to."""
        trainer = self._trainer
        # Each start of training makes a state, also one after running out of memory.
        if self._run is not None and self._counter.state is trainer.state:  # type: ignore[union-attr]
            return self._run
        saved, grown = read_from(trainer.state), self._grown
        if grown is None or grown.plan is None:
            self._counter = TrainerCounter(trainer)
        else:
            self._counter = GrownCounter(trainer, grown, grown.plan)
        self._model.restore()
        self._model.adapt()
        self._run = TrainingRun(
            self._options,
            self._counter,
            saved=saved,
            models=[trainer.model_wrapped],
            say=print if trainer.is_world_process_zero() else None,
            report=self._changed.changed,
            begin=self._begin,
            by_steps=True,  # a Trainer ends after max_steps, and resumes at global_step
        )
        self._run.draw_from(self._loader)
        return self._run

    def _drawn(self, batch: Any) -> Any:
        """Return a training batch, and note the first one for the dry run."""
        if self.current_run().wants_dry_run:
            self._to_try = batch
        return batch

    def _resized(self, batch: Any) -> Any:
        """Return a training batch at the size of its step."""
        return self.current_run().train(self._drawn(batch))

    def _begin(self, plan: Plan) -> None:
        """Check the model and note the plan, which the first batch has made."""
        self._model.check(plan)
        write_to(self._trainer.state, self.current_run())
