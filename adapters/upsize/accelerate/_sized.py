"""Prepared loaders whose workers make each image at the size of its step."""

from __future__ import annotations

from typing import Any, TypeVar

from upsize.accelerate._loaders import check_prepared
from upsize.accelerate._loop import ProgressiveResize
from upsize.accelerate._prepared import size_prepared
from upsize.loading._dataset import SetSize
from upsize.loading._sized import sized as _sized
from upsize.loading._web import is_web_loader
from upsize.run._refusals import check_callback

__all__ = ["sized"]

Loader = TypeVar("Loader")


def sized(
    loader: Loader, resize: ProgressiveResize, *, set_size: SetSize | None = None
) -> Loader:
    """Return a prepared loader with workers that make images at the size of their step.

    Like :func:`upsize.loading.sized`, for the loader that ``accelerator.prepare``
    returns, dispatched or not: device placement, the end of the epoch, ``set_epoch``
    and ``accelerator.skip_first_batches`` work as before, and all processes have the
    same size in a step.

    Where Accelerate completes the last batch of an epoch with samples of the first,
    these are resized to the size of the last.

    Args:
        loader: The prepared loader, of any dataset, or a ``WebLoader``, which
            ``prepare`` leaves unchanged. It is not changed; the accelerator saves and
            loads the state of the new one instead.
        resize: The :class:`ProgressiveResize` that was made with ``loader``.
        set_size: For datasets whose transforms are not found, see
            :func:`upsize.loading.sized`.

    Raises:
        TypeError: For anything but a :class:`ProgressiveResize`.
        ValueError: When the loader is not prepared, and as
            :func:`upsize.loading.sized` does.

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
    check_callback(resize, ProgressiveResize, "that was made with the loader")
    if is_web_loader(loader):
        web: Any = loader
        return _sized(web, resize.size_source, set_size=set_size)  # type: ignore[no-any-return]
    check_prepared(loader)
    new = size_prepared(loader, resize.size_source, set_size)
    _register(resize, loader, new)
    return new


def _register(resize: Any, loader: Any, new: Any) -> None:
    """Let ``save_state`` save the state of the new loader, not of the one inside.

    With ``use_stateful_dataloader``, Accelerate saves that of each loader it prepared,
    which it keeps in ``_dataloaders`` (1.1 to 1.15).
    """
    loaders = resize._accelerator._dataloaders
    loaders[:] = [new if each is loader else each for each in loaders]
