"""A batch as it was read: what its leaves are, and the batch at another size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from torch import Tensor

from upsize.resize._asked import Rules, changes_beside, changes_listed
from upsize.resize._choice import Choice, choose
from upsize.resize._containers import find, parse, replace
from upsize.resize._covering import check_covering, check_labels, check_moved
from upsize.resize._description import describe
from upsize.resize._listed import ImageList, image_list
from upsize.resize._looks import UNKNOWN, standing
from upsize.resize._plain import plain_first
from upsize.resize._policies import CANDIDATE, INPUT, resize_leaf
from upsize.resize._roles import Role, assign
from upsize.resize._shown import Path
from upsize.schedule import Size
from upsize.schedule._size import as_size

__all__ = ["ParsedBatch", "parse_batch", "roles_in"]

Batch = TypeVar("Batch")


class _Walk(NamedTuple):
    """A batch that was walked: its containers as nodes, and what was chosen in it.

    ``candidates`` are the roles before the images were chosen.
    """

    tree: Any
    chosen: Choice
    candidates: list[Role]


class ParsedBatch(Generic[Batch]):
    """A batch that was read once, by :meth:`upsize.resize.Resizer.read`."""

    __slots__ = ("_batch", "_first", "_full", "_listed", "_main", "_rules", "_walk")

    def __init__(
        self,
        batch: Batch,
        rules: Rules,
        full: Size | None,
        first: Tensor,
        main: Tensor,
        walk: _Walk | None,
        listed: ImageList | None,
    ) -> None:
        self._batch, self._rules, self._full = batch, rules, full
        self._first, self._main = first, main
        self._walk, self._listed = walk, listed

    @property
    def first(self) -> Tensor:
        """The first image, unchanged."""
        return self._first

    @property
    def path(self) -> Path:
        """Where the first image is."""
        return self._walked().chosen.path

    @property
    def listed(self) -> ImageList | None:
        """The list that the images are in, if they come one by one."""
        return self._listed

    @property
    def size(self) -> Size:
        """Size of the images; of several sizes the full one, or else the largest.

        For a list of images it is the full size that was given.

        Raises:
            ValueError: When the images in a list differ, and no full size was given.
        """
        if self._listed is None:
            return Size(*self._main.shape[-2:])
        return self._listed.size if self._full is None else self._full

    @property
    def rules(self) -> Rules:
        """How it is resized."""
        return self._rules

    @property
    def roles(self) -> list[Role]:
        """Every (path, leaf, role) of the batch."""
        return self._walked().chosen.roles

    @property
    def description(self) -> str:
        """What is resized, and what is left alone, in one sentence."""
        verb = "resizing" if self._rules.seed is None else "cropping"
        return describe(self.roles, verb)

    @property
    def has_doubts(self) -> bool:
        """Whether something is left alone that may be an image of another size."""
        _, chosen, candidates = self._walked()
        pairs = zip(candidates, chosen.roles, strict=True)
        return any(
            before == CANDIDATE and after is None and standing(path) >= UNKNOWN
            for (path, _, before), (_, _, after) in pairs
        )

    def check_labels(self) -> None:
        """Refuse labels that have the shape of the images: reads their values.

        Raises:
            ValueError: When a tensor that would be blended holds a few whole numbers,
                and the images do not.
        """
        tree, chosen, _ = self._walked()
        check_labels(tree, chosen.roles, chosen.main)

    def at(
        self,
        size: int | tuple[int, int],
        *,
        full: int | tuple[int, int] | None = None,
        step: int = 0,
    ) -> Batch:
        """Return the batch with its images and targets at ``size``.

        Args:
            size: Pixels: (height, width), or one side of a square.
            full: The full size, see :meth:`Resizer.__call__
                <upsize.resize.Resizer.__call__>`; default: :attr:`size`.
            step: With ``mode="crop"``, the step whose window is cut out.

        Raises:
            TypeError, ValueError: As the resizer's call.
        """
        size = as_size(size)
        full = None if full is None else as_size(full)
        tree, chosen, candidates = self._walked()
        if self._listed is not None:
            whole = full or self.size
            is_same = size == whole
            walk = tree, chosen.roles
            change_of = changes_listed(
                self._rules, walk, self._listed, size, whole, step
            )
        else:
            if full is not None:
                chosen = choose(tree, candidates, full, (full, size))
            image = Size(*chosen.main.shape[-2:])
            is_same = size == image
            change_of = changes_beside(
                self._rules, chosen.roles, size, full or image, image, step
            )
        if not is_same:
            if self._rules.seed is not None:
                check_moved(chosen.roles)
            known = None if self._rules.automatic else chosen.main
            check_covering(tree, chosen.roles, self._listed, known)
        changed = {}
        for path, leaf, role in chosen.roles:  # torch.compile traces no := in {...}
            if role and role != "keep" and leaf is not None:
                new = resize_leaf(role, leaf, path, change_of(path, leaf, role))
                if new is not leaf:
                    changed[path] = new
        return replace(tree, changed) if changed else self._batch

    def replaced(self, values: Mapping[Path, Any]) -> Batch:
        """Return the batch with other ``values`` at some paths."""
        return replace(self._batch, values) if values else self._batch

    def _walked(self) -> _Walk:
        if self._walk is None:
            return _walk(self._batch, self._rules, self._full)
        return self._walk


def parse_batch(batch: Batch, rules: Rules, full: Size | None) -> ParsedBatch[Batch]:
    """Find the images and targets in ``batch``, see :meth:`Resizer.read`."""
    if (
        rules.automatic
        and not rules.named
        and (first := plain_first(batch)) is not None
    ):
        return ParsedBatch(batch, rules, full, first, first, None, None)
    walk = _walk(batch, rules, full)
    _, path, first, main = walk.chosen
    listed = None
    if first.ndim == 3:
        whole = rules.named.get(()) == INPUT
        listed = image_list(walk.tree, path, walk.chosen.roles, whole=whole)
    return ParsedBatch(batch, rules, full, first, main, walk, listed)


def roles_in(batch: Any, rules: Rules) -> list[Role]:
    """Give (path, leaf, role) of every leaf in ``batch``, which may have no image."""
    return _assigned(batch, rules)[1]


def _assigned(batch: Any, rules: Rules) -> tuple[Any, list[Role]]:
    tree, leaves = parse(batch)
    named = {
        path: role
        for name, role in rules.named.items()
        for path in find(tree, name, "images" if role == INPUT else "targets")
    }
    return tree, assign(tree, leaves, named, rules.automatic)


def _walk(batch: Any, rules: Rules, full: Size | None) -> _Walk:
    tree, roles = _assigned(batch, rules)
    return _Walk(tree, choose(tree, roles, full), roles)
