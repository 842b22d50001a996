"""The quality of a JPEG, estimated from its quantisation table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

__all__ = ["quality_of"]

# The luminance table of ITU-T T.81 (the JPEG standard), Annex K, table K.1.
_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
)


def _sum_at(quality: int) -> int:
    """Return the sum of the table that libjpeg makes for a quality.

    The formula is that of jpeg_quality_scaling and jpeg_add_quant_table in the
    Independent JPEG Group's libjpeg (jcparam.c), which libjpeg-turbo and Pillow keep.
    """
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(255, max(1, (each * scale + 50) // 100)) for each in _LUMINANCE)


# Negative, as a better quality has a smaller sum, and bisect needs them to rise.
_RISING = [-_sum_at(quality) for quality in range(1, 101)]


def quality_of(tables: Mapping[int, Sequence[int]]) -> int | None:
    """Return the quality of a JPEG, 1 to 100, by the sum of its luminance table.

    It is exact for files of libjpeg and its kin. For the tables of other encoders it is
    the quality whose table is as coarse in the mean, or the next lower one.

    Args:
        tables: Pillow's ``image.quantization``: by number, the luminance first.

    Returns:
        The quality; ``None`` where there is no table.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> data = io.BytesIO()
        >>> Image.new("RGB", (8, 8)).save(data, "JPEG", quality=75)
        >>> quality_of(Image.open(data).quantization)
        75
    """
    if not tables:
        return None
    # As many qualities are at least as coarse, and the first of all is 1.
    return max(1, bisect_right(_RISING, -sum(tables[min(tables)])))
