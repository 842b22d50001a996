"""upsize.plot.batch: what is drawn of each image at each size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from upsize.plot import STYLES, batch
from upsize.plot._pictures import pictures
from upsize.resize import Resizer
from upsize.schedule import Ramp

PLAN = Ramp(final_size=(32, 64), increase_by=16).plan(total_steps=40)
BLACK = torch.zeros(2, 3, 32, 64)


def labels(ax: Any) -> Any:
    """The picture that lies over the image; a row of colours for each row."""
    return ax.images[1].get_array()


def test_a_row_for_each_size_and_a_column_for_each_image() -> None:
    figure = batch(torch.rand(3, 1, 32, 64), PLAN, count=2)
    assert [ax.get_title("left") for ax in figure.axes] == [
        "16x32", "16x32", "24x48", "24x48", "32x64", "32x64",
    ]  # fmt: skip
    for ax in figure.axes:
        shape = tuple(map(int, ax.get_title("left").split("x")))
        assert ax.images[0].get_array().shape == shape
        # All on one scale: a small image is small.
        assert (ax.get_xlim(), ax.get_ylim()) == ((0, 64), (32, 0))
        assert ax.images[0].get_extent() == [0, shape[1], shape[0], 0]


def test_at_most_so_many_stages_with_the_first_and_the_last() -> None:
    long = Ramp(final_size=64, increase_by=1).plan(total_steps=400)
    titles = [
        ax.get_title("left") for ax in batch(BLACK[..., :32], PLAN_OF_32, count=1).axes
    ]
    assert titles == ["16x16", "32x32"]
    figure = batch(torch.zeros(1, 3, 64, 64), long, stages=3)
    assert [ax.get_title("left") for ax in figure.axes] == ["32x32", "48x48", "64x64"]


def test_windows_are_those_of_the_first_step_at_each_size() -> None:
    images = torch.rand(1, 1, 32, 64)
    resizer = Resizer(mode="crop", seed=4)
    figure = batch(images, PLAN, resizer=resizer)
    assert [stage.start for stage in PLAN.stages] == [0, 20, 30]
    for ax, (start, _, size) in zip(figure.axes, PLAN.stages, strict=True):
        cut = resizer(images, size, step=start)
        expected = pictures(cut, size, size, None, 1)[0].image
        assert np.array_equal(ax.images[0].get_array(), expected)


PLAN_OF_32 = Ramp(final_size=32, increase_by=16).plan(total_steps=40)


@pytest.mark.parametrize(("count", "stages"), [(0, 2), (1, 1)])
def test_too_little_to_draw_is_refused(count: int, stages: int) -> None:
    with pytest.raises(ValueError, match="count must be at least 1 and stages at"):
        batch(BLACK, PLAN, count=count, stages=stages)


def test_the_pixels_of_the_picture() -> None:
    mask = torch.zeros(1, 32, 64, dtype=torch.int64)
    mask[:, 8:16, 32:48] = 1
    mask[:, 16:24, 32:48] = 255
    boxes = torch.tensor([[[8.0, 8.0, 24.0, 24.0]]])
    points = torch.tensor([[[56.0, 16.0, 1.0], [60.0, 4.0, 0.0]]])
    resizer = Resizer(targets={1: "mask", 2: "boxes", 3: "keypoints"})
    figure = batch([BLACK[:1], mask, boxes, points], PLAN, resizer=resizer)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[..., :3] / 255

    def color(ax: Any, x: float, y: float) -> Any:
        column, row = ax.transData.transform((x, y))
        return drawn[round(drawn.shape[0] - 1 - row), round(column)]

    blue = np.array(to_rgb(STYLES[0].color))
    for ax, scale in zip(figure.axes, (0.5, 0.75, 1.0), strict=True):
        place = {"edge": (8, 16), "inside": (16, 16), "one": (40, 12), "ignored": (40, 20),
                 "point": (56, 16), "unseen": (60, 4), "none": (2, 2)}  # fmt: skip
        seen = {name: color(ax, x * scale, y * scale) for name, (x, y) in place.items()}
        assert seen["edge"] == pytest.approx(blue, abs=0.1)
        assert seen["point"] == pytest.approx(blue, abs=0.1)
        assert seen["one"] == pytest.approx(blue / 2, abs=0.02)
        assert seen["ignored"] == pytest.approx(np.full(3, 0.5), abs=0.02)
        for name in "inside", "unseen", "none":
            assert seen[name] == pytest.approx(np.zeros(3), abs=0.02), name
        if scale < 1:  # white where a larger image would be
            assert color(ax, 63, 31) == pytest.approx(np.ones(3))


def test_lists_of_images_and_typed_targets() -> None:
    tv = pytest.importorskip("torchvision.tv_tensors", reason="its typed tensors")
    data: Any = ([], [])
    for height, width in ((32, 64), (64, 32)):
        canvas = {"canvas_size": (height, width)}
        data[0].append(torch.randint(255, (3, height, width), dtype=torch.uint8))
        target = {
            "boxes": tv.BoundingBoxes([[4.0, 8, 10, 12]], format="XYWH", **canvas),
            "masks": tv.Mask(torch.ones(2, height, width, dtype=torch.bool)),
            "labels": torch.ones(1),
        }
        if hasattr(tv, "KeyPoints"):
            target["points"] = tv.KeyPoints([[[4.0, 8.0], [8.0, 4.0]]], **canvas)
        data[1].append(target)
    figure = batch(data, PLAN_OF_32)
    assert [ax.get_title("left") for ax in figure.axes[:2]] == ["16x32", "32x16"]
    (box,) = figure.axes[1].patches
    assert box.get_xy()[:3].tolist() == [[2, 4], [7, 4], [7, 10]]
    if hasattr(tv, "KeyPoints"):
        (line,) = figure.axes[1].lines
        assert [*line.get_xdata(), *line.get_ydata()] == [2, 4, 4, 2]
    # The second instance lies over the first.
    assert (labels(figure.axes[0])[..., :3] == to_rgb(STYLES[1].color)).all()


@pytest.mark.parametrize(
    ("mask", "style"),
    [
        (torch.ones(2, 1, 32, 64), 0),
        (torch.tensor([0.0, 0, 1])[:, None, None].expand(2, 3, 32, 64), 1),
        (torch.ones(2, 0, 32, 64, dtype=torch.bool), None),
        (torch.full((2, 32, 64), 8, dtype=torch.uint8), 0),
    ],
)
def test_masks_of_every_kind(mask: torch.Tensor, style: int | None) -> None:
    figure = batch((BLACK, mask), PLAN, resizer=Resizer(targets={1: "mask"}))
    colors = labels(figure.axes[0])
    if style is None:
        assert (colors == 0).all()
    else:
        assert (colors[..., :3] == to_rgb(STYLES[style].color)).all()


def test_single_images_videos_and_normalised_ones() -> None:
    boxes = torch.tensor([[1.0, 1, 9, 9], [2, 2, 3, 3]])
    resizer = Resizer(targets={1: "boxes", 2: "boxes"})
    sample = (torch.randn(3, 32, 64), boxes, torch.zeros(0, 4))
    figure = batch(sample, PLAN, resizer=resizer)
    assert len(figure.axes[0].patches) == 2
    values = figure.axes[-1].images[0].get_array()
    assert (values.min(), values.max()) == (0, 1)
    # Of another number than there are images: they belong to none.
    several = (torch.rand(3, 5, 3, 32, 64), boxes, None)
    figure = batch(several, PLAN, resizer=resizer)
    assert not figure.axes[0].patches
    assert figure.axes[0].images[0].get_array().shape == (16, 32, 3)
