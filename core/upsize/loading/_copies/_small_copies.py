"""Small copies of a folder of images, made once for the small phases of training."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from upsize.loading._copies._job import CopiesEstimate, CopiesReport, Job, Track
from upsize.loading._copies._settings import CopyEncoding, copy_settings
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
    quality: int | None = None,
    encoding: CopyEncoding = "jpeg",
    full_copy: int | None = None,
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
        quality: Highest of JPEG, 1 to 95; ``None``: 90.
        encoding: "jpeg" or "raw".
        full_copy: Shorter side in pixels of copies that take the place of the originals.

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
        >>> need.images, 1000 < need.bytes < 20000
        (3, True)
    """
    settings = copy_settings(
        plan=plan,
        sizes=sizes,
        full=full,
        most=most,
        least_scale=least_scale,
        quality=quality,
        encoding=encoding,
        full_copy=full_copy,
    )
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
    quality: int | None = None,
    encoding: CopyEncoding = "jpeg",
    full_copy: int | None = None,
    workers: int | None = None,
    track: Track = _plain,
) -> CopiesReport:
    """Make small copies of all images in a folder, for the small phases of training.

    A copy's shorter side is as long as samples of its size need so that the smallest
    crop is enlarged no more than it is at full size: ``size * shorter side of the
    original / full``, or ``size / sqrt(3/4 least_scale)`` where that is less. Images
    that are hardly larger get none. :class:`CopyLoader` reads them.

    Run it again to resume after it was stopped, or when images have changed: it makes
    the copies of new images, and of images whose bytes or time on the disk differ from
    those that it has read; it removes the copies of removed images, and makes all again
    when the settings differ. What a killed run has written is whole. Only one run at a
    time writes to a folder, while no process reads it.

    Args:
        source: Folder of the images, at any depth: files named as ImageFolder takes
            them (.jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp), or .jpe, .jfif, .pnm
            or .gif. Hidden ones are skipped. Links are followed; each folder is visited
            once.
        target: Folder of the copies, which are one LMDB store; made when it does not
            exist. It holds nothing else, and lies neither in ``source`` nor around it.
        plan: The plan of the run, from which the sizes are chosen so that it reads the
            fewest pixels.
        sizes: Instead of ``plan``: sizes of samples in pixels, each below ``full``, as
            one side or (height, width). A copy serves samples up to its size.
        full: The full size, with ``sizes``.
        most: At most this many copies of an image, with ``plan``.
        least_scale: The least share of an image's area that a crop takes: ``scale[0]``
            of RandomResizedCrop; 1.0 where the whole image is resized, with the side
            that the image is resized to as ``full``, and ``sizes`` in that ratio.
        quality: Highest quality of JPEG copies, 1 to 95; ``None``: 90. A copy has no
            higher one than its original, estimated from its quantisation table.
        encoding: "jpeg": copies of JPEG files are JPEG, those of all other files PNG,
            without loss. "raw": copies are plain pixels, which need no decoding and
            some ten times the disk; those of grey files have one byte a pixel.
        full_copy: Shorter side in pixels of one more copy, which takes the place of the
            original in a :class:`CopyLoader` with ``full_copy=True``: as 256 for a full
            size of 224. Small copies are then made for the crops of this one, so they
            are smaller. ``None``: none, samples of the full size come from the originals.
        workers: Processes that work at the same time, which import the main module of
            the program; 0: none, in this process. ``None``: one for each core.
        track: Called with the results to come and their number, as a progress bar is.

    Returns:
        How many images were copied, and how many bytes the copies have.

    Raises:
        ValueError: For a bad setting, a folder without images, a target that holds
            anything else or is in use, too little free disk, and, after all others are
            copied, for images that cannot be read; names the paths.
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
        >>> from upsize.loading import CopyLoader, sample_size
        >>> from upsize.schedule import Size
        >>> load = CopyLoader(root / "images", root / "small")
        >>> with sample_size(Size(112, 112), full=Size(224, 224)):
        ...     load(root / "images" / "a.jpg").size
        (250, 188)
    """
    settings = copy_settings(
        plan=plan,
        sizes=sizes,
        full=full,
        most=most,
        least_scale=least_scale,
        quality=quality,
        encoding=encoding,
        full_copy=full_copy,
    )
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
            "another disk, fewer sizes, a lower quality, or JPEG instead of raw"
        )
    return job.run(workers, track)
