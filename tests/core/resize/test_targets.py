"""upsize.resize.Resizer: what must follow the images."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from upsize.loop import ProgressiveResize
from upsize.resize import Resizer, resize
from upsize.schedule import Ramp, Size

tv = pytest.importorskip("torchvision.tv_tensors", reason="needs its typed tensors")

FULL, SMALL = (32, 48), (16, 12)
sides = st.integers(17, 300)
sizes = st.tuples(sides, sides)


def image(*size, n=2):
    return torch.rand(n, 3, *(size or FULL))


def extent(mask):
    """Left, top, right, bottom of what is set; None where nothing is."""
    rows, columns = mask.any(-1).nonzero(), mask.any(-2).nonzero()
    if not len(rows):
        return None
    return [int(v) for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]


def rectangle(data, size):
    """Corners of at least a pixel on an image of ``size``."""
    x = data.draw(st.integers(0, size[1] - 1))
    y = data.draw(st.integers(0, size[0] - 1))
    right = data.draw(st.integers(x + 1, size[1]))
    return x, y, right, data.draw(st.integers(y + 1, size[0]))


# Geometry: the image, the mask and the box of one object go together.


@settings(deadline=None, max_examples=150)
@given(sizes, sizes, st.data())
def test_masks_and_boxes_measure_the_same(full, size, data):
    x1, y1, x2, y2 = rectangle(data, full)
    mask = torch.zeros(1, *full, dtype=torch.int64)
    mask[:, y1:y2, x1:x2] = 7
    batch = {
        "image": (mask[:, None] > 0).float(),
        "mask": mask,
        "instances": tv.Mask(mask > 0),
        "boxes": torch.tensor([[x1, y1, x2, y2]], dtype=torch.float32),
    }
    resizer = Resizer(targets={"mask": "mask", "boxes": "boxes"})
    small = resizer(batch, size)
    (box,) = small["boxes"].tolist()
    ratio = [size[1] / full[1], size[0] / full[0]] * 2
    wanted = [v * r for v, r in zip((x1, y1, x2, y2), ratio, strict=True)]
    assert box == pytest.approx(wanted, rel=2**-22)
    for seen in (small["mask"][0] == 7, small["instances"][0]):
        measured = extent(seen.as_subclass(torch.Tensor))
        if measured is not None:
            assert measured == pytest.approx(box, abs=0.5 + 1e-4)
    # The middle of its light in the image: blended, and never moved.
    light = small["image"][0, 0].double()
    if x2 - x1 > 2 and y2 - y1 > 2 and light.sum() > 0:
        for dim, low, high in ((0, 0, 2), (1, 1, 3)):
            weights = light.sum(dim)
            places = torch.arange(len(weights)) + 0.5
            middle = float((weights * places).sum() / weights.sum())
            assert middle == pytest.approx((box[low] + box[high]) / 2, abs=0.5)


@settings(deadline=None)
@given(sizes, sizes, st.integers(0, 2**32 - 1))
def test_label_sets_never_gain_a_value(full, size, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 5, (1, *full), generator=generator)
    labels[labels == 4] = 255  # to be ignored
    onehot = torch.nn.functional.one_hot(labels.clamp(max=4), 5).permute(0, 3, 1, 2)
    batch = [image(*full, n=1), labels, onehot.float(), labels > 2]
    targets = dict.fromkeys((1, 2, 3), "mask")
    _, small, soft, flags = Resizer(targets=targets)(batch, size)
    assert set(small.unique().tolist()) <= set(labels.unique().tolist())
    assert small.dtype == torch.int64
    assert (soft.sum(1) == 1).all()
    assert set(soft.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(flags, small > 2)
    assert flags.dtype == torch.bool


@settings(deadline=None)
@given(sizes, sizes, st.data())
def test_a_keypoint_stays_on_its_pixel(full, size, data):
    x, y, *_ = rectangle(data, full)
    mask = torch.zeros(1, *full, dtype=torch.bool)
    mask[:, y, x] = True
    points = torch.tensor([[[x + 0.5, y + 0.5, 2.0]]])
    targets = {1: "mask", 2: "keypoints"}
    _, seen, moved = Resizer(targets=targets)([image(*full, n=1), mask, points], size)
    (((column, row, visible),),) = moved.tolist()
    assert visible == 2
    if (found := extent(seen[0])) is not None:
        assert found[0] - 0.5 <= column <= found[2] + 0.5
        assert found[1] - 0.5 <= row <= found[3] + 0.5


# Optical flow


@settings(deadline=None)
@given(sizes, sizes, st.floats(-9, 9), st.floats(-9, 9))
def test_flow_scales_its_values(full, size, x, y):
    flow = torch.tensor([x, y])[None, :, None, None].expand(2, 2, *full)
    _, small = Resizer(targets={1: "flow"})([image(*full), flow], size)
    assert small.shape == (2, 2, *size)
    wanted = torch.tensor([x * size[1] / full[1], y * size[0] / full[0]])
    torch.testing.assert_close(small.mean((0, 2, 3)), wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(small.amax((0, 2, 3)), small.amin((0, 2, 3)))


def test_flow_leads_to_the_same_place():
    # Two frames, the second moved by (8, 4): the small flow moves the small frame.
    frame = torch.rand(1, 3, 64, 64)
    frame = resize(resize(frame, 8), 64)
    moved = torch.roll(frame, (4, 8), (2, 3))
    flow = torch.tensor([8.0, 4.0])[None, :, None, None].expand(1, 2, 64, 64)
    a, b, small = Resizer(targets={2: "flow"})([frame, moved, flow], 32)
    x, y = small[0, :, 16, 16].tolist()
    assert (x, y) == (4, 2)
    torch.testing.assert_close(
        torch.roll(a, (2, 4), (2, 3))[..., 6:-6, 8:-8], b[..., 6:-6, 8:-8]
    )


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((2, 3, *FULL), torch.float32),
        (FULL, torch.float32),
        ((2, 2, *FULL), torch.int64),
    ],
)
def test_what_is_no_flow_is_refused(shape, dtype):
    batch = {"image": image(), "flow": torch.zeros(shape, dtype=dtype)}
    with pytest.raises(
        ValueError, match=r"batch\['flow'\] is optical flow .*2, height"
    ):
        Resizer(targets={"flow": "flow"})(batch, SMALL)
    other = {"image": image(), "flow": torch.zeros(2, 2, 5, 7)}
    with pytest.raises(ValueError, match=r"\(\.\.\., 32, 48\), not \(2, 2, 5, 7\)"):
        Resizer(targets={"flow": "flow"})(other, SMALL)


def test_flow_at_size_is_left_alone():
    batch = (image(), torch.ones(2, 2, *SMALL))
    assert Resizer(targets={1: "flow"})(batch, SMALL)[1] is batch[1]


# All policies in one batch


def test_every_policy_by_its_path():
    batch = {
        "image": image(),
        "mask": torch.randint(255, (2, *FULL)),
        "boxes": torch.tensor([[[0.0, 0.0, 48.0, 32.0]]]).expand(2, 1, 4),
        "keypoints": torch.tensor([[[24.0, 16.0]]]).expand(2, 1, 2),
        "flow": torch.ones(2, 2, *FULL),
        "heatmap": torch.rand(2, 17, *FULL),
        "label": torch.tensor([3, 4]),
        "soft": torch.rand(2, 10),
        "normalised": torch.rand(2, 1, 4),
    }
    resizer = Resizer(
        targets={
            "mask": "mask", "boxes": "boxes", "keypoints": "keypoints",
            "flow": "flow", "heatmap": "image", "label": "keep", "normalised": "keep",
        }
    )  # fmt: skip
    small = resizer(batch, SMALL)
    assert torch.equal(
        small["mask"], resize(batch["mask"], SMALL, mode="nearest-exact")
    )
    assert small["boxes"][1].tolist() == [[0, 0, 12, 16]]
    assert small["keypoints"][1].tolist() == [[6, 8]]
    assert small["flow"][1, :, 3, 3].tolist() == [0.25, 0.5]
    assert torch.equal(small["heatmap"], resize(batch["heatmap"], SMALL))
    for key in "label", "soft", "normalised":
        assert small[key] is batch[key]
    assert resizer(batch, FULL) is batch
    # A loader that knows the size: nothing moves twice.
    assert resizer(small, SMALL, full=FULL) is small


def test_targets_keep_their_gradient_and_are_not_changed():
    boxes = torch.tensor([[1.0, 2.0, 30.0, 20.0]], requires_grad=True)
    batch = {"image": image(), "boxes": boxes}
    small = Resizer(targets={"boxes": "boxes"})(batch, SMALL)["boxes"]
    (gradient,) = torch.autograd.grad(small.sum(), boxes)
    assert gradient.tolist() == [[0.25, 0.5, 0.25, 0.5]]
    assert boxes.tolist() == [[1, 2, 30, 20]]


# torchvision's types

FORMATS = list(tv.BoundingBoxFormat)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.value)
@pytest.mark.parametrize("count", [0, 3])
def test_typed_boxes(form, count):
    numbers = {5: 5, 8: 8}.get(len(form.value), 4)
    if form.value == "CXCYWHR":
        numbers = 5
    values = torch.rand(count, numbers) * 4 + 6
    boxes = tv.BoundingBoxes(values, format=form, canvas_size=FULL)
    batch = (image(), [boxes])
    small = Resizer()(batch, SMALL)[1][0]
    assert type(small) is tv.BoundingBoxes
    assert small.shape == boxes.shape
    assert (small.format, small.canvas_size) == (form, SMALL)
    assert (boxes.format, boxes.canvas_size) == (form, FULL)
    if "clamping_mode" in vars(boxes):
        assert small.clamping_mode == boxes.clamping_mode
    if count:
        assert not torch.equal(small, boxes)
    assert Resizer()(batch, FULL) is batch
    assert Resizer()((batch[0], [small]), SMALL)[1][0] is small
    assert Resizer(targets={(1, 0): "keep"})(batch, SMALL)[1] is batch[1]


@settings(deadline=None)
@given(sizes, sizes, st.data())
def test_typed_boxes_are_torchvisions_where_that_is_exact(full, size, data):
    functional = pytest.importorskip("torchvision.transforms.v2.functional")
    corners = torch.tensor([rectangle(data, full)], dtype=torch.float32)
    for form in "XYXY", "XYWH", "CXCYWH":
        boxes = tv.BoundingBoxes(corners, format="XYXY", canvas_size=full)
        boxes = functional.convert_bounding_box_format(boxes, new_format=form)
        theirs = functional.resize(boxes, list(size))
        ours = Resizer()((image(*full, n=1), boxes), size)[1]
        torch.testing.assert_close(ours, theirs)
        assert ours.canvas_size == theirs.canvas_size == size


def test_whole_numbers_are_rounded_not_cut_off():
    boxes = tv.BoundingBoxes(
        torch.tensor([[3, 3, 47, 31]]), format="XYXY", canvas_size=FULL
    )
    small = Resizer()((image(), boxes), (30, 46))[1]
    assert small.tolist() == [[3, 3, 45, 29]]  # 45.04 and 29.06
    assert small.dtype == torch.int64


@pytest.mark.skipif(not hasattr(tv, "KeyPoints"), reason="torchvision has no KeyPoints")
@pytest.mark.parametrize("shape", [(0, 2), (5, 2), (5, 17, 2), (2, 3, 2, 2)])
def test_typed_keypoints(shape):
    points = tv.KeyPoints(torch.rand(shape) * 30, canvas_size=FULL)
    small = Resizer()((image(), points), SMALL)[1]
    assert type(small) is tv.KeyPoints
    assert small.canvas_size == SMALL
    plain = points.as_subclass(torch.Tensor) * torch.tensor([0.25, 0.5])
    torch.testing.assert_close(small.as_subclass(torch.Tensor), plain)


def test_typed_boxes_in_a_container_that_is_named_as_images():
    boxes = tv.BoundingBoxes(torch.ones(1, 4), format="XYXY", canvas_size=FULL)
    resized, moved = Resizer(images=())([image(), boxes], SMALL)
    assert resized.shape[-2:] == moved.canvas_size == SMALL


# Detection: lists of images


def sample(height, width, objects=2):
    x = torch.rand(objects, 2).sort(-1).values * width
    y = torch.rand(objects, 2).sort(-1).values * height
    boxes = torch.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], -1)
    return torch.rand(3, height, width), {
        "boxes": boxes,
        "labels": torch.ones(objects, dtype=torch.int64),
        "masks": torch.randint(2, (objects, height, width), dtype=torch.uint8),
        "keypoints": torch.rand(objects, 5, 3) * min(height, width),
    }


NAMED = {
    (1, ..., "boxes"): "boxes",
    (1, ..., "masks"): "mask",
    (1, ..., "keypoints"): "keypoints",
}


@pytest.mark.parametrize("container", [tuple, list])
def test_each_image_of_a_list_gets_its_share(container):
    samples = [sample(48, 64), sample(101, 33, 0), sample(64, 64)]
    batch = tuple(container(part) for part in zip(*samples, strict=True))
    resizer = Resizer(targets=NAMED)
    images, targets = resizer(batch, 32, full=64)
    assert type(images) is type(targets) is container
    sizes = [(24, 32), (51, 17), (32, 32)]
    assert [image.shape[-2:] for image in images] == sizes
    for new, (image, old), size in zip(targets, samples, sizes, strict=True):
        assert new["masks"].shape == (len(old["boxes"]), *size)
        assert new["labels"] is old["labels"]
        ratio = [size[1] / image.shape[2], size[0] / image.shape[1]]
        wanted = old["boxes"] * torch.tensor(ratio * 2)
        torch.testing.assert_close(new["boxes"], wanted)
        scaled = old["keypoints"] * torch.tensor([*ratio, 1])
        torch.testing.assert_close(new["keypoints"], scaled)
    assert resizer(batch, 64, full=64) is batch
    assert images[0].shape == (3, 24, 32)
    assert torch.equal(images[0], resize(samples[0][0], (24, 32)))


def test_typed_targets_of_a_list_need_no_names():
    batch = ([], [])
    for height, width in ((20, 60), (60, 21)):
        batch[0].append(tv.Image(torch.rand(3, height, width)))
        boxes = tv.BoundingBoxes(
            [[1.0, 2, 9, 8]], format="XYWH", canvas_size=(height, width)
        )
        mask = tv.Mask(torch.ones(0, height, width, dtype=torch.bool))
        batch[1].append({"boxes": boxes, "masks": mask, "heat": torch.rand(1, 1, 9, 9)})
    images, targets = Resizer()(batch, 100, full=200)
    assert [image.shape for image in images] == [(3, 10, 30), (3, 30, 11)]
    assert [type(image) for image in images] == [tv.Image] * 2
    assert [target["boxes"].canvas_size for target in targets] == [(10, 30), (30, 11)]
    assert [target["masks"].shape[-2:] for target in targets] == [(10, 30), (30, 11)]
    assert targets[0]["boxes"].tolist() == [[0.5, 1, 4.5, 4]]
    assert targets[0]["heat"] is batch[1][0]["heat"]


def test_lists_by_name_and_targets_beside_them():
    batch = {
        "id": torch.rand(2, 3),
        "images": [torch.rand(3, 20, 40), torch.rand(3, 40, 20)],
        "boxes": [torch.tensor([[0.0, 0, 40, 20]]), torch.zeros(0, 4)],
        "scores": torch.rand(2, 3, 20, 40),
    }
    resizer = Resizer(images="images", targets={("boxes", ...): "boxes"})
    small = resizer(batch, 4, full=8)
    assert [image.shape[-2:] for image in small["images"]] == [(10, 20), (20, 10)]
    assert small["boxes"][0].tolist() == [[0, 0, 20, 10]]
    assert small["scores"] is batch["scores"]
    bare = Resizer(images=())(batch["images"], 4, full=8)
    assert [image.shape[-2:] for image in bare] == [(10, 20), (20, 10)]


def test_the_batch_itself_is_no_list_unless_it_is_named():
    pair = (torch.rand(3, 20, 40), torch.rand(3, 20, 40))
    with pytest.raises(
        ValueError, match=r"batch\[1\] \(float32, shape \(3, 20, 40\)\)"
    ):
        Resizer()(pair, 10)
    first, second = Resizer(targets={1: "keep"})(pair, 10)
    assert first.shape == (3, 10, 10)
    assert second is pair[1]


def test_a_list_with_anything_else_in_it_is_none():
    for other in (None, torch.zeros(3), torch.zeros(3, 20, 30, dtype=torch.int64)):
        batch = ([torch.rand(3, 20, 40), other], 1)
        assert Resizer()(batch, 10)[0][0].shape == (3, 10, 10)
    kept = Resizer(targets={(0, 1): "keep"})
    batch = ([torch.rand(3, 20, 40), torch.rand(3, 20, 40)], 1)
    (first, second), _ = kept(batch, 10)
    assert first.shape == (3, 10, 10)
    assert second is batch[0][1]


def test_a_list_of_one_size_needs_no_full_size():
    batch = ([torch.rand(3, 20, 40)] * 2, torch.zeros(2, 20, 40))
    resizer = Resizer(targets={1: "mask"})
    (first, _), mask = resizer(batch, (10, 20))
    assert first.shape == (3, 10, 20)
    assert mask.shape == (2, 10, 20)
    assert resizer.read(batch).size == Size(20, 40)
    assert resizer.read(batch, full=64).size == Size(64, 64)
    assert Resizer().read((image(), 1), full=64).size == Size(*FULL)


def test_the_size_of_a_single_image():
    sample = (torch.rand(3, 20, 40), torch.zeros(2))
    assert Resizer().read(sample, full=64).size == Size(20, 40)
    assert Resizer().read(sample).first is sample[0]


def test_a_list_of_several_sizes_does():
    images = [torch.rand(3, 20, 20 + n) for n in range(5)]
    message = r"batch\[0\] differ in size \(20x20, 20x21, 20x22, 20x23, \.\.\.\).*full="
    for call in (
        lambda batch: Resizer().read(batch).size,
        lambda batch: Resizer()(batch, 10),
    ):
        with pytest.raises(ValueError, match=message):
            call((images, [{}] * 5))
    assert Resizer().read((images, [{}] * 5), full=9).size == Size(9, 9)
    assert Resizer().read((images, 1)).first is images[0]


def test_a_target_that_belongs_to_no_image_of_the_list():
    batch = (
        [torch.rand(3, 20, 40), torch.rand(3, 40, 20)],
        {"boxes": torch.zeros(3, 4)},
    )
    message = r"which of the 2 images in batch\[0\] batch\[1\]\['boxes'\] belongs.*20x40, 40x20"
    with pytest.raises(ValueError, match=message):
        Resizer(targets={(1, "boxes"): "boxes"})(batch, 4, full=8)


def test_with_two_images_the_batch_is_not_taken_for_the_list():
    samples = [sample(20, 40), sample(40, 20)]
    batch = tuple(zip(*samples, strict=True))
    _, targets = Resizer(targets=NAMED)(batch, 4, full=8)
    assert [target["masks"].shape[-2:] for target in targets] == [(10, 20), (20, 10)]


# Degenerate boxes


def test_tiny_boxes_are_kept_and_counted():
    typed = tv.BoundingBoxes([[5.0, 5, 1, 9]], format="XYWH", canvas_size=FULL)
    batch = {
        "image": image(),
        "boxes": torch.tensor([[1.0, 1, 9, 9], [4.0, 4, 6, 20], [7.0, 7, 7, 7]]),
        "typed": [typed],
        "others": None,
        "wide": torch.zeros(3, 4),
    }
    resizer = Resizer(targets={"boxes": "boxes", "others": "boxes"})
    small = resizer(batch, SMALL)
    assert small["boxes"].shape == (3, 4)
    assert small["typed"][0].shape == (1, 4)
    assert small["boxes"][1].tolist() == [1, 2, 1.5, 10]
    assert resizer.tiny_boxes(batch) == 1
    assert resizer.tiny_boxes(small) == 3
    assert (
        resizer.tiny_boxes({"image": image(), "boxes": torch.zeros(0, 4), "others": 1})
        == 0
    )


def test_no_box_disappears():
    boxes = tv.BoundingBoxes([[5, 5, 6, 6]], format="XYXY", canvas_size=(300, 300))
    small = Resizer()((image(300, 300), boxes), 17)[1]
    assert small.shape == (1, 4)
    assert Resizer().tiny_boxes((image(17, 17), small)) == 1


# Bad input


@pytest.mark.parametrize(
    ("policy", "value", "error", "message"),
    [
        ("mask", torch.zeros(2, 5, 7), ValueError, r"\(\.\.\., 32, 48\), not \(2, 5, 7\)"),
        ("mask", torch.zeros(2), ValueError, r"\(\.\.\., 32, 48\), not \(2,\)"),
        ("image", torch.zeros(2, 4), ValueError, r"\(\.\.\., 32, 48\), not \(2, 4\)"),
        ("boxes", torch.zeros(2, 5), ValueError, r"shape \(\.\.\., 4\), not \(2, 5\)"),
        ("boxes", torch.tensor(1.0), ValueError, r"\(\.\.\., 4\), not \(\)"),
        ("boxes", torch.zeros(2, *FULL), ValueError, r"\(\.\.\., 4\), not \(2, 32, 48\)"),
        ("keypoints", torch.zeros(2, 4), ValueError, r"2\) or \(\.\.\., 3\), not \(2, 4\)"),
        ("boxes", torch.zeros(2, 4) > 0, TypeError, "real numbers, not torch.bool"),
        ("boxes", [[1, 2, 3, 4]], TypeError, "real numbers|must be a tensor, not a int"),
        (
            "boxes",
            torch.tensor([[1.0, 2, 3, 4], [0.0, 0, 500, 20]]),
            ValueError,
            r"\(2, 4\) has 1 boxes outside .* 32x48 .*XYXY \[0.0, 0.0, 500.0, 20.0\]",
        ),
    ],
)  # fmt: skip
def test_bad_targets_name_their_path_and_shape(policy, value, error, message):
    batch = {"image": image(), "t": [{"x": value}]}
    resizer = Resizer(targets={("t", 0, "x"): policy})
    with pytest.raises(error, match=rf"batch\['t'\]\[0\]\['x'\].*(?:{message})"):
        resizer(batch, SMALL)


def test_a_canvas_of_another_size():
    boxes = tv.BoundingBoxes(torch.ones(2, 4), format="XYXY", canvas_size=(9, 99))
    message = r"batch\[1\] of shape \(2, 4\) has a canvas_size of 9x99.*has 32x48"
    with pytest.raises(ValueError, match=message):
        Resizer()((image(), boxes), SMALL)


def test_a_dtype_that_cannot_count_so_far():
    boxes = torch.ones(2, 4, dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"batch\[1\] is torch.uint8.* to 300 pixels"):
        Resizer(targets={1: "boxes"})((image(), boxes), 300)


def test_names_of_a_list_that_are_not_there():
    batch = ([torch.rand(3, 8, 8)] * 2, [{"boxes": torch.zeros(1, 4)}, {}])
    with pytest.raises(LookupError, match=r"batch\[1\]\[1\] has no 'boxes'"):
        Resizer(targets={(1, ..., "boxes"): "boxes"})(batch, 4)


# In the loop: a list has no size of its own; the full size of the plan stands for it.


def listed(*shapes):
    images = [torch.rand(3, *shape) for shape in shapes]
    boxes = [{"boxes": torch.tensor([[0.0, 0, w, h]])} for h, w in shapes]
    return images, boxes


BOXES = Resizer(targets={(1, ..., "boxes"): "boxes"})
RAMP = Ramp(final_size=64, increase_by=32)


def test_the_loop_takes_lists_of_any_size():
    loop = ProgressiveResize(RAMP, total_steps=2, resizer=BOXES)
    batch = listed((20, 40), (300, 100))  # smaller and larger than the full size
    images, targets = loop(batch)
    assert [tuple(image.shape[-2:]) for image in images] == [(10, 20), (150, 50)]
    assert targets[1]["boxes"].tolist() == [[0, 0, 50, 150]]
    loop.step()
    assert loop(batch) is batch
    seen = []
    loop.preallocate(
        torch.nn.Conv2d(3, 1, 3),
        batch,
        forward=lambda model, batch: seen.append(batch) or model(batch[0][0]),
    )
    assert seen[0] is batch


def test_a_sized_loader_of_lists_must_give_one_size():
    loop = ProgressiveResize(RAMP, total_steps=2, resizer=BOXES)
    next(loop.sizes_ahead())  # as a sized loader does
    small = listed((32, 32), (32, 32))
    assert loop(small) is small
    resized, _ = loop(listed((64, 64), (64, 64)))
    assert [image.shape[-1] for image in resized] == [32, 32]
    assert loop.mismatched == 1
    with pytest.raises(ValueError, match="A sized loader must make them at one size"):
        loop(listed((32, 32), (32, 48)))


# Targets of another resolution than their image


@pytest.mark.parametrize("size", [(16, 12), (32, 24), (4, 4)])
def test_targets_in_scale(size):
    batch = {
        "image": image(),
        "mask": torch.randint(5, (2, 8, 12)),
        "half": torch.rand(2, 3, 16, 24),
        "large": torch.rand(2, 3, 64, 96),
        "labels": torch.randint(5, (2, 96, 144)),
        "flow": torch.ones(2, 2, 8, 12),
    }
    targets = {
        "mask": "mask/4", "half": "image/2", "large": "image*2", "labels": "mask*3",
        "flow": "flow/4",
    }  # fmt: skip
    resizer = Resizer(targets=targets)
    small = resizer(batch, size)
    height, width = size
    quarter, half = (height // 4, width // 4), (height // 2, width // 2)
    assert small["image"].shape[-2:] == size
    for key, own, mode in (
        ("mask", quarter, "nearest-exact"),
        ("half", half, "bilinear"),
        ("large", (2 * height, 2 * width), "bilinear"),
        ("labels", (3 * height, 3 * width), "nearest-exact"),
    ):
        assert torch.equal(small[key], resize(batch[key], own, mode=mode)), key
    assert small["flow"].shape == (2, 2, *quarter)
    x, y = small["flow"][0, :, 0, 0].tolist()
    assert (x, y) == pytest.approx((width / 48, height / 32))
    assert resizer(batch, FULL) is batch
    again = resizer(small, size, full=FULL)  # a loader that knows the size
    assert all(again[key] is small[key] for key in small if key != "flow")


@pytest.mark.parametrize(
    ("policy", "shape", "size", "message"),
    [
        ("mask/4", (2, 9, 12), 16, r"1/4 of the 32x48 .*\(\.\.\., 8, 12\), not \(2, 9"),
        ("mask/4", (2, *FULL), 16, r"1/4 of the 32x48 .*not \(2, 32, 48\)"),
        ("image*2", (2, 3, *FULL), 16, r"2 times the 32x48 .*\(\.\.\., 64, 96\)"),
        (
            "mask/5",
            (2, 6, 9),
            10,
            r"1/5 of the 32x48 .*a whole number, not \(2, 6, 9\)",
        ),
        ("mask/4", (7,), 16, r"not \(7,\)"),
        ("mask/4", (2, 8, 12), 30, r"4 does not divide .* 30x30: .* multiple_of=4"),
        ("flow/4", (2, 3, 8, 12), 16, "is optical flow"),
    ],
)
def test_targets_that_are_not_in_scale(policy, shape, size, message):
    batch = {"image": image(), "t": torch.rand(shape)}
    with pytest.raises(ValueError, match=rf"batch\['t'\] .*{message}"):
        Resizer(targets={"t": policy})(batch, size)


@pytest.mark.parametrize(
    "policy",
    [
        "mask/0", "mask/1", "mask/-4", "mask/", "mask/4.0", "mask*", "mask4", "/4",
        "boxes/4", "keypoints*2", "keep/2", "mask//4", "mask/4/2", "mask/²", 4,
        "mask/" + "9" * 9,
    ],
)  # fmt: skip
def test_no_scale(policy):
    with pytest.raises(ValueError, match=r"targets\['m'\] .* not .*\"mask/4\""):
        Resizer(targets={"m": policy})


def test_targets_in_scale_of_a_list_follow_their_own_image():
    images = [torch.rand(3, 16, 40), torch.rand(3, 40, 16)]
    heat = [{"heat": torch.rand(5, 4, 10)}, {"heat": torch.rand(5, 10, 4)}]
    resizer = Resizer(targets={(1, ..., "heat"): "image/4"})
    _, small = resizer((images, heat), 32, full=64)
    assert [item["heat"].shape for item in small] == [(5, 2, 5), (5, 5, 2)]


# Boxes that reach over the edge of their image


@pytest.mark.parametrize(
    "boxes",
    [
        [[-20.0, -5, 30, 30], [40, 20, 70, 60]],
        [[-20.0, -20, -5, -5]],
        [[50.0, 33, 60, 40], [1, 1, 2, 2]],
        [[0.0, 0, 0, 0]],
        [[0.0, 0, 1, 1]],
        [[-40.0, -30, 90, 60]],
    ],
)
def test_boxes_over_the_edge_are_scaled(boxes):
    boxes = torch.tensor(boxes)
    typed = tv.BoundingBoxes(boxes, format="XYXY", canvas_size=FULL)
    wanted = boxes * torch.tensor([0.25, 0.5] * 2)
    _, plain, small = Resizer(targets={1: "boxes"})([image(), boxes, typed], SMALL)
    assert torch.equal(plain, wanted)
    assert torch.equal(small.as_subclass(torch.Tensor), wanted)


def test_typed_boxes_are_taken_wherever_they_are():
    values = torch.tensor([[0.1, 0.2, 0.5, 0.6], [900.0, 900, 950, 990]])
    for mode in "soft", "hard", None:
        try:
            boxes = tv.BoundingBoxes(
                values, format="XYXY", canvas_size=FULL, clamping_mode=mode
            )
        except TypeError:  # an older torchvision
            boxes = tv.BoundingBoxes(values, format="XYXY", canvas_size=FULL)
        small = Resizer()([image(), boxes], SMALL)[1]
        assert small.canvas_size == SMALL
        plain = values * torch.tensor([0.25, 0.5] * 2)
        torch.testing.assert_close(small.as_subclass(torch.Tensor), plain)
        assert getattr(small, "clamping_mode", mode) == mode


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[0.1, 0.2, 0.5, 0.6], [0.0, 0.0, 1.0, 1.0]], r"no number above 1.*\"keep\""),
        ([[300.0, 200, 400, 300], [1, 1, 9, 9]], r"1 boxes outside .*32x48"),
        ([[-400.0, 20, -300, 30]], r"1 boxes outside"),
        ([[1.0, 2, 3, 4], [float("nan"), 1, 2, 3]], r"1 boxes .*\[nan, 1.0"),
        ([[1.0, 2, float("inf"), 4]], r"1 boxes .*inf"),
        ([[900, 900, 950, 950]], r"1 boxes outside"),
    ],
)
def test_boxes_that_cannot_be_in_pixels_of_the_image(boxes, message):
    batch = [image(), torch.tensor(boxes)]
    with pytest.raises(ValueError, match=rf"batch\[1\] .*{message}"):
        Resizer(targets={1: "boxes"})(batch, SMALL)
