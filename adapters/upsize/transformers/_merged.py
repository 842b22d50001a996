"""The training steps of a Trainer whose batches are merged."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from accelerate.utils import DistributedType
from torch import Tensor, nn

from upsize.run import TrainingRun
from upsize.run._draws import Draws
from upsize.run._dry_run import restoring_model
from upsize.run._merge import counts_itself, micro_batches
from upsize.run._merging import Merging
from upsize.run._refusals import nothing_to_merge
from upsize.run._restoring import Restoring
from upsize.schedule import Size

__all__ = ["Held", "MergedSteps", "first_alone"]

# In half precision, a loss has two or three digits.
_HALF, _ALL = (0.48, 0.52), 0.98

Method: TypeAlias = Callable[..., Any]


class Held(dict[str, Tensor]):
    """The inputs of a batch that is merged into a later one: no images.

    The Trainer counts tokens and operations of its main input.

    Args:
        model: The model.
    """

    def __init__(self, model: nn.Module) -> None:
        name = getattr(model, "main_input_name", "input_ids")
        super().__init__({name: torch.empty(0)})


class MergedSteps:
    """Trains on merged batches in the place of those that they are made of.

    Args:
        trainer: The trainer.
        merge: What the user gave.
    """

    def __init__(self, trainer: Any, merge: Any) -> None:
        self._trainer, self._merge = trainer, merge
        self._batches = deque[int]()  # in each micro-batch to come of the window
        self._draws: Draws | None = None  # the batches of the epoch
        self._merging: Merging | None = None  # of the run
        # Whether losses are sums over what the window has in all; ``None``: not known.
        self._are_sums: bool | None = None

    def check(self) -> None:
        """Refuse to merge batches where the Trainer does not accumulate them.

        Raises:
            ValueError: When it does not, or an engine of its own counts the batches.
        """
        if self._trainer.args.gradient_accumulation_steps == 1:
            raise nothing_to_merge(
                self._merge,
                "each batch is one",
                "accumulate gradients with gradient_accumulation_steps",
            )
        if self._trainer.is_deepspeed_enabled:
            raise ValueError(counts_itself(DistributedType.DEEPSPEED.value))
        self._are_sums = None

    def begin_epoch(self, batches: Iterator[Any], run: TrainingRun) -> None:
        """Draw from the batches of another epoch from now on."""
        assert run.merging is not None
        self._merging, self._draws = run.merging, Draws(batches, run.merging)

    def window(self, number: int, run: TrainingRun) -> Iterator[Any]:
        """Yield the micro-batches of an accumulation window, each at its size.

        Args:
            number: Batches in the window.
            run: The training run.
        """
        draws = self._draws
        assert draws is not None
        self._batches.clear()
        left, end = number, draws.count + number
        for batch, count in micro_batches(
            draws, run, _count_nothing, lambda drawn: end - drawn
        ):
            self._batches.append(count)
            yield batch
            left -= count
            if left <= 0:
                return

    def expand(self, micro_batches: list[Any]) -> list[Any]:
        """Return the batches of a window, as many as without merging.

        Args:
            micro_batches: The batches that are trained on.
        """
        expanded: list[Any] = []
        for batch, count in zip(micro_batches, self._batches, strict=True):
            expanded += [Held(self._trainer.model) for _ in range(count - 1)]
            expanded.append(batch)
        return expanded

    def step(
        self, inner: Method, model: Any, inputs: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Return the loss of a training step, with the weight of its batches.

        A batch that is merged into a later one leaves neither a loss nor gradients.
        """
        if isinstance(inputs, Held):
            return torch.zeros((), device=self._trainer.args.device)
        batches = self._batches.popleft() if self._batches else 1
        if batches == 1:
            return inner(model, inputs, *args, **kwargs)
        items = args[0] if args else kwargs.get("num_items_in_batch")
        weight = 1 if self._sums(inputs, items) else batches
        if weight > 1:
            assert self._merging is not None  # or there would be no such batch
            self._merging.tell_mean(batches)
        seen: list[Any] = []

        def backward(original: Method, loss: Any, **more: Any) -> Any:
            seen.append(loss)
            return original(loss * weight, **more)

        with Restoring() as changes:
            changes.wrap_method(self._trainer.accelerator, "backward", backward)
            loss = inner(model, inputs, *args, **kwargs)
        if not seen:
            raise ValueError(
                f"training_step of {type(self._trainer).__name__} does not call "
                "accelerator.backward(loss), where a merged batch gets its weight: "
                "call it there, or leave out merge="
            )
        return loss * weight

    def _sums(self, inputs: Any, items: Any) -> bool:
        """Return whether the loss is a sum, divided by the items of all the window.

        The losses of transformers are; some models and ``compute_loss_func`` ignore
        the items, and give a mean.

        Raises:
            ValueError: When it is neither.
        """
        if items is None:
            return False
        if self._are_sums is None:
            self._are_sums = self._try(inputs, items)
        return bool(self._are_sums)

    def _try(self, inputs: Any, items: Any) -> bool | None:
        """Compare the losses with these items and with twice as many."""
        once, twice = (self._loss(inputs, items * times) for times in (1, 2))
        if not once or not math.isfinite(once):
            return None  # it tells nothing
        share = twice / once
        if not (_HALF[0] < share < _HALF[1] or share > _ALL):
            raise ValueError(
                "merge=: of a merged batch, only a part of the loss is divided by "
                f"num_items_in_batch (with twice as many it is {share:.3g} times as "
                "large, not 0.5 or 1 times), so no one weight is right: divide all of "
                "it, or none, or leave out merge="
            )
        return share < _HALF[1]

    def _loss(self, inputs: Any, items: Any) -> float:
        """Return the loss of a batch, and leave no trace of it."""
        trainer, loss = self._trainer, self._trainer.compute_loss_func
        with Restoring() as changes, torch.no_grad():
            for module in (trainer.model, loss):
                if isinstance(module, nn.Module):
                    changes.enter_context(restoring_model(module))
            trainer.model.train()
            changes.enter_context(trainer.compute_loss_context_manager())
            # A copy: the Trainer removes the labels.
            prepared = trainer._prepare_inputs(copy.copy(inputs))
            value = trainer.compute_loss(
                trainer.model, prepared, num_items_in_batch=items
            )
        return float(value.mean())


def first_alone(
    ahead: Iterator[tuple[Size, int]],
) -> Iterator[tuple[Size, int]]:
    """Leave the first batch that is trained on as it is, for a dry run at full size.

    Args:
        ahead: Size and window of each batch that a loader draws.
    """
    for size, left in ahead:
        yield size, min(left, 1)
        if left:
            break
    yield from ahead


def _count_nothing() -> None:
    """Count no batch: the Trainer counts its steps itself."""
