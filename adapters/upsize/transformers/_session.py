"""What stands around the methods of a Trainer, whichever way it came there."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import chain, repeat
from typing import Any, TypeAlias

import torch
from torch import nn

from upsize.run._compiled import warn_of_recompiles
from upsize.run._dry_run import untouched
from upsize.run._full_size import warn_at_end
from upsize.schedule import Plan, Ramp, Size
from upsize.transformers._positions import Positions
from upsize.transformers._run import Run, saved_plan
from upsize.transformers._settings import Settings
from upsize.transformers._sized import sized

__all__ = ["METHODS", "Session", "Shown"]

Method: TypeAlias = Callable[..., Any]

#: The methods of a Trainer that a session stands around.
METHODS = (
    "train", "get_batch_samples", "get_train_dataloader", "evaluate",
    "prediction_step", "log",
)  # fmt: skip


class Session:
    """Resizes for a trainer: each method takes the trainer's own as its first argument.

    Args:
        trainer: The trainer.
        settings: The user's.
    """

    def __init__(self, trainer: Any, settings: Settings) -> None:
        self._trainer, self._settings = trainer, settings
        self._run: Run | None = None
        self._positions: Positions | None = None
        self._training = self._evaluating = False
        self._size: Size | None = None
        self._reported: Size | None = None
        self._to_try: Any = None  # the batch for the dry run

    @property
    def plan(self) -> Plan | None:
        """The plan, the size of every step; ``None`` before training has started."""
        return None if self._run is None else self._run.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on; ``None`` before the first."""
        return self._size

    @property
    def corrected(self) -> int:
        """Batches that came from the sized loader at another size than their step's."""
        return 0 if self._run is None else self._run.corrected

    def train(self, inner: Method, *args: Any, **kwargs: Any) -> Any:
        """Train, and put back whatever follows the size."""
        self._run, self._training = None, True
        self._size = self._reported = None
        try:
            output = inner(*args, **kwargs)
        finally:
            self._training, self._to_try = False, None
            if self._settings.follow is not None:
                self._settings.follow.restore()
        warn_at_end(self.plan, self._size, self.corrected, stacklevel=3)
        return output

    def get_batch_samples(
        self, inner: Method, epoch_iterator: Iterator[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Resize the batches of an optimizer step as they are drawn."""
        samples = inner(map(self._resized, epoch_iterator), *args, **kwargs)
        if self._to_try is not None:
            self._dry_run(*samples[1:])
        if self._size is not None and self._size != self._reported:
            self._reported = self._size
            if self._settings.log is not None:
                self._trainer.log({self._settings.log: max(self._size)})
        return samples

    def get_train_dataloader(self, inner: Method, *args: Any, **kwargs: Any) -> Any:
        """Let the workers make small images, where that is asked for."""
        loader = inner(*args, **kwargs)
        if not self._settings.sized:
            return loader
        return sized(loader, _Ahead(self), self._settings.set_size)

    def evaluate(self, inner: Method, *args: Any, **kwargs: Any) -> Any:
        """Note that what is predicted is validation."""
        before, self._evaluating = self._evaluating, True
        try:
            return inner(*args, **kwargs)
        finally:
            self._evaluating = before

    def prediction_step(
        self, inner: Method, model: Any, inputs: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Validate at the size that is trained on, where that is asked for."""
        size, asked = self._size, self._settings.resize_valid
        if asked and self._training and self._evaluating and size is not None:
            assert self._run is not None
            assert self._positions is not None
            inputs = self._positions(self._run.validate(inputs, size), size)
        return inner(model, inputs, *args, **kwargs)

    def log(
        self, inner: Method, logs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add the size to the logs of training."""
        name, size = self._settings.log, self._size
        if name is not None and size is not None and "loss" in logs:
            logs.setdefault(name, max(size))
        return inner(logs, *args, **kwargs)

    def run(self, batch: Any = None) -> Run:
        """Return the run that the trainer's state belongs to.

        Args:
            batch: A batch as it comes, which tells the full size where nothing else
                does.
        """
        trainer, settings = self._trainer, self._settings
        # Each start of the training makes a state, as after running out of memory.
        if self._run is not None and self._run.state is trainer.state:
            return self._run
        final = settings.final
        if final is None and (saved := saved_plan(trainer.state)) is not None:
            final = saved.final_size
        if final is None:
            final = settings.resizer.image_size(batch)
        run = Run(trainer, settings, final)
        warn_of_recompiles([trainer.model_wrapped], run.plan, stacklevel=3)
        if settings.verbose and trainer.is_world_process_zero():
            print(run.plan.summary())
        self._run, self._positions = run, Positions(trainer)
        self._size = self._reported = None
        return run

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
        """Yield the size of each batch of an epoch; nothing outside of training."""
        if self._training:
            yield from self.run().sizes_ahead(batches)

    def _resized(self, batch: Any) -> Any:
        run = self.run(batch)
        assert self._positions is not None
        resized = run.train(batch)
        if self._settings.preallocate and self._size is None:
            self._to_try = batch
        if run.size != self._size:
            self._size = run.size
            if self._settings.empty_cache and torch.cuda.is_available():
                torch.cuda.empty_cache()
        return self._positions(resized, run.size)

    def _dry_run(self, num_items_in_batch: Any = None) -> None:
        """Compute the loss of the first batch at full size, as training would."""
        trainer, run, batch = self._trainer, self.run(), self._to_try
        self._to_try = None
        positions, loss = self._positions, trainer.compute_loss_func
        assert positions is not None

        def forward(model: nn.Module, full: Any) -> Any:
            model.train()
            # A copy: the Trainer takes the labels out of it.
            inputs = copy.copy(positions(full, run.plan.final_size))
            with trainer.compute_loss_context_manager():
                return trainer.compute_loss(
                    model, inputs, num_items_in_batch=num_items_in_batch
                )

        try:
            with untouched(loss) if isinstance(loss, nn.Module) else nullcontext():
                run.preallocate(trainer.model, batch, forward=forward)
        except Exception as error:
            error.add_note(
                "upsize: in the dry run of preallocate=True, which calls compute_loss "
                "with the first batch at full size"
            )
            raise


class Shown:
    """What a user can ask of the session, of the mixin and of an attachment alike."""

    _upsize: Session

    @property
    def plan(self) -> Plan | None:
        """The plan, the size of every step; ``None`` before training has started."""
        return self._upsize.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on; ``None`` before the first."""
        return self._upsize.size

    @property
    def corrected(self) -> int:
        """Batches that came from the sized loader at another size than their step's."""
        return self._upsize.corrected


class _Ahead:
    """Tells a sized loader the sizes of the training that is going on."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def plan(self) -> Plan:
        """The full size at least: the plan is made with the first epoch."""
        final = self._session._settings.final
        return Ramp(initial_size=1.0, final_size=final).plan(total_steps=1)

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
        """Yield the sizes; outside of training the full one."""
        return chain(self._session.sizes_ahead(batches), repeat(self.plan.final_size))

    def expect_sized(self) -> None:
        """Nothing: the settings say so."""
