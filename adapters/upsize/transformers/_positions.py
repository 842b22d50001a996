"""Make vision transformers accept images of another size than their own."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from upsize.schedule import Size
from upsize.schedule._size import as_size

__all__ = ["Positions"]

_ARGUMENT = "interpolate_pos_encoding"


class Positions:
    """Asks a model to interpolate its position encodings, if its forward can.

    Args:
        trainer: The trainer of the model, which may be compiled, of PEFT, or wrapped.
    """

    def __init__(self, trainer: Any) -> None:
        model = _innermost(trainer)
        # The class's forward: the wrapper for mixed precision takes any argument.
        parameters = inspect.signature(type(model).forward).parameters
        self._takes = _ARGUMENT in parameters
        config = getattr(model, "config", None)
        config = getattr(config, "vision_config", config)
        own = getattr(config, "image_size", None)
        self._own = (
            None
            if own is None
            else as_size(own if isinstance(own, int) else tuple(own))
        )

    def __call__(self, batch: Any, size: Size) -> Any:
        """Return a batch with the argument, if the size needs it and it is not there.

        Args:
            batch: The arguments of the model's forward. Never changed.
            size: Size of its images.
        """
        if not self._takes or size == self._own or not isinstance(batch, Mapping):
            return batch
        if _ARGUMENT in batch:  # the user has set it
            return batch
        new: Any = copy.copy(batch)
        new[_ARGUMENT] = True
        return new


def _innermost(trainer: Any) -> Any:
    """Return the model inside the wrappers that distribute, compile and adapt it."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    base = getattr(model, "get_base_model", None)  # of PEFT
    return model if base is None else base()
