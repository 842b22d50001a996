"""The work on small copies: what is missing, how much disk it needs, and its making."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from upsize.loading._copies._folder import check_apart, check_target
from upsize.loading._copies._make import Made, make_copies
from upsize.loading._copies._pool import in_processes
from upsize.loading._copies._readers import Reader, open_reader
from upsize.loading._copies._settings import CopySettings
from upsize.loading._copies._writer import Writer
from upsize.loading._images._folder import Found, LeftOut, list_images, shown

__all__ = ["CopiesEstimate", "CopiesReport", "Job", "Track"]

Track = Callable[[Iterable[Any], int], Iterable[Any]]
_SAMPLES = 64
# A transaction takes this much at most: what a killed run loses.
_MOST_IMAGES, _MOST_BYTES = 256, 1 << 24
# Images that a worker process makes the copies of before it hands them over; raw
# copies are some ten times as large, and wait in memory.
_AT_ONCE, _RAW_AT_ONCE = 32, 4
_NAMED = 100


@dataclass(frozen=True)
class CopiesEstimate:
    """The work and the disk space that making small copies needs.

    Args:
        images: Images to copy, without those whose copies exist.
        bytes: Estimated disk space of the copies, from a sample of up to 64 images.
        free: Free bytes on the disk of the copies.
        settings: Sizes of samples and the other settings of the copies.
        lowered: Estimated number of JPEG copies with a lower quality than
            ``settings.quality``, because their originals have a lower one.
    """

    images: int
    bytes: int
    free: int
    settings: CopySettings
    lowered: int = 0


@dataclass(frozen=True)
class CopiesReport:
    """The result of making small copies.

    Args:
        made: Images that were copied.
        kept: Images whose copies were up to date.
        removed: Images that no longer exist, whose copies were removed.
        bytes: Size of the new copies.
        lowered: JPEG copies with a lower quality than asked for, because their
            originals have a lower one.
    """

    made: int
    kept: int
    removed: int
    bytes: int
    lowered: int = 0


@dataclass(frozen=True)
class _ToDo:
    """What a store lacks: images to copy, images to remove, other settings."""

    missing: list[Found]
    removed: list[str]
    settings: bool


class Job:
    """The images of a folder, and those of them whose copies are to be made."""

    def __init__(self, source: Path, target: Path, settings: CopySettings) -> None:
        check_apart(source, target, "the folder of the copies")
        reader = open_reader(target) if check_target(target) else None
        self._listing = list_images(source)
        if not self._listing.images:
            named = "".join(f"\n{each.why}" for each in self._listing.left_out[:_NAMED])
            raise ValueError(f"{shown(source)}: no images in this folder{named}")
        self.source, self.target, self.settings = source, target, settings
        self._todo = self._compare(reader)

    def _compare(self, store: Reader | Writer | None) -> _ToDo:
        """Compare the images with the store's."""
        images = self._listing.images
        if store is None or store.found != self.settings:
            return _ToDo([*images.values()], [], True)
        done = store.images()
        missing = [each for each in images.values() if done.get(each.name) != each]
        # A folder that cannot be read today may be there again tomorrow.
        unread = {each.name for each in self._listing.left_out}
        removed = [
            name
            for name in done
            if name not in images
            and unread.isdisjoint(map(str, PurePosixPath(name).parents))
        ]
        return _ToDo(missing, removed, False)

    def estimate(self) -> CopiesEstimate:
        """Make the copies of a few images, and conclude from these."""
        missing = self._todo.missing
        sample = missing[:: max(1, -(-len(missing) // _SAMPLES))]
        total = lowered = 0
        for image in sample:
            made = make_copies(self.source, self.settings, image)
            if isinstance(made, Made):
                total, lowered = total + made.disk, lowered + made.lowered
        needed, lowered = (
            round(each * len(missing) / max(1, len(sample)))
            for each in (total, lowered)
        )
        place = self.target.absolute()
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        return CopiesEstimate(len(missing), needed, free, self.settings, lowered)

    def run(self, workers: int, track: Track) -> CopiesReport:
        """Make what is missing, name what cannot be copied; write nothing if all is there.

        Raises:
            ValueError: When something was left out; after all else is done.
        """
        wrong, todo = self._listing.left_out, self._todo
        report = CopiesReport(0, len(self._listing.images), 0, 0)
        if todo.missing or todo.removed or todo.settings:
            with Writer(self.target) as store:
                todo = self._compare(store)  # another run may have ended meanwhile
                store.begin(self.settings)
                report, failed = self._make(store, todo, workers, track)
            wrong = wrong + failed
        if wrong:
            named = "\n".join(each.why for each in wrong[:_NAMED])
            more = f"\nand {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
            raise ValueError(
                f"{len(wrong)} left out; {report.made + report.kept} images have their "
                "copies. Repair or remove these and run this again, or train without "
                f"them:\n{named}{more}"
            )
        return report

    def _make(
        self, store: Writer, todo: _ToDo, workers: int, track: Track
    ) -> tuple[CopiesReport, list[LeftOut]]:
        """Make what is missing, in transactions."""
        for start in range(0, len(todo.removed), _MOST_IMAGES):
            store.update([], todo.removed[start : start + _MOST_IMAGES])
        work = partial(make_copies, self.source, self.settings)
        batch: list[Made] = []
        wrong: list[LeftOut] = []
        made = total = waiting = lowered = 0
        at_once = _RAW_AT_ONCE if self.settings.encoding == "raw" else _AT_ONCE
        with in_processes(work, todo.missing, workers, at_once) as results:
            for result in track(results, len(todo.missing)):
                if isinstance(result, LeftOut):
                    wrong.append(result)
                    continue
                batch.append(result)
                made, total = made + 1, total + result.bytes
                waiting += result.bytes
                lowered += result.lowered
                if len(batch) >= _MOST_IMAGES or waiting >= _MOST_BYTES:
                    store.update(batch, [])
                    batch, waiting = [], 0
        # An image that was copied once and cannot be read now has changed.
        store.update(batch, [each.name for each in wrong])
        kept = len(self._listing.images) - len(todo.missing)
        removed = len(todo.removed)
        return CopiesReport(made, kept, removed, total, lowered), wrong
