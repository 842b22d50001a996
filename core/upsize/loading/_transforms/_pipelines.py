"""What a pipeline of a known library applies to its samples, in that order.

By names alone, nothing is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any, NamedTuple

from torch.utils.data import IterableDataset

from upsize.loading._transforms._functions import attributes_called

__all__ = ["Pipeline", "functions_called", "pipeline_of"]

# Stages of WebDataset that call their arguments with a sample, or with a part of it.
_WEB_MAPS = ("_map", "_map_tuple", "_map_dict")


class Pipeline(NamedTuple):
    """The steps of a pipeline, and the attribute that holds them.

    A step is a dataset, something that is applied, or a dictionary of alternatives,
    each of which is applied to another part of a sample.
    """

    steps: list[Any]
    held_as: str


def pipeline_of(dataset: Any) -> Pipeline | None:
    """Return the steps of a dataset of WebDataset or Hugging Face, or of a data pipe."""
    held = getattr(dataset, "__dict__", {})
    modules = {cls.__module__.partition(".")[0] for cls in type(dataset).__mro__}
    if "webdataset" in modules and isinstance(held.get("pipeline"), list):
        stages = [each for stage in held["pipeline"] for each in _web(stage)]
        return Pipeline(stages, "pipeline")
    if "datasets" in modules and "_ex_iterable" in held:  # 2.0 to 5.2
        return Pipeline([*_hugging_face(held["_ex_iterable"])], "_ex_iterable")
    if "fn" in held and "datapipe" in held:  # of a Mapper and the like
        return Pipeline([held["datapipe"], held["fn"]], "fn")
    return None


def functions_called(dataset: Any) -> list[str]:
    """Return the attributes that a stream calls as it makes its samples, if functions.

    Objects that it calls may be anything, as a tokenizer.
    """
    if not isinstance(dataset, IterableDataset):
        return []
    held = getattr(dataset, "__dict__", {})
    return [
        name
        for name in attributes_called(dataset)
        if isinstance(held.get(name), FunctionType | MethodType)
    ]


def _web(stage: Any) -> Iterator[Any]:
    """Yield what a stage of WebDataset applies."""
    function = getattr(stage, "f", None)
    if function is None or type(stage).__name__ != "FilterFunction":
        if not _is_web(stage):
            yield getattr(stage, "run", stage)  # of the user's own
        return
    arguments = [*stage.args, *stage.kw.values()]
    if not _is_web(function):
        yield function
        yield from filter(callable, arguments)
    elif function.__name__ == "_map":
        for each in filter(callable, stage.args):
            # A decoder has its own functions, and those that the user has given.
            yield from getattr(each, "handlers", [each])
    elif function.__name__ in _WEB_MAPS:
        yield {n: each for n, each in enumerate(arguments) if not _is_web(each)}


def _is_web(value: Any) -> bool:
    of = value if isinstance(value, FunctionType) else type(value)
    return f"{of.__module__}.".startswith("webdataset.")


def _hugging_face(examples: Any) -> Iterator[Any]:
    """Yield what is mapped over streamed examples, from their source on."""
    held = getattr(examples, "__dict__", {})
    several = held.get("ex_iterables", ())
    inner = several.values() if isinstance(several, dict) else several
    for each in (held.get("ex_iterable"), *inner):
        if each is not None:
            yield from _hugging_face(each)
    if type(examples).__name__ == "MappedExamplesIterable":
        yield held["function"]
        yield from filter(callable, (held.get("fn_kwargs") or {}).values())
