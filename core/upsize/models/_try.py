"""The sizes that a model takes, found by trying them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from math import gcd

import torch
from torch import nn

from upsize.models._probe import on_meta
from upsize.schedule import Plan, Size

__all__ = ["Trial", "find_multiple", "find_trial", "tried_sizes"]

_MOST = 8


class Trial:
    """A copy of a model that has shapes and no values, to try sizes of images.

    Args:
        model: Takes images alone, as ``pixel_values``.

    Raises:
        Exception: When the model cannot be copied.
    """

    def __init__(self, model: nn.Module) -> None:
        self._untried = on_meta(model).eval()
        self._channels = 0
        self._known: dict[Size, bool] = {}
        for part in self._untried.modules():
            # Hooks of the user must not see images that are none.
            for hooks in (part._forward_pre_hooks, part._forward_hooks):
                for number, hook in list(hooks.items()):
                    if not type(hook).__module__.startswith("upsize."):
                        del hooks[number]
            if isinstance(part, nn.Conv2d | nn.Conv3d) and not self._channels:
                self._channels = part.in_channels
        self._model = copy.deepcopy(self._untried)

    def works(self, size: Size) -> bool:
        """Whether the model takes images of a size."""
        if size not in self._known:
            self._known[size] = self._try(size)
        return self._known[size]

    def _try(self, size: Size) -> bool:
        images = torch.empty(1, self._channels or 3, *size, device="meta")
        try:
            with (
                torch.no_grad(),
                torch.random.fork_rng(devices=[]),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")
                self._model(pixel_values=images)
        except Exception:  # whatever the model raises
            # Swin of transformers keeps the windows of a size at which it failed.
            self._model = copy.deepcopy(self._untried)
            return False
        return True


def find_trial(parts: Iterable[nn.Module], own: Size | None) -> Trial | None:
    """Return a trial of the first part that takes images of its own size.

    Args:
        parts: Modules that may take images alone.
        own: Size that they are made for.
    """
    if own is None:
        return None
    for part in parts:
        try:
            trial = Trial(part)
        except Exception:  # a module that cannot be copied
            continue
        if trial.works(own):
            return trial
    return None


def find_multiple(trial: Trial, own: Size, patch: Size) -> Size | None:
    """Return the least multiple of ``patch`` whose next multiples work.

    Args:
        trial: Tries them.
        own: Size that the model is made for.
        patch: The first multiple to try.

    Returns:
        The multiple, a divisor of the own size; ``None``: no other size works.
    """
    if own.height % patch.height or own.width % patch.width:
        return patch
    steps = gcd(own.height // patch.height, own.width // patch.width)
    for count in (n for n in range(1, steps + 1) if steps % n == 0):
        multiple = Size(patch.height * count, patch.width * count)
        # Larger ones first: some models also have a least size.
        for sign in (1, -1):
            sizes = [
                (own.height + n * multiple.height, own.width + n * multiple.width)
                for n in (sign, 2 * sign)
            ]
            if all(min(size) > 0 and trial.works(Size(*size)) for size in sizes):
                return multiple
    return None


def tried_sizes(plan: Plan) -> list[Size]:
    """Return the sizes of a plan to try: the smallest, and some of the others.

    Example:
        >>> from upsize.schedule import Ramp
        >>> plan = Ramp(final_size=224).plan(total_steps=1000)
        >>> [size.width for size in tried_sizes(plan)]
        [112, 128, 144, 160, 176, 192, 208, 224]
    """
    sizes = sorted(plan.sizes)
    return sizes[:: -(-len(sizes) // _MOST)]
