"""The model of a Trainer, which takes other sizes than its own for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from upsize.models._adapt._training import ModelSizes
from upsize.run._restoring import Restoring
from upsize.schedule import Plan

__all__ = ["AdaptedModel"]


class AdaptedModel:
    """Adapts the model that a trainer has, and restores it.

    Args:
        trainer: The trainer.
        verbose: Whether the first process prints what is adapted.
    """

    def __init__(self, trainer: Any, verbose: bool) -> None:
        self._trainer, self._verbose = trainer, verbose
        self._changes = Restoring()
        self._models: ModelSizes | None = None  # while the model is adapted
        self._summary: str | None = None

    def adapt(self) -> None:
        """Let the model take other sizes than its own."""
        trainer = self._trainer
        self._models = ModelSizes([trainer.model], self._changes)
        summary, before = self._models.summary(), self._summary
        says = self._verbose and trainer.is_world_process_zero()
        if says and summary not in (None, before):
            self._summary = summary
            print(summary)

    def restore(self) -> None:
        """Restore the model."""
        self._models = None
        self._changes.close()

    def check(self, plan: Plan) -> None:
        """Check that the model, which is adapted, takes the sizes of a plan.

        Raises:
            ValueError: When it does not.
        """
        assert self._models is not None
        self._models.check(plan)

    @contextmanager
    def adapted(self) -> Iterator[None]:
        """Adapt the model for a while, if it is not adapted for training."""
        if self._models is not None:
            yield
            return
        try:
            self.adapt()
            yield
        finally:
            self.restore()
