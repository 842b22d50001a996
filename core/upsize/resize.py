"""Resize images: one tensor with :func:`resize`, a whole batch with :class:`Resizer`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from upsize._extras import missing_extra

try:
    import torch
    from torch import Tensor
except ModuleNotFoundError as error:
    raise missing_extra("torch", "PyTorch tensors") from error

from upsize._containers import Path, find, replace, spell
from upsize._interpolate import Mode, check_mode, interpolate
from upsize._policies import INPUT, Request, apply
from upsize._roles import Role, assign, first_image, image_paths, target_policies
from upsize.schedule import Size
from upsize.schedule._size import as_size

__all__ = ["Resizer", "resize"]

Batch = TypeVar("Batch")
_PLAIN_IMAGES = (torch.float32, torch.float16, torch.bfloat16, torch.uint8)
Selector: TypeAlias = Hashable | list[Any]


def resize(
    images: Tensor,
    size: int | tuple[int, int],
    *,
    mode: Mode = "bilinear",
    antialias: bool = True,
) -> Tensor:
    """Resize images to a height and width in pixels, always the last two dims.

    Keeps the dtype, device, memory format and tensor subclass, and is differentiable.

    Args:
        images: Shape (..., height, width), any rank from 2: (channels, height, width),
            (batch, channels, height, width), volumes (batch, channels, depth, height,
            width), video (batch, time, channels, height, width). Never changed.
        size: Pixels: (height, width), or one side of a square. No scale factors: they
            lose a pixel at some sizes.
        mode: "bilinear", "bicubic" and "area" blend pixels, of floating or uint8
            images; uint8 is rounded and cut off, by bicubic on a CPU between its two
            passes already, as Pillow does. "nearest" and "nearest-exact" pick them, of any dtype but complex:
            pixel floor((i + 0.5) * height / new_height) for "nearest-exact", without
            the 0.5 for "nearest", computed exactly, so a mask comes out the same in
            every dtype.
        antialias: Whether "bilinear" and "bicubic" smooth as they shrink, so that fine
            patterns fade instead of turning into coarse ones. Nothing in other modes.

    Returns:
        Shape (..., new_height, new_width); ``images`` itself when it has that size.

    Raises:
        TypeError: For a dtype that ``mode`` cannot resize: labels are never blended.
        ValueError: For a bad size, an unknown mode, or a rank below 2.

    Example:
        >>> import torch
        >>> resize(torch.rand(8, 3, 224, 224), 124).shape
        torch.Size([8, 3, 124, 124])
        >>> stripes = torch.tensor([0.0, 1.0]).repeat(1, 1, 4, 8)  # 16 columns
        >>> resize(stripes, (4, 4))[0, 0, 0]
        tensor([0.4643, 0.5000, 0.5000, 0.5357])
        >>> resize(stripes, (4, 4), mode="nearest-exact")[0, 0, 0]
        tensor([0., 0., 0., 0.])
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a tensor, not a {type(images).__name__}")
    check_mode(mode)
    return interpolate(images, as_size(size), mode, antialias)


@dataclass(frozen=True)
class Resizer:
    """Resize the images in a batch, and the targets that must follow them.

    The batch may be a tensor or any nesting of tuples, lists, mappings, named tuples,
    dataclasses and TensorDicts. It is rebuilt, never changed. What is neither an image
    nor a named target is left alone.

    Args:
        mode: How images are resized, see :func:`resize`.
        antialias: Whether they are smoothed as they shrink, see :func:`resize`.
        images: Which leaves are images: a key or index, a tuple of them as a path
            ("inputs", 0), or a list of such. A path to a container means every tensor
            in it. None (default) means torchvision's ``Image`` and ``Video``, and every
            floating or uint8 tensor of 4 or more dims whose last two are the full
            size; one of 3 dims only if it is the first tensor in the batch.
        targets: What happens to other leaves, {path: policy}; more than the automatic
            rule, it has the last word. "mask": nearest-exact, in its own dtype.
            "image": blended like an image, for heatmaps. Both must have the full size
            of the images as their last two dims. "keep": left alone. torchvision's
            ``Mask`` is a mask unless it is named; its boxes and keypoints are refused.

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

    mode: Mode = "bilinear"
    antialias: bool = True
    images: Selector | None = None
    targets: Mapping[Any, str] | None = None
    _named: dict[Path, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_mode(self.mode)
        if not isinstance(self.antialias, bool):
            raise TypeError(f"antialias must be True or False, not {self.antialias!r}")
        images = dict.fromkeys(image_paths(self.images), INPUT)
        targets = target_policies(self.targets)
        if both := [spell(path) for path in images if path in targets]:
            raise ValueError(
                f"images and targets both name {', '.join(both)}: name it in one"
            )
        object.__setattr__(self, "_named", images | targets)

    def __call__(
        self,
        batch: Batch,
        size: int | tuple[int, int],
        *,
        full: int | tuple[int, int] | None = None,
    ) -> Batch:
        """Return the batch with its images and named targets at ``size``.

        Args:
            batch: A tensor, or a container of tensors and anything else.
            size: Pixels: (height, width), or one side of a square.
            full: The size of the images as they come, which tells them from other
                tensors; default: that of the first image found. Images and targets
                that have ``size`` already pass untouched.

        Returns:
            The same containers with new tensors. A container in which nothing changed,
            or the whole batch, is the same object.

        Raises:
            LookupError: When ``images`` or ``targets`` names what is not there.
            TypeError: For a leaf that cannot be resized, naming its path.
            ValueError: When there is no image, or a target has not the full size.

        Example:
            >>> import torch
            >>> images, labels = torch.rand(8, 3, 224, 224), torch.zeros(8)
            >>> small, same = Resizer()((images, labels), (112, 160))
            >>> small.shape, same is labels
            (torch.Size([8, 3, 112, 160]), True)
        """
        size = as_size(size)
        roles = self._assign(batch)
        sizes = None if full is None else (as_size(full), size)
        first = first_image(roles, sizes)
        whole = sizes[0] if sizes else Size(*first.shape[-2:])
        request = Request(size, whole, self.mode, self.antialias)
        changed = {
            path: new
            for path, leaf, role in roles
            if role and (new := apply(role, leaf, path, request)) is not leaf
        }
        return replace(batch, changed) if changed else batch

    def first_image(self, batch: Any) -> Tensor:
        """Return the first image in the batch, as it is.

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
        if self.images is None and not self._named:
            # What nearly every batch is, at a fraction of the walk's time.
            parts = batch if type(batch) in (tuple, list) and batch else (batch,)
            if all(type(part) is Tensor for part in parts):
                image: Tensor = parts[0]
                if image.ndim >= 4 and image.dtype in _PLAIN_IMAGES:
                    return image
        return first_image(self._assign(batch))

    def image_size(self, batch: Any) -> Size:
        """Return the size in pixels of the first image in the batch.

        Args:
            batch: A tensor, or a container of tensors and anything else.

        Raises:
            LookupError, ValueError: As :meth:`first_image`.

        Example:
            >>> import torch
            >>> Resizer().image_size((torch.rand(8, 3, 112, 160), torch.zeros(8)))
            Size(height=112, width=160)
        """
        return Size(*self.first_image(batch).shape[-2:])

    def _assign(self, batch: Any) -> list[Role]:
        named = {
            find(batch, path, "images" if role == INPUT else "targets"): role
            for path, role in self._named.items()
        }
        return assign(batch, named, automatic=self.images is None)
