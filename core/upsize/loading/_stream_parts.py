"""The parts of a loader that makes the images of a stream at the sizes of their steps."""

from __future__ import annotations

from typing import Any

from torch.utils.data import BatchSampler

from upsize.loading._maker import SetSize
from upsize.loading._stream_collate import StreamCollate
from upsize.loading._streams import SizedStream
from upsize.loading._tokens import TokenSampler
from upsize.loading._uniform import RemadeCount, UniformSize
from upsize.loading._waste import Waste
from upsize.loading._window import WindowCutter
from upsize.run._size_source import SizeSource, resizer_of

__all__ = ["stream_parts"]


def stream_parts(
    loader: Any,
    source: SizeSource,
    set_size: SetSize | None,
    in_collate: bool,
    outer: Any,
    cutter: WindowCutter | None,
) -> dict[str, Any]:
    """Return the parts of a loader that makes the images of a stream at its sizes.

    Args:
        loader: A loader of an iterable dataset.
        source: Tells the sizes.
        set_size: Gives the dataset another size; ``None``: its transforms are found.
        in_collate: Whether ``collate_fn`` has the transforms.
        outer: What knows the length of a pass: the loader, or a pipeline around it.
        cutter: Cuts windows of full-size batches; ``None``: samples are made small.
    """
    alone = loader.batch_sampler is None
    # As for batches of one: each is one sample of the stream.
    inner = BatchSampler(loader.sampler, 1, False) if alone else loader.batch_sampler
    count, resizer = RemadeCount(loader.num_workers), resizer_of(source)
    full = source.final_size
    uniform = UniformSize(full, count, resizer, whole=alone)
    own = UniformSize(full, count, resizer, ahead=1)
    waste, drop_last = Waste(loader.num_workers), loader.drop_last
    stream = SizedStream(
        loader.dataset, set_size, alone, None if cutter else own, waste, drop_last
    )
    is_resumed = stream._upsize_is_resumed
    return {
        "dataset": stream,
        "batch_sampler": TokenSampler(inner, source, outer, count, waste, is_resumed),
        "collate_fn": StreamCollate(
            loader.collate_fn,
            in_collate,
            cutter,
            alone,
            None if in_collate or cutter else uniform,
        ),
    }
