"""Loaders for Lightning whose workers make each image at the size of its step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

from torch.utils.data import DataLoader

from upsize.lightning._callback import ResizeCallback
from upsize.loading._dataset import SetSize
from upsize.loading._sized import check_loader
from upsize.loading._sized import sized as _sized
from upsize.loading._transforms import check_transforms
from upsize.schedule import Plan, Ramp, Size

__all__ = ["SizedLoader", "sized"]


def sized(
    loader: DataLoader[Any],
    progress: ResizeCallback,
    *,
    set_size: SetSize | None = None,
) -> DataLoader[Any]:
    """Return a loader with workers that make images at the size of their step.

    As :func:`upsize.loading.sized`, for ``train_dataloader`` of a module or a data
    module and for ``trainer.fit``. Lightning may give it another sampler, as under
    ``use_distributed_sampler``. The workers start with the first batch of an epoch, by
    when the plan is known. Outside of training it makes images at full size.

    Args:
        loader: A loader of a map-style dataset. It is not changed.
        progress: The :class:`ProgressiveResize` callback of the trainer, with a final
            size.
        set_size: For datasets whose transforms are not found, see
            :func:`upsize.loading.sized`.

    Raises:
        TypeError: For an ``IterableDataset``, and for subclasses of ``DataLoader``.
        ValueError: When the callback has no final size, or as
            :func:`upsize.loading.sized`.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> from torchvision.datasets import FakeData
        >>> from torchvision.transforms.v2 import Compose, PILToTensor, RandomResizedCrop
        >>> from upsize.lightning import ProgressiveResize
        >>> from upsize.schedule import Ramp
        >>> crop = Compose([PILToTensor(), RandomResizedCrop(64)])
        >>> data = FakeData(12, (3, 80, 80), transform=crop)
        >>> resize = ProgressiveResize(Ramp(final_size=64))
        >>> loader = sized(DataLoader(data, 4, shuffle=True), resize)
        >>> [images.shape[-1] for images, _ in loader]  # trainer.fit: 32, 36, ... 64
        [64, 64, 64]
    """
    check_loader(loader)
    if not isinstance(progress, ResizeCallback):
        raise TypeError(
            "progress must be the ProgressiveResize callback of the trainer, not a "
            f"{type(progress).__name__}"
        )
    if type(loader) is not DataLoader:
        raise TypeError(
            f"loader must be a torch.utils.data.DataLoader itself, not a "
            f"{type(loader).__name__}, which Lightning could not make again with "
            "another sampler: make a DataLoader with the same dataset and settings"
        )
    final = progress.final_size
    if final is None:
        raise ValueError(
            "the callback has no final size, and a sized loader has no first batch to "
            "take it from: give ProgressiveResize final_size=, or its schedule"
        )
    if set_size is None:
        check_transforms(loader.dataset, final)
    progress.expect_sized()
    new = object.__new__(SizedLoader)
    vars(new).update(_plain(loader))
    vars(new).update(progress=progress, set_size=set_size, _sized=None)
    return new


class SizedLoader(DataLoader[Any]):
    """A loader that Lightning can make again, and that is sized as it is iterated.

    Args:
        progress: The callback.
        set_size: As the function takes it.
        settings: Those of a ``DataLoader``.
    """

    def __init__(
        self,
        *args: Any,
        progress: ResizeCallback,
        set_size: SetSize | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self.progress, self.set_size = progress, set_size
        self._sized: DataLoader[Any] | None = None

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        # A generator: Lightning asks for the iterator before the plan can be known,
        # and for the first batch after that.
        if self._sized is None:
            plain = object.__new__(DataLoader)
            vars(plain).update(_plain(self))
            self._sized = _sized(plain, _Fit(self.progress), set_size=self.set_size)
        yield from self._sized


class _Fit:
    """Tells the sizes of the fit that is going on; without one, the full size."""

    def __init__(self, callback: ResizeCallback) -> None:
        self._callback = callback

    @property
    def plan(self) -> Plan:
        final = self._callback.final_size
        full = Ramp(initial_size=1.0, final_size=final).plan(total_steps=1)
        return self._callback.plan or full

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:  # noqa: ARG002
        return chain(self._callback.sizes_ahead(), repeat(self.plan.final_size))

    def expect_sized(self) -> None:
        self._callback.expect_sized()


def _plain(loader: DataLoader[Any]) -> dict[str, Any]:
    """Return the attributes of a loader without those by which Lightning remakes it."""
    mine = ("progress", "set_size", "_sized")
    return {
        name: value
        for name, value in vars(loader).items()
        if not name.startswith("__") and name not in mine
    }
