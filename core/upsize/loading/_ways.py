"""The ways to load an image folder that are measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Dataset

from upsize.loading._crop import RandomResizedCropDecode
from upsize.loading._images._decode import open_image
from upsize.loading._images._files import unreadable
from upsize.loading._sized import sized
from upsize.schedule import Phases, Plan, Size

if TYPE_CHECKING:
    from upsize.loading._copies._read import CopyLoader

__all__ = ["COPIES", "PLAIN", "Way", "ways_of"]

#: Name of the plain way.
PLAIN = "full"
#: Names of the way that reads small copies, by their encoding.
COPIES = {"jpeg": "sized, small copies", "raw": "sized, raw copies"}
_BATCH = 32


@dataclass(frozen=True)
class Way:
    """A way of loading.

    Args:
        loader: Gives batches of all images.
        epochs: The epoch of each size; empty when all of them are at full size.
        disk: Bytes of all the files that it needs.
    """

    loader: Any
    epochs: dict[Size, int]
    disk: int

    def seconds(self, size: Size) -> float:
        """Return the seconds for an image at a size, in this process."""
        if self.epochs:
            self.loader.batch_sampler.set_epoch(self.epochs[size])
        begin = time.perf_counter()
        for _ in self.loader:
            pass
        return (time.perf_counter() - begin) / len(self.loader.dataset)


def _images(
    paths: Sequence[str], loader: Callable[[str], Any], transform: Any
) -> Dataset[Any]:
    """Return a dataset of image files, as it is with folders of classes."""
    from torchvision.datasets import ImageFolder

    class Listed(ImageFolder):  # type: ignore[misc]
        def find_classes(
            self, directory: str | Path
        ) -> tuple[list[str], dict[str, int]]:
            return [str(directory)], {str(directory): 0}

        @staticmethod
        def make_dataset(*_: Any, **__: Any) -> list[tuple[str, int]]:
            return [(path, 0) for path in paths]

    images: Dataset[Any] = Listed("images", transform, loader=loader)
    return images


def ways_of(
    paths: Sequence[str],
    plan: Plan,
    disk: int,
    copies: CopyLoader | None,
    encoding: str,
) -> dict[str, Way]:
    """Return loaders of the same crops of the same images, as they can be loaded.

    Args:
        paths: The images.
        plan: Plan whose sizes are measured.
        disk: Bytes of all images in their folder.
        copies: Reads their small copies.
        encoding: A key of :data:`COPIES`.
    """
    from torchvision.datasets.folder import default_loader
    from torchvision.transforms import v2

    full = plan.final_size
    floats = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    whole = v2.Compose([v2.RandomResizedCrop(tuple(full)), *floats])
    # An epoch for each size.
    sizes = sorted(plan.sizes)
    epochs = Phases(phases=tuple(enumerate(sizes)))
    steps = -(-len(paths) // _BATCH)

    def cropped(copies: CopyLoader | None) -> Dataset[Any]:
        load = RandomResizedCropDecode(
            full, sharp=False, copies=copies, output="tensor"
        )
        return _images(paths, load, v2.Compose(floats))

    def small(data: Dataset[Any], more: int = 0) -> Way:
        loader = sized(
            DataLoader(data, _BATCH),
            epochs.plan(epochs=len(sizes), steps_per_epoch=steps),
        )
        return Way(loader, {size: n for n, size in enumerate(sizes)}, disk + more)

    def checked(path: str) -> Any:
        """Name a file that cannot be read; this way comes first and reads them all."""
        try:
            return default_loader(path)
        except Exception as error:  # Pillow's decoders raise errors of every kind
            raise unreadable(path, error) from error

    plain = DataLoader(_images(paths, checked, whole), _BATCH)
    ways = {
        PLAIN: Way(plain, {}, disk),
        "sized": small(_images(paths, default_loader, whole)),
        "sized, open_image": small(_images(paths, open_image, whole)),
        "sized, crop, decode": small(cropped(None)),
    }
    if copies is not None:
        more = sum(file.stat().st_size for file in Path(copies.target).iterdir())
        ways[COPIES[encoding]] = small(cropped(copies), more)
    return ways
