"""Whether images may be decoded reduced where a dataset's samples are made."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from upsize.loading._making import Making
from upsize.loading._positions import has_positions
from upsize.resize._containers import leaves, replace

__all__ = ["Reduction", "StreamReduction", "may_reduce", "whole_images"]

_MAKING: Making[Reduction] = Making("upsize_reduction")


class Reduction:
    """Lets :func:`open_image` reduce images where no target has their positions.

    Boxes, keypoints and masks beside an image are in pixels of its file, so the code
    that reads them must know the scale. ``open_image(path, return_scale=True)`` says
    it; without that, samples that turn out to have such targets are made again, from
    whole images and with the same random numbers, and so are all later ones.

    Args:
        whole: Whether no image may be reduced.
    """

    def __init__(self, *, whole: bool = False) -> None:
        self._whole = whole  # as a sample with positions has been seen
        self._forbidden = whole
        self._reduced = False

    def samples(self, make: Callable[[], Any], *, whole: bool) -> Any:
        """Return the samples of a batch below full size.

        Args:
            make: Makes them.
            whole: Whether images must be whole, as for transforms in their pixels.
        """
        self._forbidden = whole or self._whole
        with _MAKING.of(self):
            if self._forbidden:
                return make()
            self._reduced = False
            restore = _random_state()
            samples = make()
            each = samples if isinstance(samples, list) else [samples]
            if not self._reduced or not any(map(has_positions, each)):
                return samples
            self._whole = self._forbidden = True
            restore()
            return make()

    def ask(self) -> bool:
        """Return whether an image may be reduced, and take it that it is."""
        self._reduced = True
        return not self._forbidden


class StreamReduction(Reduction):
    """Lets :func:`open_image` reduce the images of a stream, which come only once.

    Images are whole until a sample has come that has no positions.

    Args:
        batches: Whether what comes are batches.
    """

    def __init__(self, *, batches: bool = False) -> None:
        super().__init__(whole=True)
        self._batches = batches
        self._is_sure = False  # of how samples are

    def samples(self, make: Callable[[], Any], *, whole: bool) -> Any:
        """Return the next sample of a stream, below full size.

        Args:
            make: Makes it.
            whole: Whether images must be whole, as for transforms in their pixels.

        Raises:
            ValueError: When a sample has positions after samples that have none.
        """
        self._forbidden = whole or self._whole
        with _MAKING.of(self):
            sample = make()
        if not self._reduced or (self._is_sure and self._whole):
            return sample
        has = has_positions(_first_of(sample) if self._batches else sample)
        if has and self._is_sure:
            raise ValueError(
                "a sample of the stream has boxes, keypoints or a mask beside its image, "
                "and those before it had none, so open_image may have reduced the image: "
                "let the dataset open it with open_image(path, return_scale=True), and "
                "scale these targets"
            )
        self._is_sure, self._whole = True, has
        return sample


@contextmanager
def whole_images(whole: bool = True) -> Iterator[None]:
    """Let :func:`open_image` decode whole images inside, if ``whole``."""
    with _MAKING.of(Reduction(whole=whole)) if whole else nullcontext():
        yield


def may_reduce() -> bool:
    """Return whether the image that is being opened may be reduced."""
    # All are asked, as each takes it that an image is reduced.
    answers = [each.ask() for each in _MAKING.visible()]
    return all(answers)


def _first_of(batch: Any) -> Any:
    """Return the first sample of a batch, as far as it is one of tensors."""
    tensors = {
        path: leaf[0]
        for path, leaf in leaves(batch)
        if isinstance(leaf, torch.Tensor) and leaf.ndim and len(leaf)
    }
    return replace(batch, tensors)


def _random_state() -> Callable[[], None]:
    """Return a function that restores the random state of this moment."""
    of_torch, of_python = torch.get_rng_state(), random.getstate()
    numpy = sys.modules.get("numpy")
    of_numpy = None if numpy is None else numpy.random.get_state()

    def restore() -> None:
        torch.set_rng_state(of_torch)
        random.setstate(of_python)
        if numpy is not None:
            numpy.random.set_state(of_numpy)

    return restore
