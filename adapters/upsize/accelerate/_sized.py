"""Prepared loaders whose workers make each image at the size of its step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from accelerate.data_loader import DataLoaderDispatcher

from upsize.accelerate._loaders import check_prepared
from upsize.accelerate._loop import ProgressiveResize
from upsize.loading._dataset import SetSize
from upsize.loading._sized import copy_with
from upsize.loading._sized import sized as _sized
from upsize.run import TrainingRun
from upsize.schedule import Size

__all__ = ["sized"]

Loader = TypeVar("Loader")


def sized(
    loader: Loader, resize: ProgressiveResize, *, set_size: SetSize | None = None
) -> Loader:
    """Return a prepared loader with workers that make images at the size of their step.

    Like :func:`upsize.loading.sized`, for the loader that ``accelerator.prepare``
    returns: device placement, the end of the epoch, ``set_epoch`` and
    ``accelerator.skip_first_batches`` work as before, and all processes have the same
    size in a step.

    Args:
        loader: The prepared loader of a map-style dataset. It is not changed; the
            accelerator saves and loads the state of the new one instead.
        resize: The :class:`ProgressiveResize` that was made with ``loader``.
        set_size: For datasets whose transforms are not found, see
            :func:`upsize.loading.sized`.

    Raises:
        TypeError: For an ``IterableDataset``.
        ValueError: When the loader is not prepared or is dispatched from one process,
            and as :func:`upsize.loading.sized` does.

    Example:
        >>> import torch
        >>> from accelerate import Accelerator
        >>> from torchvision.datasets import FakeData
        >>> from torchvision.transforms.v2 import Compose, PILToTensor, RandomResizedCrop
        >>> from upsize.schedule import Ramp
        >>> crop = Compose([PILToTensor(), RandomResizedCrop(64)])
        >>> data = FakeData(12, (3, 80, 80), transform=crop)
        >>> accelerator = Accelerator(cpu=True)
        >>> loader = accelerator.prepare(torch.utils.data.DataLoader(data, 4))
        >>> resize = ProgressiveResize(
        ...     Ramp(final_size=64, increase_by=16), accelerator, loader=loader,
        ...     epochs=4, verbose=False,
        ... )
        >>> loader = sized(loader, resize)
        >>> for epoch in range(4):
        ...     print(epoch, [images.shape[-1] for images, _ in resize.batches(loader)])
        0 [32, 32, 32]
        1 [32, 32, 32]
        2 [48, 48, 48]
        3 [64, 64, 64]
        >>> resize.mismatched
        0
        >>> resize.remove()
    """
    check_prepared(loader)
    if isinstance(loader, DataLoaderDispatcher):
        raise ValueError(  # noqa: TRY004 - the type is right, its setting is not
            "the loader is dispatched: one process makes the batches of all processes, "
            "and does not know the step of each; prepare it with "
            "DataLoaderConfiguration(dispatch_batches=False), or use ProgressiveResize "
            "alone, which resizes on the device"
        )
    inner: Any = loader.base_dataloader  # type: ignore[attr-defined]
    source: Any = resize
    if isinstance(resize, ProgressiveResize):
        source = _Sizes(resize._run)
    new = copy_with(loader, base_dataloader=_sized(inner, source, set_size=set_size))
    _register(resize, loader, new)
    return new


class _Sizes:
    """The sizes of a run. The accelerator keeps the loader, and must not keep more."""

    def __init__(self, run: TrainingRun) -> None:
        self._run = run

    @property
    def final_size(self) -> Size:
        """The full size."""
        assert self._run.plan is not None  # the full size is known
        return self._run.plan.final_size

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
        """Yield the size of each batch to come."""
        return self._run.sizes_ahead(batches)


def _register(resize: Any, loader: Any, new: Any) -> None:
    """Let ``save_state`` save the state of the new loader, not of the one inside.

    With ``use_stateful_dataloader``, Accelerate saves that of each loader it prepared,
    which it keeps in ``_dataloaders`` (1.1 to 1.15).
    """
    accelerator = getattr(resize, "_accelerator", None)
    if accelerator is not None:  # the Trainer's source, which saves no such state
        loaders = accelerator._dataloaders
        loaders[:] = [new if each is loader else each for each in loaders]
