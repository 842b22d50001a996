"""What loaders have drawn, and how many of their batches are merged in each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from upsize.run._batches import innermost, last_is_short, length_of
from upsize.run._merge_rule import MergeRule
from upsize.schedule import Plan, Size
from upsize.schedule._shown import shown
from upsize.schedule._warn import warn

__all__ = ["Drawn", "Draws", "Merging", "Notes"]


class Drawn(NamedTuple):
    """What a batch sampler has drawn as one: batches of another one, and their samples."""

    batches: int
    samples: int


class Merging:
    """Decides which batches are merged, and remembers what loaders have merged.

    Args:
        rule: How many batches are merged.
        say: Prints a sentence; ``None``: nothing is printed.

    Attributes:
        drawn: What is in each batch that a batch sampler has drawn and nobody has taken
            from the loader yet.
    """

    def __init__(
        self, rule: MergeRule, say: Callable[[str], object] | None = None
    ) -> None:
        self.rule, self._say = rule, say
        self.drawn: deque[Drawn] = deque()
        self._told_of_samples = False
        # Sizes whose limits are not compared with a batch yet, and the full one.
        self._sizes: tuple[Size, ...] = ()
        self._full: Size | None = None

    def check(self, plan: Plan) -> None:
        """Look whether the sizes of a plan let anything be merged.

        Warns:
            UserWarning: When they do not.
        """
        rule, full, smallest = self.rule, plan.final_size, min(plan.sizes)
        self._sizes, self._full = plan.sizes, full
        is_listed = isinstance(rule.limit, Mapping)
        # A number of images limits what fits by its pixels.
        fitting = rule if is_listed else MergeRule(True)
        if any(fitting.most(size, full, 1) > 1 for size in plan.sizes):
            return
        why = (
            f"it lists no size from {smallest} on, the smallest one"
            if is_listed
            else f"its smallest size {smallest} has more than half of the pixels of {full}"
        )
        warn(
            f"merge={shown(rule.limit)} merges nothing in this plan: {why}; begin with "
            "smaller images, or leave out merge="
        )

    def check_limits(self, images: int) -> None:
        """Compare a batch with the limits of all planned sizes, once.

        Args:
            images: Images in one batch of the loader.

        Raises:
            ValueError: When a limit is below it.
        """
        sizes, self._sizes = self._sizes, ()
        for size in sizes:
            assert self._full is not None  # known with the sizes
            self.rule.most(size, self._full, images)

    def tell_mean(self, batches: int) -> None:
        """Say once what the loss of a batch that is made of several is taken for."""
        if batches > 1 and self._say is not None:
            say, self._say = self._say, None
            say(
                f"upsize: {batches} batches are merged, and their loss weighs {batches} "
                "times as much, as is right for a mean over images; a sum, or a mean with "
                "class weights or over pixels that are not ignored, weighs otherwise than "
                "without merge="
            )

    def check_samples(self, images: int, samples: int) -> None:
        """Compare the images of a batch that a loader has merged with what was drawn.

        Args:
            images: Images in the batch; each sample may have several.
            samples: Samples that the batch sampler has drawn.

        Warns:
            UserWarning: Once, when some were left out.
        """
        if images % samples and not self._told_of_samples:
            self._told_of_samples = True
            warn(
                f"a merged batch of {samples} samples has {images} images: collate_fn "
                "leaves some out, and a mean over the rest weighs them otherwise than "
                "without merge=; put other samples in their place, or leave out merge="
            )

    def begin(self) -> deque[Drawn]:
        """Begin a pass of a batch sampler; return where it notes what it draws."""
        self.drawn = deque()
        return self.drawn


class Notes:
    """What the batch sampler of one pass notes, whatever other passes draw meanwhile.

    Args:
        loader: The loader.
        merging: Where batch samplers note what they draw.

    Attributes:
        drawn: What is in each batch to come, if a batch sampler has merged them.
    """

    def __init__(self, loader: Iterable[Any], merging: Merging) -> None:
        before, self._merging = merging.drawn, merging
        has_begun = isinstance(innermost(loader), Iterator)
        self._batches = iter(loader)
        is_own = has_begun or merging.drawn is not before
        self.drawn = merging.drawn if is_own else deque[Drawn]()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """Return the next batch; its number is the first of ``drawn``, if there is one."""
        before = self._merging.drawn
        batch = next(self._batches)
        if self._merging.drawn is not before:  # the loader has begun, or another one
            self.drawn = self._merging.drawn
        return batch


class Draws:
    """The batches of a loader, with how many of them a batch sampler has merged.

    Args:
        loader: The loader.
        merging: Knows what was merged.
    """

    def __init__(self, loader: Iterable[Any], merging: Merging) -> None:
        self._batches = Notes(loader, merging)
        self._kept: list[tuple[Any, int | None]] = []
        #: Plain batches that were drawn.
        self.count = 0
        #: Samples of the last batch, if a batch sampler has merged it.
        self.samples = 0
        # Batches before the last one, where that is known to be short.
        self._whole: int | None = None
        if last_is_short(getattr(innermost(loader), "batch_sampler", None)):
            length = length_of(loader)
            self._whole = None if length is None else length - 1

    def __iter__(self) -> Iterator[tuple[Any, int | None]]:
        return self

    def __next__(self) -> tuple[Any, int | None]:
        """Return a batch, and the plain batches in it; ``None``: it is a plain one."""
        if self._kept:
            found = self._kept.pop()
        else:
            batch, drawn = next(self._batches), self._batches.drawn
            number = None
            if drawn:
                number, self.samples = drawn.popleft()
            found = batch, number
        self.count += found[1] or 1
        return found

    def more(self, most: int, fits: Callable[[Any], bool]) -> Iterator[Any]:
        """Yield the next plain batches, up to the first that does not fit.

        Args:
            most: Batches to yield at most.
            fits: Whether a batch may be merged with those before.
        """
        # A batch that is drawn and not taken is lost to a loader that saves its state.
        if self._whole is not None:
            most = min(most, self._whole - self.count)
        for _ in range(most):
            found = next(self, None)
            if found is None:
                return
            batch, number = found
            if number is not None or not fits(batch):
                self._kept.append(found)
                self.count -= number or 1
                return
            yield batch
