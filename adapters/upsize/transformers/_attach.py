"""The same for a trainer that exists already."""

from __future__ import annotations

from typing import Any

from upsize.follow import Applier
from upsize.loading._dataset import SetSize
from upsize.resize import Resizer
from upsize.schedule import Linear, MultiScale, Phases, Ramp
from upsize.transformers._session import METHODS, Session, Shown
from upsize.transformers._settings import RESIZER, Settings

__all__ = ["Attachment", "attach"]

_FLAG = "_upsize"


class Attachment(Shown):
    """What :func:`attach` has put around the methods of a trainer.

    Args:
        trainer: The trainer.
        settings: The user's.
    """

    def __init__(self, trainer: Any, settings: Settings) -> None:
        self._trainer = trainer
        self._upsize = Session(trainer, settings)
        # What another tool may have put there before us.
        self._before = {name: vars(trainer).get(name) for name in METHODS}
        self._mine = {
            name: _Around(getattr(self._upsize, name), getattr(trainer, name))
            for name in METHODS
        }
        vars(trainer).update(self._mine, **{_FLAG: self._upsize})

    def remove(self) -> None:
        """Put back the trainer's methods; again, it does nothing.

        Under a tool that came later, those here only step aside.
        """
        held = vars(self._trainer)
        for name, mine in self._mine.items():
            mine.method = None
            if held.get(name) is not mine:
                continue
            if self._before[name] is None:
                del held[name]
            else:
                held[name] = self._before[name]
        if held.get(_FLAG) is self._upsize:
            del held[_FLAG]


class _Around:
    """Stands in for a method."""

    def __init__(self, method: Any, inner: Any) -> None:
        self.method, self.inner = method, inner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.method is None:
            return self.inner(*args, **kwargs)
        return self.method(self.inner, *args, **kwargs)


def attach(
    trainer: Any,
    schedule: Ramp | Linear | Phases | MultiScale,
    *,
    final_size: int | tuple[int, int] | None = None,
    resizer: Resizer = RESIZER,
    resize_valid: bool = False,
    preallocate: bool = False,
    empty_cache: bool = False,
    log: str | None = "image_size",
    verbose: bool = True,
    follow: Applier | None = None,
    sized: bool = False,
    set_size: SetSize | None = None,
) -> Attachment:
    """Let a trainer train on small images first, whatever class it is of.

    Args:
        trainer: A ``transformers.Trainer``, before ``train()``.
        schedule: What grows and when.
        final_size: As for :class:`ProgressiveResize`, and so are all others.
        resizer: How to find and resize the images of a batch, and their targets.
        resize_valid: Whether evaluation during training uses the size trained on.
        preallocate: Whether to try the full size before training.
        empty_cache: Whether to empty CUDA's cache on every change of size.
        log: Name under which the size is logged; ``None``: not at all.
        verbose: Whether the first process prints the plan's summary.
        follow: Regularisation that follows the size.
        sized: Whether the workers make each image at the size of its step.
        set_size: For datasets whose transforms are not found.

    Returns:
        An object with the ``plan`` and the ``size`` of training, whose ``remove()``
        puts back the trainer as it was.

    Raises:
        TypeError: When the schedule is none.
        ValueError: When the trainer is resized already, and as
            :class:`ProgressiveResize`.

    Example:
        >>> import torch
        >>> from transformers import Trainer, TrainingArguments
        >>> from upsize.schedule import Ramp
        >>> args = TrainingArguments(use_cpu=True, report_to="none")
        >>> trainer = Trainer(torch.nn.Linear(3, 2), args)
        >>> resizing = attach(trainer, Ramp(final_size=224))
        >>> resizing.plan, resizing.size  # trainer.train() sets them
        (None, None)
        >>> resizing.remove()
    """
    if hasattr(trainer, _FLAG):
        raise ValueError(
            "this trainer has a ProgressiveResize already, and each would resize what "
            "the other has resized: call remove() of what attach() gave first, or "
            "leave attach() out for a class with the mixin"
        )
    settings = Settings(
        schedule, final_size, resizer, resize_valid, preallocate, empty_cache, log,
        verbose, follow, sized, set_size,
    )  # fmt: skip
    return Attachment(trainer, settings)
