"""What a fit and a sized loader require of the learner and of the settings."""

from __future__ import annotations

from typing import Any

from fastai.callback.core import (
    CancelBackwardException,
    CancelBatchException,
    CancelEpochException,
    CancelFitException,
    CancelStepException,
    CancelTrainException,
    CancelValidException,
)
from fastai.callback.tracker import TrackerCallback
from torch.cuda import device_count
from torch.utils.data import DataLoader

from upsize.fastai._batch_tfms import explicit_size, pipeline_of
from upsize.fastai._item_tfms import ItemTransforms
from upsize.fastai._settings import Settings
from upsize.loading._sized import check_sizes
from upsize.loading._transforms import check_transforms
from upsize.run._refusals import known_full_size
from upsize.schedule import Size
from upsize.schedule._shown import shown
from upsize.schedule._warn import warn

__all__ = [
    "CANCELS",
    "check_batch_size",
    "check_item_tfms",
    "check_sized",
    "warn_of_settings",
]

#: What fastai raises to skip a part of training.
CANCELS = (
    CancelBackwardException,
    CancelBatchException,
    CancelEpochException,
    CancelFitException,
    CancelStepException,
    CancelTrainException,
    CancelValidException,
)


def warn_of_settings(learner: Any, settings: Settings, *, is_frozen: bool) -> None:
    """Warn about settings that do less than they seem to.

    Args:
        learner: The learner.
        settings: What the user asks for.
        is_frozen: Whether a part of ``fine_tune`` begins that has one size.
    """
    if settings.empty_cache and device_count() > 1:
        warn(
            "empty_cache=True only empties the cache of this process's current "
            f"GPU, and there are {device_count()}"
        )
    trackers = [cb for cb in learner.cbs if isinstance(cb, TrackerCallback)]
    if settings.options.resize_valid and trackers and not is_frozen:
        warn(
            f"{trackers[0]} compares validation losses of different sizes: give "
            "ProgressiveResize resize_valid=False"
        )


def check_batch_size(batch_size: object) -> None:
    """Refuse a batch that grows.

    Raises:
        ValueError: When there is one, with what to do instead.
    """
    if batch_size is not None:
        raise ValueError(
            f"batch_size={shown(batch_size)} does not work with fastai, which trains on "
            "as many batches in each epoch, for pct_train and every schedule of its own: "
            "leave it out; merge=True with GradientAccumulation trains on more small "
            "images at once; or train with upsize.loop, upsize.lightning, "
            "upsize.accelerate or upsize.transformers, whose batches may grow"
        )


def check_item_tfms(loader: Any, final: Size | None) -> None:
    """Refuse a loader of fastai whose item transforms cannot make other sizes.

    Args:
        loader: The loader.
        final: The full size; ``None``: not known yet.

    Raises:
        ValueError: See :func:`~upsize.loading._transforms.check_transforms`.
    """
    # If batch transforms make the full size, the items may have any size.
    behind = final is None or explicit_size(pipeline_of(loader)[1]) == final
    name = "the training loader"
    check_transforms(ItemTransforms(loader), None if behind else final, name=name)


def check_sized(learner: Any, settings: Settings, final: Size | None) -> None:
    """Refuse settings that cannot train from a sized loader.

    Raises:
        ValueError: Says why, and what to do instead.
    """
    loader, pipeline = pipeline_of(learner.dls.loaders[0])
    final = known_full_size(final)
    if settings.add_resize and explicit_size(pipeline) is not None:
        raise ValueError(
            "add_resize=True resizes after the batch transforms, whose own size would "
            "enlarge the small images of the sized loader: leave add_resize out, and "
            "the batch transforms use the size of the step"
        )
    if settings.resize_targ:
        raise ValueError(
            "resize_targ=True resizes targets together with images, but the images of "
            "a sized loader have their size already: leave it out, and let the item "
            "transforms resize the targets, as they do with masks (PILMask)"
        )
    if isinstance(loader, DataLoader):
        if hasattr(learner, "distributed_trainer"):
            raise ValueError(
                "DistributedTrainer replaces a PyTorch loader by a new one, which is "
                "not sized: use a fastai loader, TfmdDL(dataset, bs=...), and size that"
            )
        data: Any = loader.dataset
        if data._upsize_set_size is None:
            check_sizes(loader, final)
    elif vars(loader)["create_batches"].__self__.set_size is None:
        check_item_tfms(loader, final)
