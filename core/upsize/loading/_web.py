"""WebDataset's loader: a pipeline around a ``DataLoader``."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch.utils.data import DataLoader

__all__ = ["batching_with", "check_stages", "is_web_loader"]

# Stages that make other batches of those that the workers have made.
_BATCHES_AGAIN = {
    "_unbatched": "unbatched",
    "_unlisted": "unlisted",
    "_shuffle": "shuffle",
    "_batched": "batched",
    "_listed": "listed",
}


def is_web_loader(loader: Any) -> bool:
    """Return whether this is a pipeline of WebDataset that begins with a loader."""
    stages = _stages(loader)
    return bool(stages) and issubclass(type(stages[0]), DataLoader)


def check_stages(loader: Any) -> None:
    """Refuse a pipeline that makes batches again in the main process.

    Raises:
        ValueError: Naming the stages, and the order that works.
    """
    names = [
        _BATCHES_AGAIN[name]
        for stage in loader.pipeline[1:]
        if (name := _name(stage)) in _BATCHES_AGAIN
    ]
    if names:
        stages = "".join(f".{name}()" for name in names)
        raise ValueError(
            f"{type(loader).__name__} makes other batches of those that its workers have "
            f"made ({stages}), so samples of several steps, which have other sizes, would "
            "be in one: shuffle in the dataset, before its images are decoded, as "
            "WebDataset(urls).shuffle(1000).decode(...).map(...), and give "
            "WebLoader(dataset, batch_size=...) the size of a batch"
        )


def batching_with(dataset: Any, prepare: Callable[[list[Any]], list[Any]]) -> Any:
    """Return a pipeline that prepares the samples of each batch that it makes.

    WebDataset makes the first sample of the next batch before it collates a batch.

    Args:
        dataset: Any dataset; one that is not such a pipeline is returned itself.
        prepare: Called with the samples of a batch; returns those that are collated.
    """
    stages = _stages(dataset)
    if not any(map(_batches, stages)):
        return dataset
    new = copy.copy(dataset)
    new.pipeline = [_prepared(s, prepare) if _batches(s) else s for s in stages]
    return new


def _stages(pipeline: Any) -> Sequence[Any]:
    """Return the stages of a pipeline of WebDataset; of anything else, none."""
    known = any(
        cls.__module__.startswith("webdataset.") for cls in type(pipeline).__mro__
    )
    return getattr(pipeline, "__dict__", {}).get("pipeline") or () if known else ()


def _name(stage: Any) -> str:
    """Return the name of the function that a stage is made of."""
    return getattr(getattr(stage, "f", None), "__name__", "")


def _batches(stage: Any) -> bool:
    return _name(stage) == "_batched"


def _prepared(stage: Any, prepare: Callable[[list[Any]], list[Any]]) -> Any:
    default = inspect.signature(stage.f).parameters["collation_fn"].default
    given = stage.kw.get("collation_fn", default)

    def collate(samples: list[Any]) -> Any:
        samples = prepare(samples)
        return samples if given is None else given(samples)

    new = copy.copy(stage)
    new.kw = stage.kw | {"collation_fn": collate}
    return new
