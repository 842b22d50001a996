"""upsize.resize._geometry: against exact fractions, and against torchvision's own formats."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.core.newer_types import need_turned_boxes

from upsize.resize._bounds import check_bounds
from upsize.resize._geometry import (
    FORMATS,
    corners,
    scale_boxes,
    scale_points,
    too_thin,
)

sides = st.integers(17, 300)
sizes = st.tuples(sides, sides)
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


@st.composite
def boxes_on(draw, full, whole=False):
    """Corners x1 <= x2, y1 <= y2 on an image, in 1/64 pixels: exact in float32."""
    unit = 1 if whole else 64
    x = sorted(draw(st.tuples(*[st.integers(0, full[1] * unit)] * 2)))
    y = sorted(draw(st.tuples(*[st.integers(0, full[0] * unit)] * 2)))
    return [Fraction(v, unit) for v in (x[0], y[0], x[1], y[1])]


def exact(values, size, full):
    ratio = Fraction(size[1], full[1]), Fraction(size[0], full[0])
    return [value * ratio[i % 2] for i, value in enumerate(values)]


def as_format(values, form):
    x1, y1, x2, y2 = values
    if form == "XYWH":
        return [x1, y1, x2 - x1, y2 - y1]
    if form == "CXCYWH":
        return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    return values


def tensor(values, dtype=torch.float32):
    return torch.tensor([float(value) for value in values], dtype=dtype)


@pytest.mark.parametrize("form", ["XYXY", "XYWH", "CXCYWH"])
@settings(deadline=None)
@given(sizes, sizes, st.data())
def test_boxes_are_scaled_to_the_last_bit_but_one(form, full, size, data):
    drawn = data.draw(boxes_on(full))
    scaled = scale_boxes(tensor(as_format(drawn, form)), form, size, full)
    expected = as_format(exact(drawn, size, full), form)
    for value, wanted in zip(scaled.tolist(), expected, strict=True):
        assert value == pytest.approx(float(wanted), rel=2**-22, abs=0)


@settings(deadline=None)
@given(sizes, sizes, st.data())
def test_boxes_inside_stay_inside_and_edges_stay_edges(full, size, data):
    drawn = data.draw(boxes_on(full))
    boxes = torch.stack([tensor(drawn), tensor([0, 0, full[1], full[0]])])
    scaled = scale_boxes(boxes, "XYXY", size, full)
    assert scaled[1].tolist() == [0, 0, size[1], size[0]]
    assert (scaled[0] >= 0).all()
    assert (scaled[0] <= scaled[1, 2:].repeat(2)).all()
    assert (scaled[0, :2] <= scaled[0, 2:]).all()


@pytest.mark.parametrize("form", ["XYXY", "XYWH", "CXCYWH"])
@settings(deadline=None)
@given(sizes, sizes, st.data())
def test_whole_numbers_are_rounded_at_the_corners(form, full, size, data):
    drawn = data.draw(boxes_on(full, whole=True))
    values = as_format(drawn, form)
    assume(all(value.denominator == 1 for value in values))
    scaled = scale_boxes(torch.tensor([int(v) for v in values]), form, size, full)
    assert scaled.dtype == torch.int64
    wanted = [math.floor(value + Fraction(1, 2)) for value in exact(drawn, size, full)]
    expected = as_format([Fraction(value) for value in wanted], form)
    assert scaled.tolist() == [math.floor(value) for value in expected]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_rounded_once(dtype):
    boxes = torch.rand(50, 4).mul(200).to(dtype)
    scaled = scale_boxes(boxes, "XYXY", (224, 97), (300, 211))
    ratio = torch.tensor([97 / 211, 224 / 300] * 2, dtype=torch.float64)
    tolerance = 2 * torch.finfo(dtype).eps
    torch.testing.assert_close(
        scaled.double(), boxes.double() * ratio, rtol=tolerance, atol=0
    )
    assert scaled.dtype == dtype


def test_sixteen_bits_do_not_overflow():
    boxes = torch.tensor([[0, 0, 1000, 1000]], dtype=torch.float16)
    assert scale_boxes(boxes, "XYXY", (500, 500), (1000, 1000))[0, 2] == 500


@pytest.mark.parametrize(
    "dtype", [torch.int64, torch.int32, torch.int16, torch.float32]
)
@pytest.mark.parametrize("form", FORMATS)
def test_the_same_size_changes_nothing(form, dtype):
    boxes = torch.randint(1, 90, (9, FORMATS[form])).to(dtype)
    if len(form) < 5 or dtype.is_floating_point:
        scaled = scale_boxes(boxes, form, (99, 99), (99, 99))
        torch.testing.assert_close(scaled, boxes)
        assert scale_boxes(boxes[:0], form, (50, 9), (99, 99)).shape == boxes[:0].shape


# Rotated boxes


@settings(deadline=None)
@given(
    st.floats(0, 100), st.floats(0, 100), st.floats(1, 90), st.floats(1, 90),
    st.floats(-720, 720), st.sampled_from([0.5, 0.3125, 1.75]),
)  # fmt: skip
def test_rotated_boxes_keep_their_angle_where_the_aspect_ratio_is_kept(
    x, y, width, height, degrees, ratio
):
    size = (round(160 * ratio), round(320 * ratio))
    boxes = torch.tensor([[x, y, width, height, degrees]], dtype=torch.float64)
    expected = boxes * torch.tensor([ratio] * 4 + [1], dtype=torch.float64)
    for form in "CXCYWHR", "XYWHR":
        scaled = scale_boxes(boxes, form, size, (160, 320))
        torch.testing.assert_close(scaled, expected, rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(
    st.floats(20, 80), st.floats(1, 90), st.floats(1, 90), st.floats(-200, 200),
    sizes, sizes,
)  # fmt: skip
def test_rotated_boxes_keep_their_area_their_centre_and_their_width(
    centre, width, height, degrees, size, full
):
    boxes = torch.tensor(
        [[centre, 2 * centre, width, height, degrees]], dtype=torch.float64
    )
    ((x, y, new_width, new_height, turned),) = scale_boxes(
        boxes, "CXCYWHR", size, full
    ).tolist()
    right, down = size[1] / full[1], size[0] / full[0]
    assert (x, y) == pytest.approx((centre * right, 2 * centre * down))
    area = width * height * right * down
    assert new_width * new_height == pytest.approx(area)
    # The edge along the width goes where its two ends go.
    old, new = math.radians(degrees), math.radians(turned)
    along = width * math.cos(old) * right, width * math.sin(old) * down
    assert new_width * math.cos(new) == pytest.approx(along[0], abs=1e-9)
    assert new_width * math.sin(new) == pytest.approx(along[1], abs=1e-9)
    assert abs(turned - degrees) < 90


@settings(deadline=None)
@given(
    st.floats(20, 80), st.floats(1, 90), st.floats(1, 90), st.floats(-180, 180),
    sizes, sizes,
)  # fmt: skip
def test_both_formats_with_an_angle_are_one_box(
    centre, width, height, degrees, size, full
):
    need_turned_boxes()
    tv = pytest.importorskip("torchvision.transforms.v2.functional", reason="converts")
    box = torch.tensor([[centre, centre, width, height, degrees]], dtype=torch.float64)
    convert = tv.convert_bounding_box_format
    by_corner = convert(box, "CXCYWHR", "XYWHR")
    scaled = scale_boxes(by_corner, "XYWHR", size, full)
    torch.testing.assert_close(
        convert(scaled, "XYWHR", "CXCYWHR"), scale_boxes(box, "CXCYWHR", size, full)
    )


def test_right_angles_are_exact():
    boxes = torch.tensor(
        [[50.0, 40.0, 20.0, 10.0, 90.0], [50.0, 40.0, 20.0, 10.0, 0.0]]
    )
    upright, flat = scale_boxes(boxes, "CXCYWHR", (200, 50), (100, 100)).tolist()
    assert upright == pytest.approx([25, 80, 40, 5, 90])
    assert flat == pytest.approx([25, 80, 10, 20, 0])


def test_eight_numbers_are_four_points():
    boxes = torch.rand(6, 8) * 100
    scaled = scale_boxes(boxes, "XYXYXYXY", (37, 211), (100, 100))
    points = scale_points(boxes.reshape(6, 4, 2), (37, 211), (100, 100))
    assert torch.equal(scaled.reshape(6, 4, 2), points)


# What is said of boxes


def as_rotated(form, x1, y1, x2, y2):
    """A box of any format with these corners."""
    if form == "XYXYXYXY":
        return torch.tensor([[x1, y1, x2, y1, x2, y2, x1, y2]])
    if form == "XYWHR":
        return torch.tensor([[x1, y1, x2 - x1, y2 - y1, 0.0]])
    if form == "CXCYWHR":
        return torch.tensor([[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, 0.0]])
    return torch.tensor([as_format([x1, y1, x2, y2], form)])


@pytest.mark.parametrize("form", FORMATS)
def test_too_thin(form):
    assert not too_thin(as_rotated(form, 3.0, 3.0, 4.0, 4.0), form)
    assert too_thin(as_rotated(form, 3.0, 3.0, 3.9, 9.0), form)
    assert too_thin(as_rotated(form, 3.0, 3.0, 9.0, 3.9), form)
    assert too_thin(as_rotated(form, 9.0, 3.0, 3.0, 9.0), form) == (form != "XYXYXYXY")
    assert too_thin(torch.zeros(0, FORMATS[form]), form).sum() == 0


@pytest.mark.parametrize("form", FORMATS)
def test_corners_are_torchvisions(form):
    tv = pytest.importorskip("torchvision.transforms.v2.functional", reason="converts")
    boxes = torch.tensor([[10.0, 20, 30, 60], [4, 5, 6, 7]])
    if FORMATS[form] > 4:
        need_turned_boxes()
        turned = torch.tensor([[10.0, 20, 30, 60, 30], [4, 5, 6, 7, -110]])
        boxes = tv.convert_bounding_box_format(turned, "CXCYWHR", form)
        expected = tv.convert_bounding_box_format(turned, "CXCYWHR", "XYXYXYXY")
        expected = expected.reshape(2, 4, 2)
    else:
        boxes = tv.convert_bounding_box_format(boxes, "XYXY", form)
        expected = torch.tensor(
            [
                [[10.0, 20], [30, 20], [30, 60], [10, 60]],
                [[4, 5], [6, 5], [6, 7], [4, 7]],
            ]
        )
    torch.testing.assert_close(corners(boxes, form), expected)
    assert corners(boxes[:0], form).shape == (0, 4, 2)


# Points


@settings(deadline=None)
@given(sizes, sizes, st.data())
def test_points_and_a_visibility(full, size, data):
    x = Fraction(data.draw(st.integers(0, 64 * full[1])), 64)
    y = Fraction(data.draw(st.integers(0, 64 * full[0])), 64)
    points = tensor([x, y, 2]).expand(5, 17, 3)
    scaled = scale_points(points, size, full)
    wanted = [float(value) for value in exact([x, y], size, full)]
    assert scaled[4, 16].tolist() == pytest.approx([*wanted, 2], rel=2**-22, abs=0)
    assert (scaled[..., 0] <= size[1]).all()
    assert (scaled[..., 1] <= size[0]).all()
    assert scaled.shape == points.shape


@pytest.mark.parametrize("form", FORMATS)
def test_bounds(form):
    def check(*box):
        check_bounds(as_rotated(form, *box), form, (40, 60), "boxes")

    check(0.0, 0.0, 60.0, 40.0)
    check(-30.0, -30.0, 61.0, 41.0)
    check(70.0, 5.0, 90.0, 9.0)
    check_bounds(torch.zeros(0, FORMATS[form]), form, (40, 60), "boxes")
    for box in (
        (150.0, 5.0, 160.0, 9.0),
        (5.0, 90.0, 9.0, 95.0),
        (-90.0, 5.0, -80.0, 9.0),
    ):
        with pytest.raises(ValueError, match=f"1 boxes outside .* is {form} "):
            check(*box)
    with pytest.raises(ValueError, match="outside"):
        check(math.nan, 5.0, 9.0, 9.0)
