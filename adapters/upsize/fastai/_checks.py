"""What a sized loader needs of its transforms, and of the callback."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader

from upsize.fastai._batch_tfms import pipeline_of, told_size
from upsize.fastai._item_tfms import ItemTransforms
from upsize.fastai._settings import Settings
from upsize.loading._transforms import check_transforms
from upsize.schedule import Size

__all__ = ["check_item_tfms", "check_sized"]


def check_item_tfms(loader: Any, final: Size | None) -> None:
    """Refuse a loader of fastai whose item transforms cannot make other sizes.

    Args:
        loader: The loader.
        final: The full size; ``None``: not known yet.

    Raises:
        ValueError: As :func:`~upsize.loading._transforms.check_transforms`.
    """
    # Where batch transforms make the full size, the items may have any.
    behind = final is None or told_size(pipeline_of(loader)[1]) == final
    name = "the training loader"
    check_transforms(ItemTransforms(loader), None if behind else final, name=name)


def check_sized(learner: Any, settings: Settings, final: Size | None) -> None:
    """Refuse what cannot train from a sized loader.

    Raises:
        ValueError: Saying why and what to do instead.
    """
    loader, pipeline = pipeline_of(learner.dls.loaders[0])
    if final is None:
        raise ValueError(
            "the full size is not known, and items of a sized loader can only be made "
            "smaller than that: give ProgressiveResize final_size=, or its schedule"
        )
    if settings.add_resize and told_size(pipeline) is not None:
        raise ValueError(
            "add_resize=True behind batch transforms with a size of their own, which "
            "would enlarge what the workers have made small: leave add_resize out, and "
            "the batch transforms get the size of the step"
        )
    if settings.resize_targ:
        raise ValueError(
            "resize_targ=True resizes targets together with images, and those of a "
            "sized loader have their size already: leave it out, and let the item "
            "transforms resize the targets, as they do with masks (PILMask)"
        )
    if isinstance(loader, DataLoader):
        if hasattr(learner, "distributed_trainer"):
            raise ValueError(
                "DistributedTrainer makes a new loader of PyTorch's, which is not "
                "sized: make it a loader of fastai, TfmdDL(dataset, bs=...), and size "
                "that"
            )
        data: Any = loader.dataset
        if data.set_size is None:
            check_transforms(data.dataset, final)
    elif vars(loader)["create_batches"].__self__.set_size is None:
        check_item_tfms(loader, final)
