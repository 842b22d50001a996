"""Run a pipeline at two sizes, and look at what comes out."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.pipelines.pictures import BACKGROUND, OBJECT, STRIP
from tests.pipelines.rows import FULL, SMALL, Row, Seen, Setup
from torch import Tensor
from torch.utils import _pytree as pytree

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.resize import Resizer, resize
from upsize.schedule import Phases, Size
from upsize.schedule._ratio import in_ratio

__all__ = ["SCHEDULE", "check", "compare", "seed"]

SCHEDULE = Phases(phases=[(0, SMALL), (1, FULL)], final_size=FULL)


def check(row: Row, folder: Path) -> None:
    """Assert that a row says what becomes of its pipeline."""
    expected = _plain(row.make(folder))
    is_sized = not row.device
    if row.says is not None:
        # What has no cure but to leave `sized` out is refused by it.
        asks_sized = is_sized or row.line is None
        _message(row, row.make(folder), is_sized=asks_sized)
    if row.says is None or row.line is not None or row.device:
        _right(row, row.make(folder), expected, is_sized=is_sized)


def _message(row: Row, setup: Setup, *, is_sized: bool) -> None:
    """Assert that without a change there is an error or a warning of these words."""
    error = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _train(setup, None, is_sized=is_sized)
        except Exception as raised:
            error = raised
    if row.warns:
        assert error is None, error
        words = [str(each.message) for each in caught]
    else:
        assert error is not None, "not refused"
        words = [str(error), *getattr(error, "__notes__", [])]
    assert any(str(row.says) in each for each in words), words or "nothing was said"


def _right(row: Row, setup: Setup, expected: list[Any], *, is_sized: bool) -> None:
    """Assert that both epochs show what the plain loader shows, at their size."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seen, mismatched = _train(setup, row.line, is_sized=is_sized)
    words = [str(w.message) for w in caught if _is_ours(w)]
    if row.told is None:
        assert not words, words
    else:
        assert any(row.told in each for each in words), words or "nothing was said"
    assert mismatched == 0
    assert len(seen) == len(expected)
    for size, epoch, whole in zip((SMALL, FULL), seen, expected, strict=True):
        assert len(epoch) == len(whole) > 0
        for one, reference in zip(epoch, whole, strict=True):
            compare(one, reference, size, moves=setup.moves)


def _is_ours(warning: warnings.WarningMessage) -> bool:
    return issubclass(warning.category, UserWarning) and (
        "upsize" in warning.filename or "tests/pipelines" in warning.filename
    )


def _plain(setup: Setup) -> list[list[Seen]]:
    """Return what two epochs show without upsize."""
    if setup.train is not None:
        return setup.train(False)
    epochs = []
    for epoch in range(2):
        seed(epoch)
        batches = (_after(setup, batch) for batch in setup.loader)
        epochs.append([setup.see(batch) for batch in batches])
    return epochs


def _train(
    setup: Setup, line: str | None, *, is_sized: bool
) -> tuple[list[list[Seen]], int]:
    """Return what two epochs show with upsize, and the batches of a wrong size."""
    if setup.train is not None:
        return setup.train(True), 0
    steps = setup.steps or len(setup.loader)
    names = {
        **setup.names,
        "loader": setup.loader,
        "resizer": Resizer(),
        "Resizer": Resizer,
        "sized": sized,
    }
    if line is not None and "sized(" not in line:
        exec(line, names)
    seed(0)
    names["resize"] = run = ProgressiveResize(
        SCHEDULE,
        epochs=2,
        steps_per_epoch=steps,
        **{"resizer": names["resizer"], **setup.keys},
    )
    if line is not None and "sized(" in line:
        exec(line, names)
    elif is_sized:
        names["loader"] = sized(names["loader"], run)
    epochs = []
    for epoch in range(2):
        seed(epoch)
        batches = names["loader"]
        if setup.after is None:
            batches = run.batches(batches)
        else:
            batches = _by_hand(setup, run, batches)
        epochs.append([setup.see(batch) for batch in batches])
    return epochs, run.mismatched


def _by_hand(setup: Setup, run: ProgressiveResize, loader: Any) -> Any:
    for batch in loader:
        yield run(_after(setup, batch))
        run.step()


