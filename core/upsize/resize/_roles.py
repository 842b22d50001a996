"""Which leaf of a batch is an image, which a target, and which is left alone."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

from upsize.resize._container_types import holds_tensors, not_a_container
from upsize.resize._containers import Leaves
from upsize.resize._coordinates import BOXES, KEYPOINTS
from upsize.resize._listed import looks_listed
from upsize.resize._looks import APART, IMAGE, standing
from upsize.resize._policies import CANDIDATE, INPUT, POINTS, POLICIES
from upsize.resize._scaled import check_policy
from upsize.resize._shown import Path, label, spell
from upsize.schedule import Size
from upsize.schedule._shown import shown
from upsize.schedule._size import is_listed

__all__ = ["Role", "assign", "image_paths", "no_image", "target_policies"]

Role: TypeAlias = tuple[Path, Any, str | None]
_SHOWN = 12


def image_paths(images: Hashable | list[Any] | None) -> list[Path]:
    """Return what ``images`` names as paths, or refuse it."""
    if images is None:
        return []
    names: list[Any] = [images]
    if not isinstance(images, tuple) and is_listed(images):
        names = list(images)
    if not names:
        raise ValueError("images must name one image at least, not []; None finds them")
    return [_as_path(name, "images") for name in names]


def target_policies(targets: Mapping[Any, str] | None) -> dict[Path, str]:
    """Return ``targets`` with paths as keys, or refuse it."""
    if targets is None:
        return {}
    if not isinstance(targets, Mapping):
        raise TypeError(
            'targets must be a mapping such as {"mask": "mask"}, not '
            f"{shown(targets)}"
        )
    for name, policy in targets.items():
        check_policy(name, policy, POLICIES)
    return {_as_path(name, "targets"): policy for name, policy in targets.items()}


def assign(
    batch: Any, leaves: Leaves, named: Mapping[Path, str], automatic: bool
) -> list[Role]:
    """Give (path, leaf, role) of every leaf: as named, as typed, as it may look."""
    roles: list[Role] = []
    first = True
    listed: dict[Path, bool] = {}
    for path, leaf in leaves:
        role = _named_role(path, named) if named else None
        if isinstance(leaf, Tensor):
            if role != "keep":
                role = _typed_role(leaf, role)
            if role is None and automatic and _may_be_image(leaf):
                is_one = leaf.ndim > 3 or _is_one(batch, path, first, listed)
                role = CANDIDATE if is_one else None
            first = False
            if role and role != "keep" and leaf.is_nested:
                raise TypeError(
                    f"{label(path)} is a nested tensor, whose images have no common "
                    "size: give them as a list of tensors (unbind), or leave it alone "
                    f'by targets={{{spell(path)}: "keep"}}'
                )
        roles.append((path, leaf, role))
    return roles


def _named_role(path: Path, named: Mapping[Path, str]) -> str | None:
    """Give the role of the longest named path that leads to ``path``."""
    for stop in range(len(path), -1, -1):
        if path[:stop] in named:
            return named[path[:stop]]
    return None


def _typed_role(leaf: Tensor, named: str | None) -> str | None:
    """Give the role that was ``named``, or that the type of ``leaf`` asks for."""
    # Whoever holds one of these types has imported its module: we need not.
    vision: Any = sys.modules.get("torchvision.tv_tensors")
    if vision is not None and isinstance(leaf, vision.TVTensor):
        if isinstance(leaf, vision.Mask):
            return named or "mask"
        if not isinstance(leaf, vision.Image | vision.Video):
            typed = BOXES if isinstance(leaf, vision.BoundingBoxes) else KEYPOINTS
            # Beside images, in a container that is named as one, they are none.
            return typed if named in (None, INPUT) else named
        return named or INPUT
    fastai: Any = sys.modules.get("fastai.vision.core")
    if fastai is not None and isinstance(leaf, fastai.TensorImageBase):
        return named or ("mask" if isinstance(leaf, fastai.TensorMask) else INPUT)
    if fastai is not None and isinstance(leaf, fastai.TensorPoint):
        return named or POINTS  # TensorBBox is one, too
    return named


def _may_be_image(leaf: Tensor) -> bool:
    """Whether an untyped tensor has the dtype and the rank of images."""
    return leaf.ndim >= 3 and (leaf.dtype == torch.uint8 or leaf.is_floating_point())


def _is_one(batch: Any, path: Path, first: bool, listed: dict[Path, bool]) -> bool:
    """Whether a tensor of 3 dims may be an image.

    Args:
        batch: The batch.
        path: Where the tensor is.
        first: Whether it is the first tensor.
        listed: What is known of containers: whether they are lists of images.
    """
    parent = path[:-1]
    if parent not in listed:
        listed[parent] = looks_listed(batch, parent) and standing(parent) != APART
    if listed[parent]:
        return True
    called = standing(path)
    return called == IMAGE or (first and called != APART)


def no_image(roles: list[Role], sizes: tuple[Size, Size] | None) -> str:
    """Say what there is instead of an image, and how to name one."""
    found = [f"{label(path)}: {_described(leaf)}" for path, leaf, _ in roles[:_SHOWN]]
    if len(roles) > _SHOWN:
        found.append(f"and {len(roles) - _SHOWN} more")
    of_size = f" of {sizes[0]} or {sizes[1]} pixels" if sizes else ""
    there = f"no image{of_size} in the batch, but {'; '.join(found) or 'nothing'}. "
    for path, leaf, _ in roles:
        if holds_tensors(leaf):
            return there + not_a_container(path, leaf)
    return there + (
        "An image is a floating or uint8 tensor of 4 or more dims (3 if it comes "
        'first, or under the key "image"); name any other by its key, index or path: images="pixel_values", '
        'images=0, images=("inputs", 0)'
    )


def _described(leaf: Any) -> str:
    if not isinstance(leaf, Tensor):
        return type(leaf).__name__
    return f"{leaf.dtype} {'nested' if leaf.is_nested else tuple(leaf.shape)}"


def _as_path(name: Hashable, where: str) -> Path:
    """Return one key or index, or a tuple of them, as a path."""
    try:
        hash(name)
    except TypeError:
        raise TypeError(
            f"{where} must name a key, an index, or a tuple of them as a path, "
            f"not {shown(name)}"
        ) from None
    return name if isinstance(name, tuple) else (name,)
