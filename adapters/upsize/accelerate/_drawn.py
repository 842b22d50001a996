"""A loader that ends with its last batch, so that an accelerator knows which that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from upsize.accelerate._loaders import prepared_in
from upsize.run._draws import NotedBatches
from upsize.run._merging import Merging
from upsize.run._restoring import Restoring

__all__ = ["DrawnBatches"]


class DrawnBatches:
    """A loader that ends with its last batch, so that Accelerate knows which that is.

    A batch that is shorter than those before it is drawn before they are trained on.

    Args:
        loader: The loader, alone or in a progress bar.
        merging: Knows what the loader's batch sampler has merged.
        state: Knows the prepared loader that gives batches.
    """

    def __init__(self, loader: Iterable[Any], merging: Merging, state: Any) -> None:
        self.iterable, self._merging, self._state = loader, merging, state
        self._prepared = prepared_in(loader)
        self._begun: Iterator[Any] = iter(())
        self._drawn = self._taken = 0  # batches
        self._hidden = Restoring()

    def __len__(self) -> int:
        return len(self.iterable)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        batches = self._begun = NotedBatches(self.iterable, self._merging)
        begun = len(self._state.dataloader_references)
        for batch in batches:
            if not self._drawn:
                self._check(begun)
            drawn = batches.drawn
            self._drawn += drawn[0].batches if drawn else 1
            yield batch
            if self._prepared is not None and self._prepared.end_of_dataloader:
                return

    def _check(self, begun: int) -> None:
        """Refuse a prepared loader in something that does not show it.

        Args:
            begun: Prepared loaders that had begun before this one.
        """
        hidden = len(self._state.dataloader_references) > begun
        if self._prepared is None and hidden:
            raise ValueError(
                "merge= ends accumulation windows where Accelerate sees a prepared loader "
                f"end, which a {type(self.iterable).__name__} around it hides: give "
                "batches() the prepared loader, alone or in tqdm, or leave out merge="
            )

    def take(self, batches: int) -> None:
        """Note that a micro-batch is trained on: the last one ends the epoch.

        Args:
            batches: Batches that it is made of.
        """
        self._taken += batches
        prepared = self._prepared
        if prepared is None or not prepared.end_of_dataloader:
            return
        if self._taken < self._drawn:
            self._hidden.set(prepared, "end_of_dataloader", False)
        elif batches > 1:
            # What gather_for_metrics keeps of the last batch alone.
            self._hidden.set(prepared, "remainder", -1)

    def restore(self) -> None:
        """Let Accelerate see again what was hidden for a batch."""
        self._hidden.close()

    def finish(self) -> None:
        """End the pass of the loader."""
        next(self._begun, None)
