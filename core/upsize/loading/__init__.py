"""Loaders that make each image at the size that its step needs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from upsize._extras import require

require("torch", "torch", "Loaders")

from upsize.loading._collate import collate_tv_tensors
from upsize.loading._context import SampleSize, current_size, sample_size
from upsize.loading._sized import sized
from upsize.loading._stage import SizeStage, size_stage

if TYPE_CHECKING:
    from upsize.loading._copies._export import export_copies
    from upsize.loading._copies._read import CopyLoader
    from upsize.loading._copies._small_copies import (
        CopiesEstimate,
        CopiesReport,
        estimate_copies,
        small_copies,
    )
    from upsize.loading._crop import RandomResizedCropDecode
    from upsize.loading._images._decode import open_image
    from upsize.loading._resize import ResizeDecode

__all__ = [
    "CopiesEstimate",
    "CopiesReport",
    "CopyLoader",
    "RandomResizedCropDecode",
    "ResizeDecode",
    "SampleSize",
    "SizeStage",
    "collate_tv_tensors",
    "current_size",
    "estimate_copies",
    "export_copies",
    "open_image",
    "sample_size",
    "size_stage",
    "sized",
    "small_copies",
]

# These need Pillow or LMDB; everything else works without.
_OF_FILES = {
    "CopiesEstimate": "_copies._small_copies",
    "CopiesReport": "_copies._small_copies",
    "CopyLoader": "_copies._read",
    "RandomResizedCropDecode": "_crop",
    "ResizeDecode": "_resize",
    "estimate_copies": "_copies._small_copies",
    "export_copies": "_copies._export",
    "open_image": "_images._decode",
    "small_copies": "_copies._small_copies",
}


def __getattr__(name: str) -> Any:
    """Import what reads image files when it is asked for."""
    if name not in _OF_FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module(f"{__name__}._images._files")  # says how Pillow is installed
    return getattr(import_module(f"{__name__}.{_OF_FILES[name]}"), name)
