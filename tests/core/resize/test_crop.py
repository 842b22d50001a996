"""Windows that are cut out of a batch: the same place in all that belongs together."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.core.newer_types import need_points, need_turned_boxes
from torchvision import tv_tensors

from upsize.loading import size_stage, sized
from upsize.loop import ProgressiveResize
from upsize.resize import Resizer
from upsize.resize._grid import grid_of
from upsize.run import Options
from upsize.schedule import MultiScale, Ramp, Size

RAMP = Ramp(final_size=32, increase_by=8)


def places(side: int, *, parts: int = 1, count: int = 2) -> torch.Tensor:
    """Give images whose pixels say where they are, in pixels of the largest image."""
    rows = torch.arange(side) * parts
    grid = torch.stack([rows[:, None].expand(side, side), rows.expand(side, side)])
    return grid.expand(count, 2, side, side).contiguous()


def corner(images: torch.Tensor) -> list[int]:
    """Return the (row, column) of the first pixel."""
    return [int(value) for value in images[0, :2, 0, 0]]


def test_images_and_all_targets_have_one_window() -> None:
    batch = {
        "image": torch.cat([places(64), places(64)[:, :1]], 1).float(),
        "mask": places(64),
        "quarter": places(16, parts=4),
        "half": places(32, parts=2).float(),
        "twice": places(128).float() // 2,
        "flow": places(64).float(),
        "boxes": torch.tensor([[20.0, 30.0, 40.0, 44.0]]),
        "points": torch.tensor([[[20.0, 30.0, 2.0]]]),
        "label": torch.tensor([1, 2]),
    }
    resizer = Resizer(
        mode="crop",
        targets={
            "mask": "mask", "quarter": "mask/4", "half": "image/2", "twice": "image*2",
            "flow": "flow", "boxes": "boxes", "points": "keypoints",
        },
    )  # fmt: skip
    seen = set()
    for step in range(40):
        new = resizer(batch, 32, step=step)
        down, right = corner(new["image"])
        seen.add((down, right))
        assert new["image"].shape == (2, 3, 32, 32)
        for name, side in {"mask": 32, "quarter": 8, "half": 16, "twice": 64}.items():
            assert new[name].shape[-2:] == (side, side), name
            assert corner(new[name]) == [down, right], name
            assert new[name].dtype == batch[name].dtype
        # Displacements are not scaled: pixels keep their size.
        assert torch.equal(new["flow"], new["mask"].float())
        shift = torch.tensor([right, down])
        assert torch.equal(new["boxes"], batch["boxes"] - torch.cat([shift, shift]))
        assert torch.equal(new["points"][..., :2], batch["points"][..., :2] - shift)
        assert new["points"][..., 2] == 2
        assert new["label"] is batch["label"]
    assert len(seen) > 25
    assert {row % 4 for row, _ in seen} == {0}  # a quarter of it is whole


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 10**9),
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from([1, 2, 4, 6]),
)
def test_a_window_lies_in_the_image_and_on_the_grid(
    seed: int, step: int, window: int, more: int, parts: int
) -> None:
    size, image = window * parts, (window + more) * parts
    policies = [None, "keep", f"mask/{parts}" if parts > 1 else "mask"]
    grid = grid_of(seed, step, policies, [Size(image, image)])
    first = grid.corner(Size(size, size), Size(image, image))
    assert first == grid_of(seed, step, policies, None).corner(
        Size(size, size), Size(image, image)
    )
    for place in first:
        assert 0 <= place <= image - size
        assert place % parts == 0


def test_every_place_is_drawn_as_often() -> None:
    counts = torch.zeros(5, 5)
    for step in range(5000):
        row, column = grid_of(3, step, [], None).corner(Size(4, 4), Size(8, 8))
        counts[row, column] += 1
    assert counts.min() > 140  # of 200; the standard deviation is 14
    assert counts.max() < 260


def test_windows_are_a_pure_function_of_seed_and_step() -> None:
    images = places(64)
    steps = [0, 7, 10**12]
    one = [
        corner(Resizer(mode="crop", seed=5)(images.float(), 24, step=s)) for s in steps
    ]
    two = [
        corner(Resizer(mode="crop", seed=5)(images.float(), 24, step=s)) for s in steps
    ]
    other = [
        corner(Resizer(mode="crop", seed=6)(images.float(), 24, step=s)) for s in steps
    ]
    assert one == two != other
    resizer = Resizer(mode="crop")
    assert torch.equal(resizer(images.float(), 24), resizer(images.float(), 24, step=0))


@pytest.mark.parametrize("form", ["XYXY", "XYWH", "CXCYWH"])
def test_types_of_torchvision(form: str) -> None:
    need_points()
    corners = tv_tensors.BoundingBoxes(
        torch.tensor([[20, 30, 40, 44]]), format="XYXY", canvas_size=(64, 64)
    )
    from torchvision.transforms.v2.functional import convert_bounding_box_format, crop

    boxes = convert_bounding_box_format(corners, new_format=form)
    batch = (
        tv_tensors.Image(places(64).float()),
        tv_tensors.Mask(places(64)),
        boxes,
        tv_tensors.KeyPoints(torch.tensor([[20, 30]]), canvas_size=(64, 64)),
    )
    image, mask, moved, points = Resizer(mode="crop")(batch, (32, 48), step=3)
    down, right = corner(image)
    assert (type(image), type(mask)) == (tv_tensors.Image, tv_tensors.Mask)
    assert corner(mask) == [down, right]
    assert (moved.format, moved.canvas_size) == (boxes.format, (32, 48))
    assert points.canvas_size == (32, 48)
    assert points.tolist() == [[20 - right, 30 - down]]
    expected = convert_bounding_box_format(corners, new_format="XYXY") - torch.tensor(
        [right, down, right, down]
    )
    typed = tv_tensors.wrap(expected, like=corners)
    got = convert_bounding_box_format(moved, new_format="XYXY")
    assert torch.equal(got, torch.as_tensor(typed))
    assert crop(batch[0], down, right, 32, 48).equal(image)


@pytest.mark.parametrize("form", ["XYWHR", "CXCYWHR", "XYXYXYXY"])
def test_turned_boxes_move(form: str) -> None:
    need_turned_boxes()
    values = (
        [[20.0, 30, 10, 8, 30]] if form != "XYXYXYXY" else [[9.0, 8, 7, 6, 5, 4, 3, 2]]
    )
    boxes = tv_tensors.BoundingBoxes(
        torch.tensor(values), format=form, canvas_size=(64, 64)
    )
    image = places(64).float()
    new, moved = Resizer(mode="crop")((image, boxes), 32, step=1)
    down, right = corner(new)
    pairs = (right, down, right, down, right, down, right, down)
    expected = torch.tensor(pairs[: boxes.shape[-1]])
    expected[2:] = expected[2:] if form == "XYXYXYXY" else 0
    assert torch.equal(torch.as_tensor(moved), torch.as_tensor(boxes) - expected)


def test_points_that_count_from_minus_one_to_one() -> None:
    from fastai.vision.core import TensorBBox, TensorImage, TensorPoint

    points = TensorPoint(torch.tensor([[[0.0, 0.5]]]), img_size=(64, 64))
    box = TensorBBox(torch.tensor([[[-0.5, 0.0, 0.5, 1.0]]]), img_size=(64, 64))
    batch = (TensorImage(places(64, count=1).float()), points, box)
    image, moved, boxed = Resizer(mode="crop")(batch, (32, 16), step=2)
    down, right = corner(image)
    assert moved.img_size == (16, 32)  # width first
    x, y = moved[0, 0].tolist()
    assert (x + 1) / 2 * 16 == pytest.approx(32 - right)
    assert (y + 1) / 2 * 32 == pytest.approx(48 - down)
    assert [
        (each + 1) / 2 * 16 for each in boxed[0, 0, 0::2].tolist()
    ] == pytest.approx([16 - right, 48 - right])
    # Points without a size beside them move as well.
    plain = (
        TensorImage(places(64, count=1).float()),
        TensorPoint(torch.zeros(1, 1, 2)),
    )
    again = Resizer(mode="crop")(plain, (32, 16), step=2)[1]
    assert (float(again[0, 0, 0]) + 1) / 2 * 16 == pytest.approx(32 - right)


def test_pairs_of_a_low_and_a_high_resolution_match() -> None:
    batch = {"hr": places(64).float(), "lr": places(16, parts=4).float()}
    resizer = Resizer(mode="crop", images=["hr", "lr"])
    found = set()
    for step in range(30):
        new = resizer(batch, 32, step=step)
        assert new["lr"].shape[-2:] == (8, 8)
        assert corner(new["lr"]) == corner(new["hr"])
        found.add(tuple(corner(new["hr"])))
    assert len(found) > 10


def test_each_image_of_a_list_has_its_own_window() -> None:
    images = [torch.rand(3, 40, 64), torch.rand(3, 64, 48)]
    targets = [{"masks": tv_tensors.Mask(image[:1].clone())} for image in images]
    batch = (images, targets)
    new, masks = Resizer(mode="crop").read(batch, full=64).at(32, step=4)
    assert [tuple(image.shape) for image in new] == [(3, 20, 32), (3, 32, 24)]
    for image, target in zip(new, masks, strict=True):
        assert torch.equal(image[:1], torch.as_tensor(target["masks"]))


def test_memory() -> None:
    images = torch.rand(2, 3, 64, 64).to(memory_format=torch.channels_last)
    new = Resizer(mode="crop")(images, 16)
    assert new.is_contiguous(memory_format=torch.channels_last)
    assert new.untyped_storage().nbytes() == 2 * 3 * 16 * 16 * 4  # keeps no whole image
    video = torch.rand(2, 3, 5, 64, 64, dtype=torch.float64)
    new = Resizer(mode="crop")(video, (16, 24))
    assert new.shape == (2, 3, 5, 16, 24)
    assert new.is_contiguous()


def test_at_full_size_nothing_changes() -> None:
    batch = (torch.rand(2, 3, 64, 64), torch.zeros(2))
    assert Resizer(mode="crop")(batch, 64, step=9) is batch


def test_it_says_that_it_cuts() -> None:
    found = Resizer(mode="crop").read((torch.rand(2, 3, 64, 64), torch.zeros(2)))
    assert found.description == "cropping batch[0] 3x64x64; leaving batch[1]"


BAD: dict[str, tuple[Any, Any, int, str]] = {
    "larger": (
        {},
        torch.rand(1, 3, 32, 32),
        48,
        "48x48 does not fit into images of 32x32",
    ),
    "odd share": (
        {"images": ["a", "b"]},
        {"a": torch.rand(1, 3, 64, 64), "b": torch.rand(1, 3, 24, 24)},
        36,
        "13.5 pixels of the others: give the schedule multiple_of=8",
    ),
    "stride": (
        {"targets": {"m": "mask/4"}},
        {"a": torch.rand(1, 3, 64, 64), "m": torch.zeros(1, 16, 16).long()},
        30,
        "give the schedule multiple_of=4",
    ),
    "boxes by name": (
        {},
        {"image": torch.rand(1, 3, 64, 64), "boxes": torch.rand(3, 4)},
        32,
        'has the name of boxes, and mode="crop" cuts windows',
    ),
    "keypoints by name": (
        {},
        {"image": torch.rand(1, 3, 64, 64), "landmarks": torch.rand(3, 2)},
        32,
        "has the name of keypoints",
    ),
    "no pixels": ({"images": "a"}, {"a": torch.rand(1, 3, 0, 4)}, 0, "at least"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_what_cannot_be_cut(case: Any) -> None:
    options, batch, size, words = case
    with pytest.raises(ValueError, match=words):
        Resizer(mode="crop", **options)(batch, size)


def test_coordinates_that_are_kept() -> None:
    batch = {"image": torch.rand(1, 3, 64, 64), "boxes": torch.rand(3, 4)}
    new = Resizer(mode="crop", targets={"boxes": "keep"})(batch, 32)
    assert new["boxes"] is batch["boxes"]


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True, "a"])
def test_bad_seeds(seed: Any) -> None:
    with pytest.raises(ValueError, match="seed must be a whole number from 0"):
        Resizer(mode="crop", seed=seed)


def test_a_run_cuts_the_window_of_each_step_and_resumes() -> None:
    images = places(32).float()
    resizer = Resizer(mode="crop", seed=1)

    def run() -> Any:
        return ProgressiveResize(RAMP, total_steps=12, accumulate=2, resizer=resizer)

    whole, windows = run(), []
    for _ in range(24):
        windows.append(whole(images))
        whole.step()
    for batch, window in enumerate(windows):
        step = batch // 2  # a window holds through an accumulation window
        size = whole.plan.size_at(step)
        assert torch.equal(window, resizer(images, size, step=step))
    assert len({(*each.shape[-2:], *corner(each)) for each in windows}) > 6
    half, rest = run(), run()
    for _ in range(10):
        half.step()
    rest.load_state_dict(half.state_dict())
    assert torch.equal(rest(images), windows[10])


def test_random_sizes_are_cut_as_well() -> None:
    schedule = MultiScale(sizes=(16, 24, 32), every=1, final_size=32)
    resize = ProgressiveResize(schedule, total_steps=20, resizer=Resizer(mode="crop"))
    sides = set()
    for _ in range(20):
        sides.add(resize(places(32).float()).shape[-1])
        resize.step()
    assert sides == {16, 24, 32}


def test_a_stage_cuts_the_window_of_its_batch() -> None:
    plan = RAMP.plan(total_steps=12)
    resizer = Resizer(mode="crop", targets={1: "mask"})
    stage = size_stage(plan, resizer=resizer)
    images, masks = stage(3, (places(32).float(), places(32)))
    assert corner(images) == corner(masks)
    assert torch.equal(images, resizer((places(32).float(), places(32)), 16, step=3)[0])


def test_validation_images_are_not_cut() -> None:
    with pytest.raises(ValueError, match='mode="crop" cuts windows'):
        Options(RAMP, resizer=Resizer(mode="crop"), resize_valid=True)


class Cutting(torch.utils.data.Dataset[Any]):
    """Cuts its images itself, and its masks only if it is told to."""

    def __init__(self, masks: bool) -> None:
        self.side, self.masks = 32, masks

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        side = self.side if self.masks else 32
        image = places(32, count=1)[0].float()[:, : self.side, : self.side]
        return image, places(32, count=1)[0][:, :side, :side]


def set_side(dataset: Any, size: Size) -> None:
    dataset.side = size.height


def run_cutting(masks: bool, set_size: Any = set_side) -> list[Any]:
    resizer = Resizer(mode="crop", targets={1: "mask"})
    resize = ProgressiveResize(RAMP, total_steps=8, resizer=resizer)
    loader = torch.utils.data.DataLoader(Cutting(masks), batch_size=4)
    loader = sized(loader, resize, set_size=set_size)
    return [batch for _ in range(4) for batch in resize.batches(loader)]


def test_a_sized_loader_whose_dataset_cuts() -> None:
    batches = run_cutting(masks=True)
    assert [images.shape[-1] for images, _ in batches] == [
        16,
        16,
        16,
        16,
        24,
        24,
        32,
        32,
    ]
    for images, masks in batches:
        assert images.shape == masks.shape
        assert corner(images) == corner(masks) == [0, 0]


def test_a_dataset_that_cuts_its_images_alone_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"batch\[1\] belongs to images of the full size"
    ):
        run_cutting(masks=False)


def ignore(dataset: Any, size: Size) -> None: ...


def test_batches_that_a_loader_has_not_cut() -> None:
    with pytest.warns(UserWarning, match="at another size than their step's"):
        batches = run_cutting(masks=True, set_size=ignore)
    for images, masks in batches:
        assert corner(images) == corner(masks)
    assert [images.shape[-1] for images, _ in batches] == [
        16,
        16,
        16,
        16,
        24,
        24,
        32,
        32,
    ]
