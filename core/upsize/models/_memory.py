"""The memory of a training step: its real peak, or what autograd saves for backward."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, Self, TypeAlias

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from upsize.models._probe import Probe
from upsize.resize._containers import leaves
from upsize.schedule import Size

__all__ = [
    "EXPLANATIONS",
    "MemoryKind",
    "SavedBytes",
    "Step",
    "memory_kind",
    "peak_memory",
    "spell_bytes",
    "try_step",
]

#: "peak": the most bytes that a device had allocated during a step. "saved": weights,
#: gradients, the batch and what autograd saves for backward.
MemoryKind: TypeAlias = Literal["peak", "saved"]

#: What each kind is, in words.
EXPLANATIONS: dict[MemoryKind, str] = {
    "peak": "peak of a training step, measured on the device",
    "saved": "weights, gradients, batch and what autograd saves, without temporary buffers",
}


class Step(NamedTuple):
    """A trial: the model's error or ``None``, and the bytes or ``None`` where unknown."""

    error: Exception | None
    memory: int | None


def memory_kind(device: torch.device, backward: bool) -> MemoryKind | None:
    """Return how memory is measured on a device, ``None`` where it cannot be.

    Example:
        >>> memory_kind(torch.device("cpu"), backward=True)
        'saved'
        >>> memory_kind(torch.device("cpu"), backward=False)  # nothing is saved
    """
    if device.type not in ("cpu", "meta") and hasattr(
        torch.get_device_module(device), "reset_peak_memory_stats"
    ):
        return "peak"
    return "saved" if backward else None


def peak_memory(device: torch.device, run: Callable[[], None]) -> int:
    """Run, and return the most bytes allocated on the device meanwhile.

    The device's own peak counter is reset.
    """
    counts = torch.get_device_module(device)
    counts.reset_peak_memory_stats(device)
    run()
    return int(counts.max_memory_allocated(device))


def try_step(probe: Probe, size: Size, images: int | None = None) -> Step:
    """Run a training step at a size, and measure its memory.

    Args:
        probe: The model and the batch.
        size: Size of the images.
        images: As for :meth:`Probe.batch_at`.

    Returns:
        The error of the model, and the bytes that the step needs; ``None`` where the step
        fails or the device cannot tell.
    """
    error: Exception | None = None

    def run() -> None:
        nonlocal error
        error = probe.attempt(probe.batch_at(size, images), size)

    kind = memory_kind(probe.device, probe.backward)
    if kind is None:
        run()
        return Step(error, None)
    if kind == "peak":
        memory = peak_memory(probe.device, run)
        return Step(error, None if error else memory)
    batch = probe.batch_at(size, images)
    weights = [*probe.model.parameters(), *probe.model.buffers()]
    known = weights + [leaf for _, leaf in leaves(batch) if isinstance(leaf, Tensor)]
    with SavedBytes(known) as saved:
        error = probe.attempt(batch, size)
    if error is not None and "saved tensor hooks" in str(error):
        # Transforms of torch.func refuse to be watched: they run without.
        return Step(probe.attempt(batch, size), None)
    if error is not None or not saved.is_complete:
        return Step(error, None)
    gradients = [weight for weight in weights if weight.requires_grad]
    held = sum(each.numel() * each.element_size() for each in (*known, *gradients))
    return Step(None, held + saved.most)


class SavedBytes:
    """Count the bytes that autograd saves for backward, inside a ``with`` block.

    A storage counts once, however many tensors share it, and until the graph lets it go;
    ``most`` is the most at any time. Of a part under :func:`torch.utils.checkpoint.
    checkpoint` the inputs count, not what its backward computes again. Where a tensor
    has no storage, as a sparse one, ``is_complete`` is ``False``.

    Args:
        known: Tensors whose storages do not count, such as weights.

    Example:
        >>> x = torch.rand(4, 8, requires_grad=True)
        >>> with SavedBytes([x]) as saved:
        ...     y = x.exp().sin()  # both save the result of exp, 4 x 8 floats
        >>> saved.most
        128
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        self.now = self.most = 0
        # Weak references keep an address from being used for another storage.
        self._known = {_reference(tensor) for tensor in known}
        self.is_complete = None not in self._known
        self._holders: dict[StorageWeakRef, int] = {}
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, _unpack)

    def __enter__(self) -> Self:
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.__exit__(*error)

    def _pack(self, tensor: Tensor) -> _Saved:
        reference = _reference(tensor)
        if reference is None:
            self.is_complete = False
        if reference is None or reference in self._known:
            return _Saved(tensor.detach(), None)
        holders = self._holders.get(reference, 0)
        self._holders[reference] = holders + 1
        size = tensor.untyped_storage().nbytes()
        if not holders:
            self.now += size
            self.most = max(self.most, self.now)

        def release() -> None:
            self._holders[reference] -= 1
            if not self._holders[reference]:
                del self._holders[reference]
                self.now -= size

        # Detached: with its graph a result would keep itself alive.
        return _Saved(tensor.detach(), release)


def _reference(tensor: Tensor) -> StorageWeakRef | None:
    """Return what identifies the storage of a tensor; ``None``: it has none."""
    try:
        storage = tensor.untyped_storage()
    except (NotImplementedError, RuntimeError):
        return None
    return StorageWeakRef(storage)  # type: ignore[no-untyped-call]


class _Saved:
    """What the graph holds in the place of a tensor."""

    __slots__ = ("_release", "tensor")

    def __init__(self, tensor: Tensor, release: Callable[[], None] | None) -> None:
        self.tensor = tensor
        self._release = release

    def __del__(self) -> None:
        if self._release is not None:
            self._release()


def _unpack(saved: _Saved) -> Tensor:
    return saved.tensor


def spell_bytes(count: int) -> str:
    """Write bytes as people read them.

    Example:
        >>> spell_bytes(1500), spell_bytes(3 * 2**20), spell_bytes(5 * 2**31)
        ('1.5 KiB', '3.0 MiB', '10 GiB')
    """
    value, units = float(count), iter(("B", "KiB", "MiB", "GiB"))
    unit = next(units)
    while value >= 1024 and (larger := next(units, None)):
        value, unit = value / 1024, larger
    return (
        f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
    )
