"""Small copies of a folder of images, made once for the small phases of training."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from upsize.loading._copies._job import CopiesEstimate, CopiesReport, Job, Track
from upsize.loading._copies._settings import copy_settings
from upsize.schedule import Plan

__all__ = ["CopiesEstimate", "CopiesReport", "estimate_copies", "small_copies"]


def _plain(results: Iterable[Any], count: int) -> Iterable[Any]:
    del count
    return results


def estimate_copies(
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    plan: Plan | None = None,
    sizes: Sequence[int | tuple[int, int]] | None = None,
    full: int | tuple[int, int] | None = None,
    most: int = 2,
    least_scale: float = 0.08,
    quality: int = 90,
) -> CopiesEstimate:
    """Say how much disk :func:`small_copies` will need; writes nothing.

    Args:
        source: Folder of the images.
        target: Folder of the copies, which need not be there.
        plan: The plan of the run.
        sizes: Instead of ``plan``: sizes of samples in pixels.
        full: The full size, with ``sizes``.
        most: At most this many copies of an image, with ``plan``.
        least_scale: The least share of an image's area that a crop takes.
        quality: Of JPEG, 1 to 95.

    Raises:
        ValueError: For a bad setting, or a folder without images; names it.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "images").mkdir()
        >>> for n in range(3):
        ...     Image.new("RGB", (500, 375)).save(root / "images" / f"{n}.jpg")
        >>> need = estimate_copies(root / "images", root / "small", sizes=[112], full=224)
        >>> need.images, 1000 < need.bytes < 10000
        (3, True)
    """
    settings = copy_settings(plan, sizes, full, most, least_scale, quality)
    return Job(Path(source), Path(target), settings).estimate()


def small_copies(
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    plan: Plan | None = None,
    sizes: Sequence[int | tuple[int, int]] | None = None,
    full: int | tuple[int, int] | None = None,
    most: int = 2,
    least_scale: float = 0.08,
    quality: int = 90,
    workers: int | None = None,
    track: Track = _plain,
) -> CopiesReport:
    """Make small copies of all images in a folder, for the small phases of training.

    A copy's shorter side is as long as samples of its size need so that the smallest
    crop is enlarged no more than it is at full size: ``size * shorter side of the
    original / full``, or ``size / sqrt(3/4 least_scale)`` where that is less. Images
    that are hardly larger get none. :class:`CopyLoader` reads them.

    Run it again to go on after it was stopped, or when images have changed: it makes
    what is missing, what is older than its image or has another size on disk than it
    was written with, and everything when the settings are others. Each copy comes to
    its place whole. Only one run at a time may write to a folder.

    Args:
        source: Folder of the images, at any depth; hidden ones are left out.
        target: Folder of the copies, in folders named by the size of the samples; made
            when it is not there. Not in ``source``.
        plan: The plan of the run, from which the sizes are chosen so that it reads the
            fewest pixels.
        sizes: Instead of ``plan``: sizes of samples in pixels, each below ``full``, as
            one side or (height, width). A copy serves samples up to its size.
        full: The full size, with ``sizes``.
        most: At most this many copies of an image, with ``plan``.
        least_scale: The least share of an image's area that a crop takes: ``scale[0]``
            of RandomResizedCrop; 1.0 where the whole image is resized, with the side
            that the image is resized to as ``full``, and ``sizes`` in that ratio.
        quality: Of the copies of .jpg files, which are JPEG, 1 to 95. Those of all other
            files are PNG, without loss.
        workers: Processes that work at the same time, which import the main module of
            the program; 0: none, in this process. ``None``: one for each core.
        track: Called with the results to come and their number, as a progress bar is.

    Returns:
        How many images were copied, and how many bytes the copies have.

    Raises:
        ValueError: For a bad setting, a folder without images, too little free disk,
            and, after all others are copied, for images that cannot be read; names the
            paths.
        OSError: When a folder cannot be read or written.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "images").mkdir()
        >>> Image.new("RGB", (500, 375)).save(root / "images" / "a.jpg")
        >>> small_copies(
        ...     root / "images", root / "small", sizes=[112], full=224, workers=0
        ... ).made
        1
        >>> from upsize.loading import open_image
        >>> open_image(root / "small" / "112x112" / "a.jpg").size
        (250, 188)
    """
    settings = copy_settings(plan, sizes, full, most, least_scale, quality)
    if workers is None:
        workers = os.cpu_count() or 1
    elif workers < 0:
        raise ValueError(f"workers must be a number of processes from 0, not {workers}")
    job = Job(Path(source), Path(target), settings)
    need = job.estimate()
    if need.bytes > need.free:
        raise ValueError(
            f"{target}: the copies of {need.images} images need about "
            f"{need.bytes / 1e9:.2f} GB, and {need.free / 1e9:.2f} GB are free: choose "
            "another disk, fewer sizes or a lower quality"
        )
    return job.run(workers, track)
