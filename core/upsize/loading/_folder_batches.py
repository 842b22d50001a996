"""Make the batches of an image folder as a whole, where its transforms allow it.

The samples are those that the folder makes one by one, with the same random numbers in
the same order. What is saved is the time between them: a conversion is applied to many
images at once, and an image is resampled into its place in the batch.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import Subset

from upsize.loading._context import SampleSize
from upsize.loading._images._numbers import Numbers, numbers_ahead
from upsize.loading._images._resample import flip
from upsize.loading._later import Later
from upsize.loading._made_batch import MadeBatch, empty_batch
from upsize.loading._transforms._watch import Watch
from upsize.schedule import Size

if TYPE_CHECKING:  # it needs the extra of image files
    from upsize.loading._load import Load

__all__ = ["POINTWISE", "FolderBatches", "is_folder", "is_of", "is_patched"]

_LOADERS = frozenset({"RandomResizedCropDecode", "ResizeDecode"})
_COMPOSITIONS = frozenset({"Compose"})
_FLIPS = frozenset({"RandomHorizontalFlip"})
#: Each pixel of the result depends on one pixel, so that a batch may be given; and none
#: draws random numbers.
POINTWISE = frozenset(
    {
        "ConvertImageDtype",
        "Grayscale",
        "Normalize",
        "ToDtype",
        "ToImage",
        "ToPureTensor",
    }
)
# Those of them that change no number.
_TYPES = frozenset({"ToImage", "ToPureTensor", "PILToTensor"})
# Version 2 passes a tensor through; version 1 refuses it.
_POINTWISE_V2 = POINTWISE | {"PILToTensor"}
_V2 = "torchvision.transforms.v2."
# What a folder makes its samples of.
_ATTRIBUTES = ("samples", "loader", "transform", "target_transform", "__getitems__")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
# Bytes of converted images at a time: about what the cache of a core holds.
_CHUNK = 5 << 19


class _Recipe(NamedTuple):
    """How the samples of a dataset are made.

    Attributes:
        subsets: Those around the folder, the outermost first.
        folder: The folder.
        flips: Transforms that draw whether an image is flipped.
        later: The other ones, in their order.
    """

    subsets: list[Subset[Any]]
    folder: Any
    flips: list[Any]
    later: list[Any]


class FolderBatches:
    """Makes batches of a dataset as a whole, if it is such a folder.

    That is a ``DatasetFolder`` or ``ImageFolder`` of torchvision, or a subclass that
    makes its samples in the same way, whose images a loader of upsize decodes to
    tensors, and whose other transforms are torchvision's flips, conversions and
    normalisations; or a ``Subset`` of it. It is looked at once, and again when
    something in it is replaced.

    Args:
        dataset: Any dataset.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._watch: Watch | None = None
        self._recipe: _Recipe | None = None

    def make(self, indices: list[Any], size: Size, full: Size) -> MadeBatch | None:
        """Return the samples of a batch; ``None``: they must be made one by one.

        Raises:
            Exception: Whatever the dataset raises for a sample.
        """
        if self._watch is None or not self._watch.unchanged:
            self._watch = Watch()
            self._recipe = _recipe(self._dataset, self._watch)
        if self._recipe is None or not indices:
            return None
        return _made(self._recipe, indices, size, full)


def _recipe(dataset: Any, watch: Watch) -> _Recipe | None:
    subsets = []
    while type(dataset) is Subset:
        watch.attributes(dataset)
        subsets.append(dataset)
        dataset = dataset.dataset
    if not is_folder(dataset):
        return None
    watch.attributes(dataset)
    if dataset.target_transform is not None:
        return None
    loader = dataset.loader
    if not _is_upsize_s(loader) or loader.output != "tensor":
        return None
    parts = _parts(dataset.transform, watch)
    if parts is None:
        return None
    flips = [each for each in parts if is_of(each, _FLIPS)]
    later = [each for each in parts if not is_of(each, _FLIPS)]
    known = all(is_of(each, POINTWISE, _POINTWISE_V2) for each in later)
    return _Recipe(subsets, dataset, flips, later) if known else None


