"""Which batches are merged, and what a run says about them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from upsize.run._merge_rule import MergeRule
from upsize.schedule import Plan, Size
from upsize.schedule._shown import shown
from upsize.schedule._warn import warn

__all__ = ["Drawn", "Merging"]


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
                f"upsize: {batches} batches are merged, and their loss counts {batches} "
                "times, which is right for a mean over images; with a sum, or a mean "
                "with class weights or ignored pixels, training differs from that without "
                "merge="
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
                "drops some, so in a mean the others count more than without merge=: "
                "replace the dropped samples, or leave out merge="
            )

    def begin(self) -> deque[Drawn]:
        """Begin a pass of a batch sampler; return where it notes what it draws."""
        self.drawn = deque()
        return self.drawn
