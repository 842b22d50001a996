"""The work on small copies: what is missing, how much disk it needs, and its making."""

from __future__ import annotations

import io
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from upsize.loading._copies._files import Made, Source, encode, image_files, make_copies
from upsize.loading._copies._manifest import Manifest
from upsize.loading._copies._settings import CopySettings, copy_size
from upsize.loading._images._files import open_file

__all__ = ["CopiesEstimate", "CopiesReport", "Job", "Track"]

Track = Callable[[Iterable[Any], int], Iterable[Any]]
_SAMPLES = 64
_NAMED = 5


@dataclass(frozen=True)
class CopiesEstimate:
    """What making small copies takes.

    Args:
        images: Images whose copies are to be made; those made already are not counted.
        bytes: About how much disk they need, by a sample of up to 64 images.
        free: Bytes that are free on the disk of the copies.
        settings: Sizes of samples that there are copies for, and the others.
    """

    images: int
    bytes: int
    free: int
    settings: CopySettings


@dataclass(frozen=True)
class CopiesReport:
    """What was done.

    Args:
        made: Images whose copies were made.
        kept: Images whose copies were there already.
        removed: Images that are there no longer, whose copies were removed.
        bytes: Of the copies made.
    """

    made: int
    kept: int
    removed: int
    bytes: int


class Job:
    """The images of a folder, and those of them whose copies are to be made."""

    def __init__(self, source: Path, target: Path, settings: CopySettings) -> None:
        if not source.is_dir():
            raise ValueError(f"{source}: no such folder of images")
        if target.is_file():
            raise ValueError(f"{target}: is a file; the copies need a folder")
        if target.resolve().is_relative_to(source.resolve()):
            raise ValueError(
                f"{target}: lies in the folder of the images, {source}, which would "
                "make its copies images, too: choose one beside it"
            )
        self.images = {image.name: image for image in image_files(source)}
        if not self.images:
            raise ValueError(f"{source}: no images in this folder")
        self.source, self.target, self.settings = source, target, settings
        self.manifest = Manifest(target, settings)
        self.missing = [
            image for image in self.images.values() if not self.manifest.has(image)
        ]

    def estimate(self) -> CopiesEstimate:
        """Make the copies of a few images in memory, and conclude from these."""
        sample = self.missing[:: max(1, -(-len(self.missing) // _SAMPLES))]
        total = 0
        for image in sample:
            total += self._bytes(image)
        needed = round(total * len(self.missing) / max(1, len(sample)))
        place = self.target.absolute()
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        return CopiesEstimate(len(self.missing), needed, free, self.settings)

    def _bytes(self, image: Source) -> int:
        buffer = io.BytesIO()
        try:
            with open_file(self.source / image.name) as file:
                for size in self.settings.sizes:
                    small = copy_size(file.size, size, self.settings)
                    if small is not None:
                        encode(file, small, image.name, self.settings.quality, buffer)
        except ValueError:
            pass  # named when it is copied
        return buffer.tell()

    def run(self, workers: int, track: Track) -> CopiesReport:
        """Make what is missing."""
        removed = self.manifest.begin(self.images)
        work = partial(make_copies, self.source, self.target, self.settings)
        wrong, made, total = [], 0, 0
        with closing(self.manifest), _results(work, self.missing, workers) as results:
            for result in track(results, len(self.missing)):
                if isinstance(result, str):
                    wrong.append(result)
                    continue
                self.manifest.add(result)
                made += 1
                total += sum(result.copies)
        if wrong:
            named = "\n".join(wrong[:_NAMED])
            more = f"\nand {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
            raise ValueError(
                f"{len(wrong)} of {len(self.images)} images have no small copies, all "
                f"others have; run it again when these are repaired or taken out:\n"
                f"{named}{more}"
            )
        kept = len(self.images) - len(self.missing)
        return CopiesReport(made, kept, removed, total)


def _end_with_parent() -> None:
    """End this worker process when the process that started it has been killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def wait() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _results(
    work: Callable[[Source], Made | str], images: Sequence[Source], workers: int
) -> Iterator[Iterable[Made | str]]:
    """Give the results of the images in order, from worker processes if any."""
    if workers == 0 or len(images) <= 1:
        yield map(work, images)
        return
    # No fork: the process may have threads, of torch or of a progress bar.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_end_with_parent)
    try:
        yield pool.map(work, images, chunksize=min(32, -(-len(images) // workers)))
    finally:
        pool.shutdown(cancel_futures=True)
