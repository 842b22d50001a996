"""Where users look for the size: the progress bar and every logger."""

from __future__ import annotations

from typing import Any

from upsize.schedule import Size

__all__ = ["Report"]


class Report:
    """Reports the longer side of the images in pixels.

    Args:
        name: Name of the value; ``None``: report nothing.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self.begin()

    def begin(self) -> None:
        """Forget the sizes of an earlier run."""
        self._last: Size | None = None

    def __call__(self, trainer: Any, size: Size, batch_idx: int) -> None:
        """Report the size of the batch that is about to be trained on."""
        if self._name is None or not (batch_idx == 0 or size != self._last):
            return
        value = float(max(size))
        # The bar's own dict, which lasts until the epoch ends. An entry of `log` would
        # be evaluated again in every step, for as long as everything else in here.
        trainer.progress_bar_metrics[self._name] = value
        if size != self._last:
            self._last = size
            # The step that Lightning's own LearningRateMonitor uses.
            step = trainer.fit_loop.epoch_loop._batches_that_stepped
            for logger in trainer.loggers:
                logger.log_metrics({self._name: value}, step=step)
