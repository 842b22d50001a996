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
from upsize.resize._shown import label, shown, spell
from upsize.schedule import Size
from upsize.schedule._random_size import check_seed
from upsize.schedule._size import as_size

__all__ = ["BatchMode", "Resizer"]

Batch = TypeVar("Batch")
Selector: TypeAlias = Hashable | list[Any]
BatchMode: TypeAlias = Mode | Literal["crop"]


@dataclass(frozen=True)
class Resizer:
    """Resize the images in a batch, and the targets that must follow them.

    The batch may be a tensor or any nesting of tuples, lists, mappings, named tuples,
    dataclasses, attrs classes, namespaces and TensorDicts. It is rebuilt, never changed.
    What is neither an image nor a target, by its type or its name, is left alone; but a
    tensor that covers the images pixel by pixel must be named before they shrink.

    Images of several sizes each get their share size / full of their own pixels, to the
    nearest one: global and local crops, pairs of a low and a high resolution. The full
    size is that of the largest, or the one that is given.

    Images may come in a list or tuple inside the batch, one by one as (channels,
    height, width) and each of a size of its own, as torchvision's detectors take them.
    Each then gets its share size / full of its own pixels, to the nearest one, and so
    keeps its aspect ratio; the targets in item i of a list of as many follow image i.

    Args:
        mode: How images are resized, see :func:`resize`; or "crop", which cuts a window
            of the size out of them. Images that come in one tensor, all targets of
            their size and those of a fraction of it have the same window; each image of
            a list has its own.
        antialias: Whether they are smoothed as they shrink, see :func:`resize`.
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
        targets: What happens to other leaves, {path: policy}; more than the automatic
            rule, it has the last word.

            * "mask": nearest-exact, in its own dtype, so that no label is blended:
              label maps, instance masks (instances, height, width), one-hot masks.
            * "image": blended like an image, for heatmaps and soft masks.
            * "flow": optical flow (..., 2, height, width), blended, and its values
              scaled: x by the ratio of the widths, y by that of the heights.
            * "boxes": (..., 4), corners (x1, y1, x2, y2) in pixels of the image.
              Floating ones may as well hold a corner or centre, a width and a height.
            * "keypoints": (..., 2), x and y in pixels of the image, or (..., 3), which
              ends in a visibility that is kept.
            * "keep": left alone: labels, and normalised coordinates.

            "mask", "image" and "flow" may have a scale: "mask/4" has a quarter of the
            height and of the width of the image, "image*2" twice as much. Where a size
            is not divisible, the schedule needs ``multiple_of``.

            The first three must have the size of the images as their last two dims.
            torchvision's ``Mask``, ``BoundingBoxes`` of any format and ``KeyPoints``
            follow by their type, with a new ``canvas_size``; fastai's ``TensorMask``
            and its normalised points and boxes do, too.

            Under ``mode="crop"`` boxes and keypoints move with the window. None is
            clipped or dropped: those that lie outside of it have coordinates outside of
            0 to the size.
        seed: Draws the windows of ``mode="crop"`` together with the step: a whole number
            from 0 to 2**64 - 1. Every process cuts the same ones, and so does a resumed
            run.

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
        if self.mode not in (*MODES, "crop"):
            allowed = ", ".join((*MODES, "crop"))
            raise ValueError(f"mode must be one of {allowed}, not {shown(self.mode)}")
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
        named = images | targets
        cuts = self.mode == "crop"
        rules = Rules(
            "bilinear" if self.mode == "crop" else self.mode,
            self.antialias,
            named,
            automatic=self.images is None,
            seed=seed if cuts else None,
        )
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
                and any target, passes untouched if it has ``size`` already. For images in a list the
                full size that ``size`` is a share of; default: theirs, if all have one.
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
            The batch as it was read. ``size`` is the :class:`~upsize.schedule.Size` of
            its largest image, or ``full`` where images are listed; ``first`` is the
            first image, unchanged; ``at(size)`` is the batch with its images and targets
            at another size, or the same object when nothing changes; ``description``
            says in a sentence what is resized and what is left alone.

        Raises:
            LookupError: When ``images`` or ``targets`` names what is not there.
            ValueError: When there is no image, with what there is instead. From
                ``size`` and ``at``: when the images in a list differ in size and
                ``full`` is not given.

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

    def first_image(self, batch: Any) -> Tensor:
        """Return the first image in the batch, unchanged.

        Args:
            batch: A tensor, or a container of tensors and anything else.

        Raises:
            LookupError: When ``images`` or ``targets`` names what is not there.
            ValueError: When there is no image, with what there is instead.

        Example:
            >>> import torch
            >>> images = torch.rand(8, 3, 112, 160)
            >>> Resizer().first_image({"id": "a", "image": images}) is images
            True
        """
        return self.read(batch).first

    def image_size(
        self, batch: Any, *, full: int | tuple[int, int] | None = None
    ) -> Size:
        """Return the size in pixels of the images in the batch.

        Args:
            batch: A tensor, or a container of tensors and anything else.
            full: The size that stands for a list of images, each of which has its own
                at full size. Default: the one that all images of the list have.

        Returns:
            The size of the largest image, or ``full`` where the images are listed.

        Raises:
            LookupError: As :meth:`first_image`.
            ValueError: When there is no image, or those in a list differ and ``full``
                is not given.

        Example:
            >>> import torch
            >>> Resizer().image_size((torch.rand(8, 3, 112, 160), torch.zeros(8)))
            Size(height=112, width=160)
            >>> images = [torch.rand(3, 90, 120), torch.rand(3, 120, 80)]
            >>> Resizer().image_size((images, [{}, {}]), full=128)
            Size(height=128, width=128)
        """
        return self.read(batch, full=full).size

    def tiny_boxes(self, batch: Any) -> int:
        """Count the boxes in the batch that are less than a pixel wide or high.

        Nothing is dropped on the way to a small size, so this is how much of the
        targets has become too small to see there. Only what is a box by its type or its
        policy is counted; reading the count waits for the device.

        Args:
            batch: A batch, as it came or resized.

        Raises:
            LookupError, ValueError: As :meth:`first_image`.

        Example:
            >>> import torch
            >>> boxes = torch.tensor([[4.0, 4.0, 60.0, 60.0], [8.0, 8.0, 9.5, 30.0]])
            >>> batch = {"image": torch.rand(1, 3, 64, 64), "boxes": boxes}
            >>> resizer = Resizer(targets={"boxes": "boxes"})
            >>> resizer.tiny_boxes(batch), resizer.tiny_boxes(resizer(batch, 32))
            (0, 1)
        """
        return sum(
            int(
                too_thin(
                    boxes.as_subclass(Tensor), box_format(boxes, label(path))
                ).sum()
            )
            for path, boxes, role in roles_in(batch, self._rules)
            if role == BOXES and isinstance(boxes, Tensor)
        )
