"""Private attributes of Lightning, as they are in 2.4 and 2.6."""

from __future__ import annotations

from typing import Any

__all__ = [
    "batch_in_epoch",
    "epochs_done",
    "is_fetching_early",
    "is_measuring_batchnorm",
    "log_by",
    "logging_step",
    "restart_fetching",
    "set_drawn",
    "set_epoch_length",
    "training_collection",
    "training_loaders",
    "trains_on_nothing",
    "validation_interval",
]


def is_measuring_batchnorm(trainer: Any) -> bool:
    """Whether StochasticWeightAveraging only updates statistics of BatchNorm."""
    return bool(trainer.fit_loop._skip_backward)


def logging_step(trainer: Any) -> int:
    """Return the step that Lightning's own LearningRateMonitor logs at."""
    return int(trainer.fit_loop.epoch_loop._batches_that_stepped)


def is_fetching_early(trainer: Any) -> bool:
    """Whether a batch is drawn for what :func:`restart_fetching` throws away."""
    fetcher = trainer.fit_loop._data_fetcher
    return fetcher is not None and fetcher.length is None


def restart_fetching(trainer: Any) -> None:
    """Draw the first batch again: without a length, Lightning has drawn it already."""
    fetcher = trainer.fit_loop._data_fetcher
    if fetcher.length is None:
        iter(fetcher)


def set_drawn(trainer: Any, batches: int) -> None:
    """Set how many batches of an epoch are drawn, the last of which ends it."""
    trainer.fit_loop._data_fetcher.length = batches


def set_epoch_length(trainer: Any, batches: int) -> None:
    """Set how many batches an epoch has, and so when it validates within the epoch."""
    fit_loop, interval = trainer.fit_loop, validation_interval(trainer)
    limit = trainer.fast_dev_run
    fit_loop.max_batches = min(batches, int(limit)) if limit else batches
    if isinstance(interval, float):
        trainer.val_check_batch = max(1, int(fit_loop.max_batches * interval))


def validation_interval(trainer: Any) -> float | None:
    """Return ``val_check_interval``; ``None``: it is a time, from 2.6 on."""
    return getattr(trainer, "val_check_interval", None)


def trains_on_nothing(trainer: Any) -> bool:
    """Whether a fit, whose loaders are set up, ends before its first batch."""
    return 0 in (
        trainer.limit_train_batches,
        trainer.max_epochs,
        trainer.num_training_batches,
    )


def training_loaders(trainer: Any) -> list[Any]:
    """Return the training loaders, from any collection that the user gave."""
    return list(trainer.fit_loop._combined_loader.flattened)


def training_collection(trainer: Any) -> Any:
    """Return the training loaders in the containers that their batches come in."""
    return trainer.fit_loop._combined_loader.iterables


def batch_in_epoch(trainer: Any) -> int:
    """Return the index of the batch that the trainer is fetching, in its epoch."""
    return int(trainer.fit_loop.epoch_loop.batch_progress.current.ready)


def epochs_done(trainer: Any) -> int:
    """Return how many epochs are done; at the end of an epoch it counts already."""
    return int(trainer.fit_loop.epoch_progress.current.processed)


def log_by(trainer: Any, batch: Any, samples: int | None = None) -> None:
    """Weigh what is logged from now on by the samples of a batch, or by a number."""
    results = trainer._results
    results.batch, results.batch_size = batch, samples
