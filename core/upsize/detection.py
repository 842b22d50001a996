"""Detectors of torchvision, which resize by themselves: let that follow the plan."""

from __future__ import annotations

import copy
from typing import Any, Protocol, Self

from upsize._extras import require

require("torch", "torch", "Detectors")

from torch import nn

from upsize.run._restoring import Restoring
from upsize.schedule import Plan, Size
from upsize.schedule._ratio import in_ratio
from upsize.schedule._size import as_size

__all__ = ["FollowDetector", "follow_detector", "sync_detector"]

_SIDES = ("min_size", "max_size", "fixed_size")


class _Sized(Protocol):
    """What knows the plan and the size: a ProgressiveResize of any kind."""

    @property
    def plan(self) -> Plan | None: ...
    @property
    def size(self) -> Size | None: ...


def sync_detector(
    model: nn.Module, size: int | tuple[int, int], full: int | tuple[int, int]
) -> dict[str, Any]:
    """Set the sizes to which a detector resizes to their share size / full.

    The detectors of ``torchvision.models.detection`` resize every image to a range of
    their own (``model.transform``: 800 to 1333 pixels for Faster R-CNN, 320 for
    SSDlite), whatever size it comes in. Each of these sizes becomes its share, to the
    nearest pixel, so that an image resized in the same ratio meets the same scale.

    Args:
        model: The detector, with its sizes for full-size images.
        size: (height, width) of the step, or one side of a square.
        full: (height, width) of the plan's full size, or one side of a square.

    Returns:
        The sizes that were there, by attribute of ``model.transform``.

    Raises:
        TypeError: When the model has no such transform.

    Example:
        >>> from torchvision.models.detection import ssdlite320_mobilenet_v3_large
        >>> model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
        >>> sync_detector(model, size=192, full=320)["fixed_size"]
        (320, 320)
        >>> model.transform.fixed_size
        (192, 192)
    """
    return _sync(_transform_of(model), as_size(size), as_size(full))


def _sync(transform: Any, size: Size, full: Size) -> dict[str, Any]:
    """Scale the sizes of a transform, and return those before."""
    before = {name: getattr(transform, name) for name in _SIDES}
    # A plan's sizes grow on their longer side: the other is rounded more.
    longer, whole = max(size), max(full)

    def share(side: int) -> int:
        return in_ratio((side, side), (longer, longer), of=(whole, whole)).height

    transform.min_size = tuple(map(share, before["min_size"]))
    transform.max_size = share(before["max_size"])
    if before["fixed_size"] is not None:
        width, height = before["fixed_size"]
        fixed = in_ratio((height, width), size, of=full)
        transform.fixed_size = (fixed.width, fixed.height)
    return before


class FollowDetector:
    """Lets a detector follow; made by :func:`follow_detector`, and a context manager."""

    def __init__(self, model: nn.Module, resize: _Sized) -> None:
        transform = _transform_of(model)
        self._resize = resize
        self._changes = Restoring()
        self._handles = [
            transform.register_forward_pre_hook(self._sync),
            # After an exception as well.
            transform.register_forward_hook(self._restore, always_call=True),
        ]

    def remove(self) -> None:
        """Leave the detector to its own sizes again."""
        for handle in self._handles:
            handle.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __deepcopy__(self, memo: Any) -> FollowDetector:
        # With a copy of the model, as for a moving average, but never of the run.
        return copy.copy(self)

    def _sync(self, transform: nn.Module, args: Any) -> None:  # noqa: ARG002
        size, plan = self._resize.size, self._resize.plan
        if transform.training and size is not None and plan is not None:
            self._changes = Restoring()
            for name in _SIDES:
                self._changes.save(transform, name)
            _sync(transform, size, plan.final_size)

    def _restore(self, *_: object) -> None:
        self._changes.close()


def follow_detector(model: nn.Module, resize: _Sized) -> FollowDetector:
    """Let a detector of torchvision resize to the sizes of the plan as it trains.

    While it trains, each call of the model finds its own sizes in the ratio of the
    step's size to the full one, as :func:`sync_detector` sets them, and restores them
    after the call. In evaluation it keeps its own. Anchors in pixels, such as those of
    Faster R-CNN, do not change: objects are smaller at a smaller size.

    Args:
        model: The detector, before it is wrapped or compiled.
        resize: The ProgressiveResize of the loop or of an adapter, which knows the size
            of the step. Call the loop's ``preallocate`` before: it has its size only
            in the loop.

    Returns:
        What undoes it: by ``remove()``, or as a context manager.

    Raises:
        TypeError: When the model has no ``transform`` that resizes.

    Example:
        >>> import torch
        >>> from torchvision.models.detection import ssdlite320_mobilenet_v3_large
        >>> from upsize.loop import ProgressiveResize
        >>> from upsize.schedule import Ramp
        >>> model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
        >>> seen = []
        >>> handle = model.backbone.register_forward_pre_hook(
        ...     lambda module, args: seen.append(tuple(args[0].shape[-2:]))
        ... )
        >>> resize = ProgressiveResize(
        ...     Ramp(final_size=96, increase_by=48), total_steps=2
        ... )
        >>> target = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
        >>> loader = [([torch.rand(3, 60, 96)] * 2, [target] * 2)] * 2
        >>> with follow_detector(model, resize):
        ...     for images, targets in resize.batches(loader):
        ...         losses = model(images, targets)
        >>> seen
        [(160, 160), (320, 320)]
    """
    return FollowDetector(model, resize)


def _transform_of(model: nn.Module) -> Any:
    """Return the part of a detector that resizes, or refuse the model."""
    transform = getattr(model, "transform", None)
    if not isinstance(transform, nn.Module) or not all(
        hasattr(transform, name) for name in _SIDES
    ):
        raise TypeError(
            f"{type(model).__name__} has no transform with {', '.join(_SIDES)}: it must "
            "be a detector of torchvision.models.detection, not wrapped; other models "
            "take the images at the size they get"
        )
    return transform
