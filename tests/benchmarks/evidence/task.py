"""The task: which of the cells in an image of a solar module are defective?

A module has 8 x 8 cells of 12 pixels each, so that a defect is a few pixels wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsize.demo._data import LabelledImages, decode
from upsize.demo._files import cells
from upsize.demo._model import _Block
from upsize.demo._run import augment
from upsize.resize import resize

__all__ = [
    "CELLS",
    "CLASSES",
    "GridNet",
    "Modules",
    "Parts",
    "load",
    "made",
    "modules",
]

#: Cells along each side of a module.
CELLS = 8
#: Mono- or polycrystalline, sound or defective.
CLASSES = 4

_SPLIT_SEED = 0
_FIFTH = 5
_WIDTHS = (24, 48, 96)


class Parts(NamedTuple):
    """Photographs of single cells as uint8: none is in two parts.

    ``validation`` is what settings were chosen by, ``held_out`` what is reported.
    """

    train: LabelledImages
    validation: LabelledImages
    held_out: LabelledImages


class Modules(NamedTuple):
    """Images of modules (N, 1, H, H) as uint8, and the class of each cell (N, 64).

    An image that shows k x k cells of its module has labels for these, and then -100.
    """

    images: Tensor
    labels: Tensor


def split(labels: Tensor) -> list[Tensor]:
    """Return the numbers of the cells to train on, to validate on and held out.

    A fifth of each class is for either check. The split has a seed of its own, which no
    seed of a training changes.

    Args:
        labels: Class of each cell.
    """
    generator = torch.Generator().manual_seed(_SPLIT_SEED)
    chosen: list[list[Tensor]] = [[], [], []]
    for label in range(CLASSES):
        members = (labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator)]
        fifth = len(members) // _FIFTH
        held_out, validation, train = members.split(
            [fifth, fifth, len(members) - 2 * fifth]
        )
        for part, numbers in zip(chosen, (train, validation, held_out), strict=True):
            part.append(numbers)
    return [torch.cat(part) for part in chosen]


def load(side: int) -> Parts:
    """Decode the photographs.

    Args:
        side: Side of a cell in pixels.

    Raises:
        ImportError: Without the photographs: ``pip install "upsize[demo]"``.
    """
    samples = list(cells())
    with ThreadPoolExecutor() as pool:
        decoded = pool.map(lambda each: decode(each.path, side, "L"), samples)
        images = torch.stack(list(decoded))
    labels = torch.tensor([sample.label for sample in samples])
    return Parts(
        *(LabelledImages(images[part], labels[part]) for part in split(labels))
    )


def made(side: int, count: int) -> Parts:
    """Return cells of noise, as bright as their class says: for a test.

    Args:
        side: Side of a cell in pixels.
        count: Cells of each part.
    """
    labels = torch.arange(count) % CLASSES
    noise = torch.randint(
        32, (count, 1, side, side), generator=torch.Generator().manual_seed(0)
    )
    images = (noise + 64 * labels[:, None, None, None]).to(torch.uint8)
    part = LabelledImages(images, labels)
    return Parts(part, part, part)


def _draw(least: int, most: int, generator: torch.Generator) -> int:
    return int(torch.randint(least, most + 1, (), generator=generator))


def _zoomed(batch: Modules, least: int, generator: torch.Generator) -> Modules:
    """Show a random part of each module, of at least so many cells a side."""
    side = batch.images.shape[-1] // CELLS
    images, labels = [], torch.full_like(batch.labels, -100)
    for row, (image, told) in enumerate(zip(*batch, strict=True)):
        # By area, as RandomResizedCrop draws it.
        shown = round(math.sqrt(_draw(least**2, CELLS**2, generator)))
        top, left = (_draw(0, CELLS - shown, generator) for _ in range(2))
        image = image[:, top * side : (top + shown) * side]
        image = image[:, :, left * side : (left + shown) * side]
        images.append(resize(image, least * side))
        told = told.view(CELLS, CELLS)[top : top + shown, left : left + shown]
        labels[row, : shown**2] = told.flatten()
    return Modules(torch.stack(images), labels)


def modules(
    photographs: LabelledImages,
    batch_size: int,
    generator: torch.Generator,
    *,
    mirror: bool,
    least: int = CELLS,
) -> Iterator[Modules]:
    """Yield batches of modules that hold each photograph at most once, at random places.

    The photographs that are left over, others at each call, are skipped.

    Args:
        photographs: Those of single cells.
        batch_size: Modules in a batch.
        generator: Draws the places.
        mirror: Whether to mirror and turn each cell at random.
        least: Cells a side that an image shows at least, of a random part of its
            module. As many as a module has: all of it.
    """
    count = batch_size * CELLS**2
    order = torch.randperm(len(photographs), generator=generator)
    for chosen in order.split(count)[: len(photographs) // count]:
        images, labels = photographs.images[chosen], photographs.labels[chosen]
        if mirror:
            images = augment(images, generator, rotate=True)
        side = images.shape[-1]
        grid = images.view(batch_size, CELLS, CELLS, side, side)
        whole = grid.permute(0, 1, 3, 2, 4).reshape(batch_size, 1, CELLS * side, -1)
        batch = Modules(whole, labels.view(batch_size, -1))
        yield batch if least == CELLS else _zoomed(batch, least, generator)


class GridNet(nn.Module):
    """A small residual network that scores the classes of each cell."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = _WIDTHS
        self.features = nn.Sequential(
            nn.Conv2d(1, first, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            _Block(first, second, 2),
            _Block(second, third, 1),
        )
        self.head = nn.Linear(third, CLASSES)

    def forward(self, images: Tensor, counts: Tensor) -> Tensor:
        """Return the scores of the cells, image after image.

        Args:
            images: Shape (N, 1, H, H).
            counts: Cells that each image shows (N,), square numbers.
        """
        pooled = [
            F.adaptive_avg_pool2d(feature, math.isqrt(int(count))).flatten(1).T
            for feature, count in zip(self.features(images), counts, strict=True)
        ]
        scores: Tensor = self.head(torch.cat(pooled))
        return scores
