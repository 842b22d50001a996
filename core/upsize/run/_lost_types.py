"""Types that the samples of a loader have, and its batches have lost.

torch's default collate makes plain tensors of torchvision's, as do most operations on
them. One sample of the loader's dataset tells which tensor of a batch is a mask, and
which holds boxes or keypoints.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor

from upsize.resize import ParsedBatch, Resizer
from upsize.resize._containers import find, leaves, parse, replace
from upsize.resize._policies import INPUT
from upsize.resize._shown import Path
from upsize.run._sample import draw_sample
from upsize.run._sample_types import may_have_lost, with_types
from upsize.schedule import Plan, Size

__all__ = ["LostTypes", "Reading", "TypedBatch", "without_types"]

Arrange: TypeAlias = Callable[[Any], Any]


class _Learned(NamedTuple):
    """A batch of one sample as it was parsed, and the size of its images."""

    tree: Any
    size: Size


class LostTypes:
    """Finds the types that batches have lost, by one sample of each loader.

    Args:
        resizer: Finds the images. What it names is left alone.
    """

    def __init__(self, resizer: Resizer) -> None:
        self.resizer = resizer
        self._loaders: Any = None
        self._sources: list[Any] = []
        self._arrange: Arrange | None = None
        self._waits = False
        self._learned: _Learned | None = None
        self._image: Path | None = None

    @property
    def datasets(self) -> list[Any]:
        """The datasets of the loaders that batches come from."""
        return [dataset for dataset, _ in self._sources]

    def expect(self, loaders: Any, arrange: Arrange | None = None) -> bool:
        """Note where the next batches come from.

        Args:
            loaders: A loader like PyTorch's, or the containers of such that batches
                come in as well. Other objects tell nothing.
            arrange: Makes of a loader's batch what is read; ``None``: that itself.

        Returns:
            Whether they have other samples than those before.
        """
        found = [loader for _, loader in leaves(loaders) if _tells(loader)]
        sources = [(loader.dataset, loader.collate_fn) for loader in found]
        if len(sources) == len(self._sources) and all(
            map(_same, sources, self._sources)
        ):
            return False  # the next epoch
        self._loaders, self._sources, self._arrange = loaders, sources, arrange
        self._learned = self._image = None
        self._waits = bool(sources)
        return True

    def read(self, batch: Any, full: Size | None, plan: Plan | None) -> Reading:
        """Return a training batch as the resizer reads it, with the types it has lost.

        Args:
            batch: The batch.
            full: See :meth:`~upsize.resize.Resizer.read`.
            plan: The plan of the run, if there is one.
        """
        if self._waits:
            self.learn(batch, full, plan)
        if self._learned is None:
            return self.resizer.read(batch, full=full)
        return TypedBatch(self, batch, full, self._first(batch))

    def read_other(self, batch: Any, full: Size | None) -> Reading:
        """Return the batch of another loader, with types where it is made alike."""
        if self._learned is None:
            return self.resizer.read(batch, full=full)
        return TypedBatch(self, batch, full, None)

    def typed(self, batch: Any) -> dict[Path, Tensor]:
        """Return the leaves of a batch that have lost their types, with their types."""
        learned = self._learned
        if learned is None:
            return {}
        tree = parse(batch)[0]
        named = [
            path
            for name, role in self.resizer._rules.named.items()
            for path in find(tree, name, "images" if role == INPUT else "targets")
        ]
        typed = with_types(tree, learned.tree, images=self.resizer.images is None)
        return {
            path: leaf
            for path, leaf in typed.items()
            if not any(path[: len(name)] == name for name in named)
        }

    def place(self, typed: Mapping[Path, Tensor], images: Size) -> None:
        """Set the canvas of boxes and points to the size of the images of their batch.

        Unless the samples have another canvas than their images: then they keep it.
        """
        for leaf in typed.values():
            assert self._learned is not None  # which has given the types
            if getattr(leaf, "canvas_size", None) == self._learned.size:
                leaf.canvas_size = tuple(images)  # type: ignore[attr-defined]

    def _first(self, batch: Any) -> Tensor | None:
        """Return the first image of a training batch; ``None``: it must be read."""
        if self._image is None:
            return None
        try:
            for step in self._image:
                if isinstance(step, str) and not isinstance(batch, Mapping):
                    batch = getattr(batch, step)  # a named tuple, a dataclass
                else:
                    batch = batch[step]
        except (LookupError, AttributeError, TypeError):
            return None
        return batch if isinstance(batch, Tensor) else None

    def learn(self, batch: Any, full: Size | None, plan: Plan | None) -> None:
        """Draw a sample of each loader, if its first batch may have lost types."""
        if not self._waits:
            return
        # Not kept: a sized loader leads back to the run.
        self._waits, loaders, self._loaders = False, self._loaders, None
        if "torchvision.tv_tensors" not in sys.modules or not may_have_lost(batch):
            return
        samples = {
            path: draw_sample(loader, plan) if _tells(loader) else None
            for path, loader in leaves(loaders)
        }
        collated = replace(loaders, samples)
        if self._arrange is not None:
            collated = self._arrange(collated)
        try:
            size = self.resizer.read(collated, full=full).size
        except (LookupError, ValueError):
            return  # there is none, or batches have other names than their samples
        self._learned = _Learned(parse(collated)[0], size)
        if not self.typed(batch):
            self._learned = None  # nothing is lost: do not look again
            return
        parsed = TypedBatch(self, batch, full, None).parsed
        # Unless each image has a size of its own.
        if parsed.listed is None and tuple(parsed.first.shape[-2:]) == parsed.size:
            places = {id(leaf): path for path, leaf, _ in parsed.roles}
            self._image = places[id(parsed.first)]


class TypedBatch:
    """A batch that has lost types, read as if it had them."""

    def __init__(
        self, lost: LostTypes, batch: Any, full: Size | None, first: Tensor | None
    ) -> None:
        self._lost, self._batch, self._full, self._first = lost, batch, full, first
        self._parsed: ParsedBatch[Any] | None = None
        self._typed: dict[Path, Tensor] = {}
        self._given: Any = batch  # to the resizer

    @property
    def parsed(self) -> ParsedBatch[Any]:
        """The batch with its types, as it was read."""
        if self._parsed is None:
            lost = self._lost
            self._typed = lost.typed(self._batch)
            self._given = replace(self._batch, self._typed)
            self._parsed = lost.resizer.read(self._given, full=self._full)
            lost.place(self._typed, self._parsed.size)
        return self._parsed

    @property
    def first(self) -> Tensor:
        """The first image."""
        return self.parsed.first if self._first is None else self._first

    @property
    def size(self) -> Size:
        """Size of the images, found without reading the whole batch if possible."""
        if self._first is None:
            return self.parsed.size
        return Size(*self._first.shape[-2:])

    def at(self, size: int | tuple[int, int], *, step: int = 0) -> Any:
        """Return the batch at a size, of plain tensors where it came with them.

        Args:
            size: See :meth:`~upsize.resize.ParsedBatch.at`, as ``step``.
            step: The step of a window.
        """
        return self.plain(self.parsed.at(size, step=step))

    def plain(self, batch: Any) -> Any:
        """Return what was made of the batch with its types, without them."""
        if batch is self._given:
            return self._batch  # nothing of it has changed
        return without_types(batch, self._typed)


#: What :class:`LostTypes` returns.
Reading: TypeAlias = ParsedBatch[Any] | TypedBatch


def without_types(batch: Any, typed: Mapping[Path, Tensor]) -> Any:
    """Return a batch with plain tensors where it has been given types."""
    if not typed:
        return batch
    found = {path: leaf for path, leaf in leaves(batch) if path in typed}
    return replace(
        batch, {path: leaf.as_subclass(Tensor) for path, leaf in found.items()}
    )


def _tells(loader: Any) -> bool:
    """Whether a loader has a dataset, which tells what its batches hold."""
    return hasattr(loader, "dataset") and hasattr(loader, "collate_fn")


def _same(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    # A bound method is another object each time that it is asked for.
    return one[0] is other[0] and bool(one[1] == other[1])
