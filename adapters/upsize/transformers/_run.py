"""One training run: the loop's ProgressiveResize, on the clock of a Trainer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from transformers.trainer_utils import has_length

from upsize.loop import ProgressiveResize as _LoopResize
from upsize.run._position import Clock
from upsize.run._resume import resume
from upsize.schedule import Plan, Size
from upsize.transformers._settings import Settings

__all__ = ["Run", "saved_plan"]

#: Name of the plan among the callbacks' states in ``trainer_state.json``.
_KEY = "upsize.ProgressiveResize"


class Run(_LoopResize):
    """Resizes the batches between the making of a ``TrainerState`` and the next one.

    Args:
        trainer: The trainer, about to draw the first batch.
        settings: The user's.
        final: The full size.
    """

    def __init__(self, trainer: Any, settings: Settings, final: Size) -> None:
        loader, self.state = trainer.callback_handler.train_dataloader, trainer.state
        length = len(loader) if has_length(loader) else None
        try:
            super().__init__(
                settings.schedule,
                steps_per_epoch=length,
                total_steps=self.state.max_steps,
                final_size=final,
                accumulate=trainer.args.gradient_accumulation_steps,
                resizer=settings.resizer,
                sized_loader=settings.sized,
                follow=settings.follow,
            )
        except ValueError as error:
            if length is None:
                error.add_note(
                    "upsize: the dataset has no length, and so its epochs have none: "
                    'give moments as shares (0.5) or as steps ("500st")'
                )
            raise
        saved = saved_plan(self.state)
        if saved is not None:
            self._plan = resume(saved, self._plan)
            if settings.follow is not None:
                settings.follow.bind(self._plan)
        # The Trainer writes this into each checkpoint, and reads it again.
        self.state.stateful_callbacks[_KEY] = {
            "args": {},
            "attributes": {"plan": self._plan.model_dump(mode="json")},
        }
        # The batches of an epoch that is resumed are drawn from its first one.
        self._skips = not trainer.args.ignore_data_skip

    def train(self, batch: Any) -> Any:
        """Return a training batch at the size of its step."""
        self._clock = Clock(self.state.global_step)
        return self(batch)

    def validate(self, batch: Any, size: Size) -> Any:
        """Return a batch of validation at a size."""
        images = self._resizer.image_size(batch, full=self._plan.final_size)
        self._full.check(images)
        return self._resizer(batch, size, full=images)

    def sizes_ahead(self, batches: int | None = None) -> Iterator[Size]:
        """Yield the size of each batch of the epoch that begins, without end."""
        step = self.state.global_step
        if self._skips and self._plan.steps_per_epoch is not None:
            step -= step % self._plan.steps_per_epoch
        self._skips = False
        self._clock = Clock(step)
        yield from super().sizes_ahead(batches)


def saved_plan(state: Any) -> Plan | None:
    """Return the plan that a checkpoint has brought.

    Args:
        state: The ``TrainerState``.

    Raises:
        ValueError: When it is none of ours.
    """
    entry = state.stateful_callbacks.get(_KEY)
    if entry is None:
        return None
    try:
        return Plan.model_validate(entry["attributes"]["plan"])
    except (ValidationError, KeyError, TypeError) as error:
        raise ValueError(
            f"the plan in the checkpoint's trainer_state.json is broken; without its "
            f'entry stateful_callbacks["{_KEY}"] training goes on by a plan of its '
            f"own: {error}"
        ) from error
