"""Resize a whole batch."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from torch import Tensor

from upsize.resize._asked import Rules
from upsize.resize._coordinates import BOXES, box_format
from upsize.resize._geometry import too_thin
from upsize.resize._interpolate import MODES, Mode
from upsize.resize._parsed_batch import ParsedBatch, parse_batch, roles_in
from upsize.resize._policies import INPUT
from upsize.resize._roles import image_paths, target_policies
from upsize.resize._shown import label, spell
from upsize.schedule import Size
from upsize.schedule._random_size import check_seed
from upsize.schedule._shown import shown
from upsize.schedule._size import as_size

__all__ = ["BatchMode", "Resizer"]

Batch = TypeVar("Batch")
Selector: TypeAlias = Hashable | list[Any]
BatchMode: TypeAlias = Mode | Literal["crop"]
_MODES = (*MODES, "crop")


@dataclass(frozen=True)
class Resizer:
    """Resize the images in a batch, and their masks, boxes and other targets.

    The batch may be a tensor or any nesting of tuples, lists, mappings, named tuples,
    dataclasses, attrs classes, namespaces and TensorDicts. It is rebuilt, never changed.
    Images and targets are found by type or name, and everything else is left alone. A
    tensor that has a value for each pixel of the images must have a type or a name.

    If images have several sizes, such as global and local crops, all are scaled by
    size / full, rounded to a pixel. The full size is that of the largest, or given.

    Images may come in a list or tuple inside the batch, one by one as (channels,
    height, width) with different sizes, as torchvision's detectors take them. They are
    scaled in the same way, and keep their aspect ratios; the targets in item i of a
    list of equal length belong to image i.

    Args:
        mode: How images are resized, see :func:`resize`; or "crop", which cuts a window
            of the size out of them. Images in one tensor and their targets have the
            same window; each image of a list has its own.
        antialias: Whether to smooth images when they shrink, see :func:`resize`.
        images: Which leaves are images: a key or index, a tuple of them as a path
            ("inputs", 0), or a list of such. A path to a container means every tensor
            in it, and ``...`` in a path every item. None (default) means torchvision's
            ``Image`` and ``Video``. Without them it means, of the floating and uint8
            tensors of 4 or more dims, the one whose key says so ("image",
            "pixel_values"), else one of 1, 3 or 4 channels, else the largest; and what
            is like it: as many channels, or colours, and its size. Colour images of
            another size are images in a list of nothing else, or by their key. A tensor
            of 3 dims only if it is the first in the batch, is in a list of images, or
            has such a key.
        targets: How to treat other tensors, as {path: policy}. Overrides what their
            types say.

            * "mask": nearest-exact, in its own dtype, so that no label is blended:
              label maps, instance masks (instances, height, width), one-hot masks.
            * "image": blended like an image, for heatmaps and soft masks.
            * "flow": optical flow (..., 2, height, width), blended, and its values
              scaled: x by the ratio of the widths, y by that of the heights.
            * "disparity": pixels between stereo images, floating, nearest-exact, and
              its values scaled by the ratio of the widths.
            * "boxes": (..., 4), corners (x1, y1, x2, y2) in pixels of the image.
              Floating ones may also be a corner or centre with a width and a height.
            * "keypoints": (..., 2), x and y in pixels of the image, or (..., 3), whose
              last number, the visibility, is kept.
            * "keep": left alone, for labels and normalised coordinates.

            "mask", "image", "flow" and "disparity" may have a scale: "mask/4" has a
            quarter of the height and of the width of the image, "image*2" twice as
            much. Every size must then be divisible: use ``multiple_of`` of the schedule.
            Without a scale they must have the size of the images as their last two dims.

            torchvision's ``Mask``, ``BoundingBoxes`` of any format and ``KeyPoints``
            need no policy, and get a new ``canvas_size``; nor do fastai's
            ``TensorMask`` and its normalised points and boxes.

            With ``mode="crop"`` boxes and keypoints move with the window. None is
            clipped or dropped, so they may lie outside of the window.
        seed: Seed of the windows of ``mode="crop"``, from 0 to 2**64 - 1. They depend
            only on seed and step, so all processes and a resumed run cut the same ones.

    Raises:
        TypeError, ValueError: For a bad field, when the resizer is made.

    Example:
        >>> import torch
        >>> resizer = Resizer(targets={"mask": "mask"})
        >>> mask = torch.zeros(8, 224, 224, dtype=torch.int64)
        >>> batch = {"image": torch.rand(8, 3, 224, 224), "mask": mask, "id": "a"}
        >>> small = resizer(batch, 112)
        >>> small["image"].shape, small["mask"].shape, small["id"]
        (torch.Size([8, 3, 112, 112]), torch.Size([8, 112, 112]), 'a')
        >>> resizer(batch, 224) is batch
        True
    """

    mode: BatchMode = "bilinear"
    antialias: bool = True
    images: Selector | None = None
    targets: Mapping[Any, str] | None = None
    seed: int = 0
    _rules: Rules = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise ValueError(
                f"mode must be one of {', '.join(_MODES)}, not {shown(self.mode)}"
            )
        try:
            seed = check_seed(self.seed)
        except ValueError as error:
            raise ValueError(f"seed {error}") from None
        if not isinstance(self.antialias, bool):
            raise TypeError(
                f"antialias must be True or False, not {shown(self.antialias)}"
            )
        images = dict.fromkeys(image_paths(self.images), INPUT)
        targets = target_policies(self.targets)
        if both := [spell(path) for path in images if path in targets]:
            raise ValueError(
                f"images and targets both name {', '.join(both)}: name it in one"
            )
        named, automatic = images | targets, self.images is None
        if self.mode == "crop":
            rules = Rules("bilinear", self.antialias, named, automatic, seed)
        else:
            rules = Rules(self.mode, self.antialias, named, automatic)
        object.__setattr__(self, "_rules", rules)

    def __call__(
        self,
        batch: Batch,
        size: int | tuple[int, int],
        *,
        full: int | tuple[int, int] | None = None,
        step: int = 0,
    ) -> Batch:
        """Return the batch with its images and named targets at ``size``.

        Args:
            batch: A tensor, or a container of tensors and anything else.
            size: Pixels: (height, width), or one side of a square.
            full: The size that the images have now, which tells them from other
                tensors; default: that of the largest image. What looks like an image,
                and any target, passes unchanged if it has ``size`` already. For listed
                images the size that ``size`` is a share of; default: theirs, if all
                have one.
            step: With ``mode="crop"``, the step whose window is cut out.

        Returns:
            The same containers with new tensors. A container in which nothing changed,
            or the whole batch, is the same object.

        Raises:
            LookupError: When ``images`` or ``targets`` names what is not there.
            TypeError: For a leaf that cannot be resized, naming its path.
            ValueError: When there is no image, its channels come last, a target has not
                the size of its image, an unnamed tensor has, boxes cannot be in its
                pixels, or a list of images of several sizes comes without ``full``;
                names the path and the shapes.

        Example:
            >>> import torch
            >>> images, labels = torch.rand(8, 3, 224, 224), torch.zeros(8)
            >>> small, same = Resizer()((images, labels), (112, 160))
            >>> small.shape, same is labels
            (torch.Size([8, 3, 112, 160]), True)
            >>> window = Resizer(mode="crop")(images, 160, step=7)
            >>> torch.equal(window, images[..., 46:206, 33:193])
            True
        """
        return self.read(batch).at(size, full=full, step=step)

    def read(
        self, batch: Batch, *, full: int | tuple[int, int] | None = None
    ) -> ParsedBatch[Batch]:
        """Find the images and targets in the batch, once for several questions.

        Args:
            batch: A tensor, or a container of tensors and anything else. What it holds
                now is what counts: read it again after you change it.
            full: The size that stands for a list of images, each of which has its own
                at full size. Default: the one that all images of the list have. Of
                images of several sizes, those that have it are at full size, or else
                the largest.

        Returns:
            The batch as it was read. ``size`` is that of its largest image, or ``full``
            where images are listed; ``first`` is the first image, unchanged; ``at(size)``
            is the batch at another size, or the same object when nothing changes;
            ``description`` says what is resized and what is left alone.

        Raises:
            LookupError: When ``images`` or ``targets`` names what is not there.
            ValueError: When there is no image, with what there is instead. From ``size``
                and ``at``: when listed images differ and ``full`` is not given.

        Example:
            >>> import torch
            >>> found = Resizer().read({"id": "a", "image": torch.rand(8, 3, 224, 224)})
            >>> found.size, found.first.shape
            (Size(height=224, width=224), torch.Size([8, 3, 224, 224]))
            >>> found.at(112)["image"].shape
            torch.Size([8, 3, 112, 112])
            >>> found.description
            'resizing batch["image"] 3x224x224; leaving "id"'
        """
        if full is not None and type(full) is not Size:
            full = as_size(full)
        return parse_batch(batch, self._rules, full)

    def tiny_boxes(self, batch: Any) -> int:
        """Count the boxes in the batch that are less than a pixel wide or high.

        Nothing is dropped on the way to a small size: this says how many have become
        too small to see. Boxes count by their type or policy; it waits for the device.

        Args:
            batch: A batch, as it came or resized.

        Raises:
            LookupError, ValueError: As :meth:`read`.

        Example:
            >>> import torch
            >>> boxes = torch.tensor([[4.0, 4.0, 60.0, 60.0], [8.0, 8.0, 9.5, 30.0]])
            >>> batch = {"image": torch.rand(1, 3, 64, 64), "boxes": boxes}
            >>> resizer = Resizer(targets={"boxes": "boxes"})
            >>> resizer.tiny_boxes(batch), resizer.tiny_boxes(resizer(batch, 32))
            (0, 1)
        """
        thin = [
            too_thin(boxes.as_subclass(Tensor), box_format(boxes, label(path)))
            for path, boxes, role in roles_in(batch, self._rules)
            if role == BOXES and isinstance(boxes, Tensor)
        ]
        return sum(int(each.sum()) for each in thin)