def is_folder(dataset: Any) -> bool:
    """Return whether a dataset makes its samples as torchvision's ``DatasetFolder``."""
    # Whoever holds a dataset of torchvision has imported its module: we need not.
    folder: Any = sys.modules.get("torchvision.datasets.folder")
    if folder is None or not isinstance(dataset, folder.DatasetFolder):
        return False
    kind: Any = type(dataset)
    return (
        kind.__getitem__ is folder.DatasetFolder.__getitem__
        and kind.__getattribute__ is object.__getattribute__
        # Properties may give something else for each sample.
        and not any(hasattr(kind, name) for name in _ATTRIBUTES)
    )


def _is_upsize_s(loader: Any) -> bool:
    kind = type(loader)
    return kind.__name__ in _LOADERS and kind.__module__.partition(".")[0] == "upsize"


def _parts(transform: Any, watch: Watch) -> list[Any] | None:
    """Return the transforms of a composition; ``None``: something changes how it works."""
    if transform is None:
        return []
    if not isinstance(transform, nn.Module) and not is_of(transform, _COMPOSITIONS):
        return None
    watch.attributes(transform)
    for name in _HOOKS:
        watch.values(vars(transform).get(name, {}), ())
    if is_patched(transform):
        return None
    if type(transform) is nn.Sequential:
        within: Any = list(transform)
    elif is_of(transform, _COMPOSITIONS):
        within = transform.transforms
        watch.items(within)
    else:
        return [transform]
    parts: list[Any] = []
    for each in within:
        found = _parts(each, watch)
        if each is None or found is None:
            return None
        parts += found
    return parts


def is_of(
    transform: Any, names: frozenset[str], v2: frozenset[str] | None = None
) -> bool:
    """Return whether a transform is torchvision's own of one of these names."""
    kind = type(transform)
    if v2 is not None and kind.__module__.startswith(_V2):
        names = v2
    return kind.__name__ in names and kind.__module__.startswith(
        "torchvision.transforms."
    )


def is_patched(transform: Any) -> bool:
    """Return whether a transform has been given methods or hooks of its own."""
    own = vars(transform)
    methods = {"forward", "transform", "make_params"}
    return not methods.isdisjoint(own) or any(own.get(name) for name in _HOOKS)


def _made(
    recipe: _Recipe, indices: list[Any], size: Size, full: Size
) -> MadeBatch | None:
    for subset in recipe.subsets:
        indices = [subset.indices[index] for index in indices]
    with numbers_ahead(len(indices)) as numbers:
        load = recipe.folder.loader._at(SampleSize(size, full), numbers)
        if load.size is None:
            return None  # each image has a size of its own
        batch, targets = _filled(recipe, indices, load, load.size, numbers)
    return MadeBatch(batch, targets, size, full)


def _filled(
    recipe: _Recipe, indices: list[Any], load: Load, size: Size, numbers: Numbers
) -> tuple[Tensor, list[Any]]:
    """Return the images of a batch as one tensor, and their targets."""
    folder, later = recipe.folder, recipe.later
    count, (height, width) = len(indices), size
    # As torch compares float32 numbers with a share.
    shares = [torch.tensor(float(each.p)).item() for each in recipe.flips]
    whole = all(is_of(each, _TYPES) for each in later)
    if whole:
        step, pixels = count, empty_batch((count, 3, height, width), torch.uint8)
    else:
        step = max(1, _CHUNK // (12 * height * width))
        pixels = torch.empty(
            min(step, count), 3, height, width, dtype=torch.uint8, device="cpu"
        )
    batch: Tensor | None = None
    targets: list[Any] = []
    for start in range(0, count, step):
        here = indices[start : start + step]
        made = pixels[: len(here)]
        with load.reading() as copies_of, Later() as waiting:
            for index, place in zip(here, torch.split(made, 1), strict=True):
                path, target = folder.samples[index]
                load.load(path, copies_of, place, waiting)
                flipped = False
                for share in shares:
                    flipped ^= numbers.uniform(0.0, 1.0) < share
                if flipped:
                    waiting.do(flip, place)
                targets.append(target)
        for each in later:
            made = each(made)
        if whole:
            batch = made
        else:
            if batch is None:
                shape = (count, *made.shape[1:])
                batch = empty_batch(shape, made.dtype, like=made)
            batch.as_subclass(Tensor)[start : start + step] = made
    assert batch is not None
    return batch, targets
