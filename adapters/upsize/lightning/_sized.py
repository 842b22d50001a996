"""Loaders for Lightning whose workers make each image at the size of its step."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, cast

from torch.utils.data import DataLoader, IterableDataset

from upsize.lightning._callback import ResizeCallback
from upsize.lightning._streams import is_stream, is_thrown_away, sized_stream
from upsize.loading._dataset import SetSize, SizedDataset
from upsize.loading._others import check_loader
from upsize.loading._sized import check_sizes
from upsize.loading._sized import sized as _sized
from upsize.loading._window import cutter_of
from upsize.run._refusals import check_callback, known_full_size
from upsize.run._size_source import SizeSource
from upsize.schedule import Size

__all__ = ["SizedLoader", "sized"]


def sized(
    loader: Any,
    resize: ResizeCallback,
    *,
    set_size: SetSize | None = None,
) -> Any:
    """Return a loader with workers that make images at the size of their step.

    Like :func:`upsize.loading.sized`, for ``train_dataloader`` of a module or a data
    module and for ``trainer.fit``. Lightning may replace its sampler, as with
    ``use_distributed_sampler``. The workers start at the first batch of an epoch, when
    the plan is known. Outside of training it makes images at full size.

    A stream whose loader has a state, as a ``StatefulDataLoader`` has, continues within
    an epoch, and Lightning saves its state.

    Args:
        loader: A ``DataLoader``, or of a stream any subclass of it or a ``WebLoader``.
            It is not changed.
        resize: The :class:`ProgressiveResize` callback of the trainer, with a final
            size.
        set_size: For datasets whose transforms are not found, see
            :func:`upsize.loading.sized`.

    Raises:
        TypeError: For anything else, such as subclasses of ``DataLoader`` with a
            map-style dataset.
        ValueError: When the callback has no final size, and as
            :func:`upsize.loading.sized` does.

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
    is_plain = type(loader) is DataLoader
    # Lightning does not make these again.
    is_other = is_stream(loader) and not (is_plain or isinstance(loader, SizedLoader))
    if not is_other:
        check_loader(loader)
    check_callback(resize, ResizeCallback, "callback of the trainer")
    if not (is_plain or is_other):
        raise TypeError(
            f"loader must be a torch.utils.data.DataLoader itself, not a "
            f"{type(loader).__name__}, which Lightning could not make again with "
            "another sampler: make a DataLoader with the same dataset and settings"
        )
    full = known_full_size(resize.final_size)
    if is_other:
        return sized_stream(loader, resize, set_size)
    source = cast(SizeSource, resize)
    if set_size is None and cutter_of(source, loader.collate_fn) is None:
        check_sizes(loader, full)
    return SizedLoader(**_settings(loader), resize=resize, set_size=set_size)


class SizedLoader(DataLoader[Any]):
    """A loader that Lightning can make again, and that is sized when it is iterated.

    Args:
        resize: The callback.
        set_size: See :func:`sized`.
        settings: The arguments of a ``DataLoader``.
    """

    _sized: DataLoader[Any] | None = None
    _grows = False  # whether its batches do

    def __init__(
        self,
        *args: Any,
        resize: ResizeCallback,
        set_size: SetSize | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self.resize, self.set_size = resize, set_size

    def __len__(self) -> int:
        """Return the batches of an epoch: while the batch grows, of that in progress."""
        if self.resize.grown_plan is None:
            return super().__len__()
        return self.resize.batches_of()

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        # A generator: Lightning asks for the iterator before the plan is known,
        # and for the first batch after that.
        yield from [None] if is_thrown_away(self.resize) else self._current()

    def _current(self) -> DataLoader[Any]:
        """Return the sized loader of this pass."""
        # Persistent workers are those of one loader, and so is what a stream reports.
        stays = self.persistent_workers or isinstance(self.dataset, IterableDataset)
        grows = self.resize.grown_plan is not None
        made = self._sized
        if made is None or not stays or grows != self._grows:
            self._grows = grows
            # It shares the batch sampler, whose settings may have been changed.
            plain: Any = object.__new__(DataLoader)
            vars(plain).update(vars(self))
            if grows:
                drawn: Any = self.batch_sampler
                vars(plain)["batch_size"] = drawn.batch_size
            # sized() has refused a callback without a final size.
            source = cast(SizeSource, self.resize)
            made = self._sized = _sized(plain, source, set_size=self.set_size)
        return made

    @property
    def _iterator(self) -> Any:
        # By it Lightning (2.4 to 2.6) tells persistent workers to end with the fit.
        return None if self._sized is None else self._sized._iterator

    @_iterator.setter
    def _iterator(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, iterator: Any
    ) -> None:
        if self._sized is not None:
            self._sized._iterator = iterator

    def samples_at(self, indices: list[Any], size: Size, full: Size) -> Any:
        """Return samples at a size, as a batch of the loader holds them."""
        source = cast(SizeSource, self.resize)
        cutter = None if self.set_size else cutter_of(source, self.collate_fn)
        made = SizedDataset(self.dataset, self.set_size, cutter)
        return made.samples_at(indices, size, full)


def _settings(loader: DataLoader[Any]) -> dict[str, Any]:
    """Return the arguments that make a loader again."""
    names = [
        name for name in inspect.signature(DataLoader).parameters if name != "shuffle"
    ]
    settings = {name: getattr(loader, name) for name in names}
    # One of the two says how batches are made; for a stream torch makes both.
    own = ("batch_size", "sampler", "drop_last")
    dropped: tuple[str, ...] = own if loader.batch_size is None else ("batch_sampler",)
    if isinstance(loader.dataset, IterableDataset):
        dropped = ("batch_sampler", "sampler")
    return {name: value for name, value in settings.items() if name not in dropped}
