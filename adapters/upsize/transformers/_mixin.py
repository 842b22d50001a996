"""The mixin for a Trainer class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsize.loading._dataset import SetSize
from upsize.resize import Resizer
from upsize.run import Options
from upsize.run._merge_rule import Merge
from upsize.run._options import RAMP, RESIZER, SizeFollower
from upsize.schedule import Grow, Plan, Schedule, Size
from upsize.transformers._session import Session

if TYPE_CHECKING:
    from transformers import Trainer as _Base
else:
    _Base = object  # any Trainer class, the user's or a library's

__all__ = ["ProgressiveResize"]


class ProgressiveResize(_Base):
    """Train on small images first, with a mixin before the Trainer.

    The batches of each optimizer step are resized on their device, when the Trainer
    draws them, to the size that the plan has for ``state.global_step``. During
    training, evaluation and prediction the model is adapted to other sizes than its
    own, see :func:`upsize.models.adapt`. ``log_history`` and its reports hold the size,
    and the checkpoints' ``trainer_state.json`` the plan. Evaluation and prediction use
    the images unchanged.

    Args:
        schedule: How the image size grows.
        final_size: Full size in pixels, one side or (height, width), where the
            schedule does not name it. ``None``: the size of the first batch's images.
        resizer: How to find and resize the images of a batch, and targets that must
            follow them, such as the masks of ``Resizer(targets={"labels": "mask"})``.
        resize_valid: Whether evaluation during training uses the size trained on last,
            instead of the unchanged images. Smaller images keep their own size.
        preallocate: Whether to compute the loss of the first batch at full size, with
            its gradients, before training: it proves that this fits into memory, and
            leaves no trace.
        empty_cache: Whether to empty CUDA's cache on every change of size.
        log: Name under which the longer side in pixels is logged with every loss;
            ``None``: not at all. A loss is also logged after the first step of each
            size, unless ``logging_strategy`` is "no".
        verbose: Whether the first process prints the plan's summary, and what of the
            first batch is resized.
        follow: Regularization that follows the size; restored with the rest.
        sized: Whether the workers of the training loader make each image at the size
            of its step, see :func:`upsize.loading.sized`. Needs a final size.
        set_size: For datasets whose transforms are not found, see
            :func:`upsize.loading.sized`.
        merge: Whether the batches of an accumulation window are merged while images
            are small, see :class:`upsize.loop.ProgressiveResize`. The loss must be a
            mean over images, or a sum divided by ``num_items_in_batch``.
        batch_size: A :class:`~upsize.schedule.Grow` for larger batches while images are
            small, which the sized loader draws; its plain batch, and the samples of an
            epoch, are those of the training loader. Needs ``sized=True`` and
            ``num_train_epochs``. ``None``: the loader's own.
        args, kwargs: The arguments of the Trainer.

    Raises:
        TypeError: When ``schedule`` is not a schedule, or the mixin comes after the
            Trainer.
        ValueError: When sizes contradict each other, or ``sized`` lacks a final size.
            At the start of training: for a batch without images, images smaller than
            the full size, sizes that the model does not take, a checkpoint of another
            schedule, a dataset that cannot be sized, or ``merge`` where nothing is
            accumulated, or the loss or ``training_step`` cannot be weighed.

    Warns:
        UserWarning: When the images are larger than the full size, training ends before
            full size, a resumed run has another length, the sized loader made images
            at wrong sizes, a compiled model meets more sizes than its recompile limit,
            or the patches of the model leave out a part of the images.

    Example:
        >>> import torch
        >>> from transformers import Trainer, TrainingArguments
        >>> from upsize.schedule import Ramp
        >>> class Net(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.head = torch.nn.Linear(3, 2)
        ...     def forward(self, pixel_values, labels):
        ...         scores = self.head(pixel_values.mean((2, 3)))
        ...         return {"loss": torch.nn.functional.cross_entropy(scores, labels)}
        >>> class MyTrainer(ProgressiveResize, Trainer):
        ...     pass
        >>> data = [{"pixel_values": torch.rand(3, 64, 64), "labels": 0}] * 20
        >>> args = TrainingArguments(
        ...     num_train_epochs=4, per_device_train_batch_size=4, use_cpu=True,
        ...     report_to="none", save_strategy="no", disable_tqdm=True,
        ... )
        >>> trainer = MyTrainer(
        ...     Net(), args, train_dataset=data, schedule=Ramp(increase_by=16),
        ...     verbose=False,
        ... )
        >>> trainer.remove_callback(trainer.callback_handler.callbacks[-1])  # prints
        >>> _ = trainer.train()
        >>> for row in trainer.state.log_history[:-1]:
        ...     print(row["step"], row["image_size"])
        1 32
        11 48
        16 64
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        order = cls.__mro__
        before = [
            base for base in order[: order.index(ProgressiveResize)] if _trains(base)
        ]
        if before:
            raise TypeError(
                f"{cls.__name__} has ProgressiveResize after {before[-1].__name__}, "
                "whose methods it must wrap: write it first, as in class "
                f"{cls.__name__}(ProgressiveResize, {before[-1].__name__})"
            )

    def __init__(
        self,
        *args: Any,
        schedule: Schedule = RAMP,
        final_size: int | tuple[int, int] | None = None,
        resizer: Resizer = RESIZER,
        resize_valid: bool = False,
        preallocate: bool = False,
        empty_cache: bool = False,
        log: str | None = "image_size",
        verbose: bool = True,
        follow: SizeFollower | None = None,
        sized: bool = False,
        set_size: SetSize | None = None,
        merge: Merge = False,
        batch_size: Grow | None = None,
        **kwargs: Any,
    ) -> None:
        options = Options(
            schedule, final_size, resizer, resize_valid, preallocate, empty_cache, log,
            verbose, follow, merge,
        )  # fmt: skip
        if merge:
            _check_order(type(self))
        self._upsize = Session(self, options, sized, set_size, batch_size)
        super().__init__(*args, **kwargs)

    @property
    def plan(self) -> Plan | None:
        """The plan, the size of every step; ``None`` before training has started.

        With ``batch_size``, ``create_scheduler`` can already read it.
        """
        return self._upsize.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on; ``None`` before the first."""
        return self._upsize.size

    @property
    def mismatched(self) -> int:
        """Batches that came from the sized loader at another size than their step's."""
        return self._upsize.mismatched

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's."""
        return self._upsize.train(super().train, *args, **kwargs)

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's, with batches at the size of their step."""
        return self._upsize.get_batch_samples(
            super().get_batch_samples, *args, **kwargs
        )

    def get_train_dataloader(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's; sized with ``sized=True``."""
        inner = super().get_train_dataloader
        return self._upsize.get_train_dataloader(inner, *args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's; its errors name the size."""
        return self._upsize.training_step(super().training_step, *args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's."""
        return self._upsize.evaluate(super().evaluate, *args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's."""
        return self._upsize.predict(super().predict, *args, **kwargs)

    def prediction_step(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's; with ``resize_valid`` at the size trained on last."""
        return self._upsize.prediction_step(super().prediction_step, *args, **kwargs)

    def log(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's; adds the size to logs with a loss."""
        return self._upsize.log(super().log, *args, **kwargs)


def _trains(base: type) -> bool:
    """Whether a class is a transformers Trainer without the mixin."""
    from transformers import Trainer

    return issubclass(base, Trainer) and not issubclass(base, ProgressiveResize)


def _check_order(kind: type) -> None:
    """Refuse a class whose own ``training_step`` gets what stands for merged batches."""
    owner = next(each for each in kind.__mro__ if "training_step" in vars(each))
    if owner is not ProgressiveResize:
        raise ValueError(
            f"{owner.__name__} has a training_step of its own before ProgressiveResize, "
            "and would get the batches that are merged into others, which are empty: "
            "write it in a class after the mixin, as in class "
            f"{kind.__name__}(ProgressiveResize, {owner.__name__}), or leave out merge="
        )
