"""Cut the samples of an image folder before they are converted.

What only converts pixels one by one then does so for the window alone.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils.data import Subset

from upsize.loading._folder_batches import POINTWISE, is_folder, is_of, is_patched
from upsize.resize._crop import cut
from upsize.schedule import Size

__all__ = ["window_samples"]

_POINTWISE = POINTWISE | {"PILToTensor", "ToTensor"}


def window_samples(
    dataset: Any, indices: list[Any], corner: tuple[int, int], size: Size, full: Size
) -> tuple[list[Any], bool] | None:
    """Return the samples of a batch, with a window of each image.

    Args:
        dataset: A ``DatasetFolder`` or ``ImageFolder`` of torchvision, a subclass that
            makes its samples in the same way, or a ``Subset`` of it.
        indices: The indices of the batch.
        corner: The (top, left) pixel of the window.
        size: The size of the window.
        full: The size that images must have when they are cut.

    Returns:
        The samples, with the random numbers that they always draw, and whether they are
        cut: not if the first image has another size. ``None``: another dataset.
    """
    while type(dataset) is Subset:
        indices = [dataset.indices[index] for index in indices]
        dataset = dataset.dataset
    if not is_folder(dataset):
        return None
    before, after = _steps(dataset.transform)
    samples = []
    cuts = None
    for index in indices:
        path, target = dataset.samples[index]
        image = dataset.loader(path)
        for each in before:
            image = each(image)
        if cuts is None:
            cuts = _size_of(image) == full
        if cuts and _size_of(image) == full:  # of others torch says what is wrong
            image = _window(image, corner, size)
        for each in after:
            image = each(image)
        if dataset.target_transform is not None:
            target = dataset.target_transform(target)
        samples.append((image, target))
    return samples, bool(cuts)


def _steps(transform: Any) -> tuple[list[Any], list[Any]]:
    """Return what comes before and after the window, as late as it changes nothing."""
    if transform is None:
        return [], []
    if not is_of(transform, frozenset({"Compose"})) or is_patched(transform):
        return [transform], []
    steps = list(transform.transforms)
    last = len(steps)
    while (
        last and is_of(steps[last - 1], _POINTWISE) and not is_patched(steps[last - 1])
    ):
        last -= 1
    return steps[:last], steps[last:]


def _size_of(image: Any) -> tuple[int, ...]:
    """Return the (height, width) of an image of Pillow or a tensor, else nothing."""
    if isinstance(image, Tensor):
        return tuple(image.shape[-2:])
    size = getattr(image, "size", None)
    return size[::-1] if isinstance(size, tuple) else ()


def _window(image: Any, corner: tuple[int, int], size: Size) -> Any:
    if isinstance(image, Tensor):
        return cut(image, corner, size, "an image")
    top, left = corner
    return image.crop((left, top, left + size.width, top + size.height))
