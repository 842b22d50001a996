"""The rows of the table: what a user has, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

__all__ = ["FULL", "ROWS", "SMALL", "Row", "Seen", "Setup", "row"]

# No whole ratio: what is off by a pixel shows.
SMALL, FULL = 40, 64


@dataclass
class Seen:
    """What is in a batch, image by image.

    Attributes:
        images: Each (channels, height, width), from 0 to 1, with the picture's own
            colors in its first three channels.
        masks: Labels (height, width) or (1, height, width) of each image.
        boxes: The box of the object, (left, top, right, bottom) in pixels of the image.
        points: The middle of the object, (x, y) in pixels of the image.
        maps: Values (1, height, width) that are the image's blue.
        rest: What must stay as it is.
    """

    images: list[Tensor]
    masks: list[Tensor] = field(default_factory=list)
    boxes: list[Tensor] = field(default_factory=list)
    points: list[Tensor] = field(default_factory=list)
    maps: list[Tensor] = field(default_factory=list)
    rest: Any = None


@dataclass
class Setup:
    """What a user has in hand before upsize comes.

    Attributes:
        loader: The loader.
        see: Reads a batch.
        names: What the line of a message may name.
        after: What the user does with each batch before it is resized.
        moves: How far the parts of the picture that an image shows at two sizes may
            differ, as a share of its side: random crops draw from another range of
            offsets. 0: they show the same.
        steps: Batches in an epoch, where the loader has no length.
        keys: Options of ``ProgressiveResize`` that the user gives anyway.
        train: Trains two epochs by a framework, with upsize or without, and returns
            what is in the batches of each; instead of a loop over the loader.
    """

    loader: Any = None
    see: Callable[[Any], Seen] = lambda batch: batch
    names: dict[str, Any] = field(default_factory=dict)
    after: Callable[[Any], Any] | None = None
    moves: float = 0.0
    steps: int | None = None
    keys: dict[str, Any] = field(default_factory=dict)
    train: Callable[[bool], list[list[Seen]]] | None = None


@dataclass
class Row:
    """A pipeline, and what becomes of it.

    Attributes:
        title: What people call it.
        make: Builds it; gets a folder for files.
        says: Words of the error, or of the warning, that comes first.
        line: The line of code that the message names; it is run in the place of the
            one that it changes.
        device: Whether the loader is not sized, and its batches are resized on the
            device; with ``says`` but no line, ``sized`` refuses it first.
        warns: Whether ``says`` is in a warning: each batch is corrected, and counted.
        told: Words of a warning, where it is right anyway.
    """

    title: str
    make: Callable[[Path], Setup]
    says: str | None = None
    line: str | None = None
    device: bool = False
    warns: bool = False
    told: str | None = None

    @property
    def outcome(self) -> str:
        """What the table says."""
        if self.line is not None:
            return "right by one line"
        if self.device:
            return "right on the device"
        if self.says is None:
            return "right"
        return "warned about" if self.warns else "refused"


ROWS: dict[str, list[Row]] = {}


def row(
    group: str, title: str, **words: Any
) -> Callable[[Callable[[Path], Setup]], Callable[[Path], Setup]]:
    """Register the function below as a row of the table."""

    def register(make: Callable[[Path], Setup]) -> Callable[[Path], Setup]:
        ROWS.setdefault(group, []).append(Row(title, make, **words))
        return make

    return register
