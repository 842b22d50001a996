"""Policies of targets that are smaller or larger than the images: "mask/4"."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

from upsize.schedule._shown import shown

__all__ = ["Scale", "check_policy", "parse_scale"]

_SCALABLE = ("disparity", "flow", "image", "mask")


class Scale(NamedTuple):
    """The size of a target: that of its image times ``times`` by ``parts``."""

    policy: str
    times: int
    parts: int

    def of(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """Return the size beside images of ``size``; None if it is not whole."""
        if size[0] % self.parts or size[1] % self.parts:
            return None
        return (
            size[0] * self.times // self.parts,
            size[1] * self.times // self.parts,
        )

    def __str__(self) -> str:
        return f"1/{self.parts} of" if self.parts > 1 else f"{self.times} times"


def parse_scale(policy: str) -> Scale | None:
    """Read a policy such as "mask/4" or "image*2"; None for any other text."""
    for sign in "/*":
        name, found, number = policy.partition(sign)
        if found and name in _SCALABLE and number.isdecimal() and int(number) > 1:
            factor = int(number)
            return Scale(name, 1, factor) if sign == "/" else Scale(name, factor, 1)
    return None


def check_policy(name: Hashable, policy: Any, policies: Iterable[str]) -> None:
    """Refuse what is not one of ``policies``, with a scale or without."""
    if policy in list(policies):  # a list: the policy may be unhashable
        return
    # No factor of an image has more digits.
    if isinstance(policy, str) and len(policy) < 12 and parse_scale(policy):
        return
    raise ValueError(
        f"targets[{shown(name)}] must be one of {', '.join(policies)}, "
        f"not {shown(policy)}; image, mask, flow and disparity may have a scale of 2 or more, as "
        '"mask/4" for a quarter of the pixels of the images, or "image*2"'
    )