def _after(setup: Setup, batch: Any) -> Any:
    return batch if setup.after is None else setup.after(batch)


def seed(number: int) -> None:
    """Begin an epoch: every source of chance that pipelines draw from."""
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 - what pipelines draw from
    torch.manual_seed(number)


def compare(seen: Seen, whole: Seen, size: int, *, moves: float) -> None:
    """Assert that a batch shows at a size what another one shows at full size."""
    assert len(seen.images) == len(whole.images) > 0
    for image, other in zip(seen.images, whole.images, strict=True):
        full = Size(*other.shape[-2:])
        wanted = in_ratio(full, Size(size, size), of=Size(FULL, FULL))
        assert image.shape == (*other.shape[:-2], *wanted), (image.shape, wanted)
        _same_part(image, other, moves=moves)
    for labels, image in zip(seen.masks, seen.images, strict=bool(seen.masks)):
        _mask_fits(labels.reshape(labels.shape[-2:]), image)
    for values, image in zip(seen.maps, seen.images, strict=bool(seen.maps)):
        blue = resize(image[2:3].float(), tuple(values.shape[-2:]))
        error = (values.reshape(blue.shape) - blue).abs().mean()
        assert error < 0.02, float(error)
    for edges, image in zip(seen.boxes, seen.images, strict=bool(seen.boxes)):
        _box_fits(edges, image)
    for point, image in zip(seen.points, seen.images, strict=bool(seen.points)):
        _point_fits(point, image)
    counts = [len(v) for k, v in vars(seen).items() if k != "rest"]
    assert counts == [len(v) for k, v in vars(whole).items() if k != "rest"]
    leaves, others = pytree.tree_leaves(seen.rest), pytree.tree_leaves(whole.rest)
    assert len(leaves) == len(others)
    for leaf, kept in zip(leaves, others, strict=True):
        same = torch.equal(leaf, kept) if isinstance(leaf, Tensor) else leaf == kept
        assert same, (leaf, kept)


def _same_part(image: Tensor, other: Tensor, *, moves: float) -> None:
    """Assert that an image shows as much of its picture as the one at full size."""
    if not moves and image.shape == other.shape:
        assert torch.equal(image, other), "not the same at full size"
    elif not moves:
        smaller = resize(other.float(), tuple(image.shape[-2:]))
        error = (image.float() - smaller).abs()
        assert error.mean() < 0.03, f"off by {float(error.mean()):.3f} on average"
    for channel in (0, 1) if moves else ():
        part, wanted = image[channel].float(), other[channel].float()
        shown = float(part.max() - part.min())
        whole = float(wanted.max() - wanted.min())
        assert abs(shown - whole) < moves, f"shows {shown:.2f} instead of {whole:.2f}"


def _object(image: Tensor) -> Tensor:
    return image[2].float() > 0.5


def _mask_fits(labels: Tensor, image: Tensor) -> None:
    values = {int(value) for value in labels.unique()}
    assert values <= {BACKGROUND, OBJECT, STRIP}, f"invented labels: {values}"
    blue = resize(image[2:3].float(), tuple(labels.shape))[0] > 0.5
    wrong = ((labels == OBJECT) != blue).float().mean()
    assert wrong < 0.05, f"{float(wrong):.0%} of the mask is off its object"


def _edges(image: Tensor) -> list[float]:
    ys, xs = torch.nonzero(_object(image), as_tuple=True)
    return [float(v) for v in (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)]


def _box_fits(edges: Tensor, image: Tensor) -> None:
    found = _edges(image)
    given = [float(edge) for edge in edges]
    off = max(abs(a - b) for a, b in zip(given, found, strict=True))
    assert off < 1.5, f"the box is {given}, the object {found}"


def _point_fits(point: Tensor, image: Tensor) -> None:
    left, top, right, bottom = _edges(image)
    middle = ((left + right) / 2, (top + bottom) / 2)
    off = max(abs(float(a) - b) for a, b in zip(point, middle, strict=True))
    assert off < 1.5, f"the point is {point.tolist()}, the object's middle {middle}"
