"""upsize.resize.Resizer: which tensors are images, and what is said of the others."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch

from upsize.resize import Resizer, resize

FULL, HALF = (64, 64), (32, 32)


def image(*lead: int, side: int = 64) -> torch.Tensor:
    return torch.rand(*(lead or (2, 3)), side, side)


def shapes(batch: Any) -> list[Any]:
    """Shapes of the tensors of a batch in order, at half the size."""
    small = Resizer()(batch, HALF)
    items = small.values() if isinstance(small, dict) else small
    return [tuple(x.shape) for x in items if isinstance(x, torch.Tensor)]


# Of tensors that may be images, what the keys, channels and sizes say.

OTHERS = {
    "text": torch.rand(2, 77, 64),
    "heatmaps": torch.rand(2, 17, 16, 16),
    "embedding": torch.rand(2, 64, 64),
    "captions": torch.rand(2, 4, 77, 64),
    "features": torch.rand(2, 256, 8, 8),
    "attention_mask": torch.rand(2, 1, 77, 77),
    "noise": torch.rand(2, 3, 7, 7),
}


@pytest.mark.parametrize("key", OTHERS)
@pytest.mark.parametrize("name", ["image", "pixel_values", "img", "frames_2", "x"])
def test_the_image_wherever_it_stands(key, name):
    other = OTHERS[key]
    for batch in ({key: other, name: image()}, {name: image(), key: other}):
        small = Resizer()(batch, HALF)
        assert small[name].shape == (2, 3, *HALF)
        assert small[key] is other
        assert Resizer().read(batch).size == FULL
        assert Resizer().read(batch).first is batch[name]


@pytest.mark.parametrize(
    "other",
    [
        torch.rand(2, 77, 64),
        torch.rand(2, 17, 16, 16),
        torch.rand(2, 1, 28, 28),
        torch.rand(2, 8, 5, 96, 96),
    ],
)
def test_without_keys_the_channels_and_the_size_decide(other):
    assert shapes((other, image())) == [tuple(other.shape), (2, 3, *HALF)]
    assert shapes((image(), other)) == [(2, 3, *HALF), tuple(other.shape)]


def test_a_key_goes_before_the_channels_and_the_size():
    batch = {"image": image(2, 13), "map": torch.rand(2, 3, 96, 96)}
    assert shapes(batch) == [(2, 13, *HALF), (2, 3, 96, 96)]
    tokens = {"image_tokens": image(2, 3, side=96), "x": image()}
    assert shapes(tokens) == [(2, 3, 96, 96), (2, 3, *HALF)]
    assert shapes({"label": torch.zeros(2), "image": torch.rand(2, 64, 64)})[1] == (
        2,
        *HALF,
    )


@pytest.mark.parametrize("lead", [(2, 13), (2, 6), (2, 2), (2, 5, 7)])
def test_unusual_channels_are_images_where_nothing_else_is(lead):
    assert shapes((image(*lead), torch.zeros(2))) == [(*lead, *HALF), (2,)]


def test_masks_in_a_list_are_not_the_images():
    masks = [torch.rand(3, *FULL), torch.rand(1, *FULL)]
    batch = {"mask_labels": masks, "pixel_values": image()}
    assert Resizer().read(batch).first is batch["pixel_values"]
    small = Resizer(targets={"mask_labels": "mask"})(batch, HALF)
    for mask, full in zip(small["mask_labels"], masks, strict=True):
        assert torch.equal(mask, resize(full, HALF, mode="nearest-exact"))


def test_a_list_of_images_after_a_list_of_something_else():
    images = [torch.rand(3, 64, 64), torch.rand(3, 64, 32)]
    batch = ([torch.rand(5, 7, 8)], images, torch.rand(2, 1, 9, 9))
    _, small, _ = Resizer()(batch, 32, full=64)
    assert [x.shape for x in small] == [(3, 32, 32), (3, 32, 16)]
    assert Resizer()({"text": torch.rand(2, 77, 64), "x": images}, 32, full=64)["x"][
        0
    ].shape == (3, 32, 32)


@pytest.mark.parametrize(
    "views",
    [
        [image(), image()],
        [image(), image(2, 4)],
        [image(2, 1), image(2, 1)],
        [image(2, 6), image(2, 6)],
        [image(), image(2, 8, 3)],
        [image(), image().half()],
    ],
)
def test_views_of_one_size_are_all_images(views):
    small, label = Resizer()((views, torch.zeros(2)), HALF)
    assert [x.shape[-2:] for x in small] == [HALF, HALF]
    assert label.shape == (2,)


# Covering the image, and neither image nor target

COVERING = [
    torch.zeros(2, *FULL, dtype=torch.int64),
    torch.zeros(2, 1, *FULL, dtype=torch.uint8),
    torch.zeros(2, *FULL) > 0,
    torch.rand(2, 1, *FULL),
    torch.rand(2, *FULL),
    torch.rand(2, 21, *FULL),
    torch.rand(2, 2, *FULL),
    torch.zeros(2, 3, *FULL, dtype=torch.uint8),
    torch.zeros(0, *FULL, dtype=torch.int16),
]


@pytest.mark.parametrize("other", COVERING, ids=lambda x: f"{x.dtype}{tuple(x.shape)}")
@pytest.mark.parametrize("images", [None, "x"])
def test_what_covers_the_images_is_refused(other, images):
    message = (
        r"batch\['y'\] \(\w+, shape .* has the size of the images.*"
        r"targets=\{'y': \"mask\"\}.* \"image\" .* \"flow\" .* \"keep\""
    )
    batch = {"y": other, "x": image()}
    with pytest.raises(ValueError, match=message):
        Resizer(images=images)(batch, HALF)
    assert Resizer(images=images)(batch, FULL) is batch
    kept = Resizer(images=images, targets={"y": "keep"})
    assert kept(batch, HALF)["y"] is other
    masked = Resizer(images=images, targets={"y": "mask"})
    assert masked(batch, HALF)["y"].shape == (*other.shape[:-2], *HALF)


@pytest.mark.parametrize("key", ["mask", "depth", "noise", "label_map", "seg2"])
def test_a_key_says_that_it_is_not_an_image(key):
    with pytest.raises(ValueError, match=rf"batch\['{key}'\] \(float32"):
        Resizer()({key: image(), "x": image()}, HALF)


def test_every_tensor_that_covers_is_named_as_short_as_it_can_be():
    masks = [torch.zeros(n, *FULL, dtype=torch.bool) for n in (1, 2)]
    batch = {
        "pixel_values": image(),
        "mask_labels": masks,
        "pixel_mask": torch.ones(2, *FULL, dtype=torch.int64),
        "pair": (masks[0], torch.zeros(2)),
        "deep": [{"m": masks[0]}, {"m": masks[1]}],
        "odd": [{"m": masks[0]}, {}],
    }
    message = (
        r"\['mask_labels'\]\[0\] .*and 3 more have the size .* resize them: say "
        r"Resizer\(targets=\{'mask_labels': \"mask\", 'pixel_mask': \"mask\", "
        r"\('pair', 0\): \"mask\", \('deep', \.\.\., 'm'\): \"mask\"\}"
    )
    with pytest.raises(ValueError, match=message):
        Resizer()(batch, HALF)
    with pytest.raises(ValueError, match=r"targets=\{\('odd', 0, 'm'\): \"mask\"\}"):
        Resizer()({"x": batch["pixel_values"], "odd": batch["odd"]}, HALF)


def test_masks_of_a_list_of_images_are_compared_with_their_own():
    images = [torch.rand(3, 20, 40), torch.rand(3, 40, 20)]
    other = torch.zeros(1, 20, 40, dtype=torch.uint8)
    right = [{"masks": other}, {"masks": other.mT}]
    with pytest.raises(ValueError, match=r"\(1, \.\.\., 'masks'\): \"mask\""):
        Resizer()((images, right), 32, full=64)
    wrong = [{"m": other.mT}, {"m": other}]  # of another image: what it is, who knows
    assert Resizer()((images, wrong), 32, full=64)[1] is wrong
    with pytest.raises(ValueError, match=r"targets=\{1: \"mask\"\}"):
        Resizer()((images, other), 32, full=64)


@pytest.mark.parametrize(
    "other",
    [
        {"text": torch.rand(2, 64, 64)},
        {"attention": torch.rand(2, 8, 64, 64)},
        {"y": torch.rand(64, 64)},
        {"y": torch.zeros(2, dtype=torch.int64)},
        {"y": torch.rand(2, 3, 7, 7)},
    ],
)
def test_no_false_alarm(other):
    (key,) = other
    assert Resizer()({"x": image(), **other}, HALF)[key] is other[key]


@pytest.mark.parametrize(
    "other",
    [torch.zeros(2, *FULL, 21, dtype=torch.int64), torch.rand(2, *FULL, 2)],
)
def test_targets_with_channels_last_are_refused(other):
    message = r"batch\[1\] .* not in its last two dims: .*targets=\{1: \"mask\"\}"
    with pytest.raises(ValueError, match=message):
        Resizer()((image(), other), HALF)
    assert Resizer(targets={1: "keep"})((image(), other), HALF)[1] is other


def test_named_images_leave_what_looks_like_them():
    batch = {"a": image(), "b": image(), "c": image(2, 4)}
    small = Resizer(images="b")(batch, HALF)
    assert small["a"] is batch["a"]
    assert small["c"] is batch["c"]


@pytest.mark.parametrize(
    ("images", "other"),
    [
        (image(2, 1), (image(2, 1) > 0.5).float()),
        (image(), torch.randint(4, (2, 3, *FULL)).float()),
        (
            torch.randint(256, (2, 1, *FULL)).byte(),
            torch.randint(2, (2, 1, *FULL)).byte() * 255,
        ),
    ],
)
def test_labels_in_the_shape_of_images_are_found_by_their_values(images, other):
    found = Resizer().read((images, other))
    with pytest.raises(ValueError, match=r"batch\[1\] .*targets=\{1: \"mask\"\}"):
        found.check_labels()
    for batch in ((images, images), (other, other), {"image": images, "image2": other}):
        Resizer().read(batch).check_labels()
    Resizer(targets={1: "mask"}).read((images, other)).check_labels()
    Resizer().read((images, torch.zeros_like(images))).check_labels()
    Resizer().read((images, other[..., :8, :8])).check_labels()
    Resizer().read((images.to("meta"), other.to("meta"))).check_labels()


def test_embeddings_alone_are_no_images():
    for key in "inputs_embeds", "text_features":
        with pytest.raises(ValueError, match="no image in the batch"):
            Resizer().read({key: torch.rand(2, 77, 64), "y": torch.zeros(2)})


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (2, 4, 4), (2, 3, 3)])
def test_cameras_of_views_are_no_images(shape):
    batch = {"view": torch.rand(shape), "image": image()}
    assert Resizer()(batch, HALF)["view"] is batch["view"]


# Images of several sizes


@pytest.mark.parametrize("size", [32, 40, 48, 64])
@pytest.mark.parametrize("local_first", [True, False])
def test_each_crop_keeps_its_share(size, local_first):
    crops = [image(), image(), image(side=24), image(side=24)]
    if local_first:
        crops.reverse()
    resizer = Resizer()
    assert resizer.read((crops, 1)).size == FULL
    small, _ = resizer((crops, torch.zeros(2)), size)
    wanted = [size, size, size * 24 // 64, size * 24 // 64]
    assert [x.shape[-1] for x in small] == (wanted[::-1] if local_first else wanted)
    if size == 64:
        assert small is crops


class Pair(NamedTuple):
    lr: Any
    hr: Any


@pytest.mark.parametrize(
    ("batch", "resizer"),
    [
        ((image(side=32), image()), Resizer()),
        ([image(2, 4, side=32), image(2, 4)], Resizer()),
        (Pair(image(side=32), image()), Resizer()),
        ({"lr": image(side=32), "hr": image()}, Resizer()),
        ({"image_small": image(side=32), "image": image()}, Resizer()),
        ({"a": image(2, 1, side=32), "b": image(2, 1)}, Resizer(images=["a", "b"])),
        ({"a": image(side=32), "b": image(2, 6)}, Resizer(images=["b", "a"])),
    ],
)
def test_pairs_of_two_sizes(batch, resizer):
    for size in (32, 48, 64):
        small = [x.shape[-1] for x in shapes_of(resizer(batch, size))]
        assert small == [size // 2, size]
    assert resizer.read(batch).size == FULL


def shapes_of(batch: Any) -> list[torch.Tensor]:
    return list(batch.values() if isinstance(batch, dict) else batch)


def test_typed_images_of_two_sizes():
    tv = pytest.importorskip("torchvision.tv_tensors", reason="needs its types")
    batch = (tv.Image(image(side=24)), tv.Image(image()), tv.Mask(image()))
    assert [x.shape[-1] for x in Resizer()(batch, 32)] == [12, 32, 32]


def test_sides_keep_their_own_share():
    batch = (image(), torch.rand(2, 3, 48, 30))
    small = Resizer(images=[0, 1])(batch, (32, 16))
    assert [tuple(x.shape[-2:]) for x in small] == [(32, 16), (24, 8)]


@pytest.mark.parametrize(
    "batch",
    [
        {"image": image(), "y": image(side=24)},
        (image(), image(2, 1, side=24)),
        (image(), image(side=24).byte()),
        (image(2, 1), image(2, 1, side=24)),
        {"image": image(), "image_grey": image(2, 1, side=24)},
        {"image": image(), "image_raw": image(side=24).byte()},
    ],
)
def test_what_may_be_an_image_of_another_size_is_left(batch):
    assert [shape[-1] for shape in shapes(batch)] == [32, 24]
    assert Resizer().read(batch).has_doubts
    first, second = batch if isinstance(batch, dict) else (0, 1)
    assert not Resizer(targets={second: "keep"}).read(batch).has_doubts
    assert not Resizer(images=[first, second]).read(batch).has_doubts


# Channels last


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((2, 64, 64, 3), "0, 3, 1, 2"),
        ((2, 64, 48, 4), "0, 3, 1, 2"),
        ((2, 28, 28, 1), "0, 3, 1, 2"),
        ((2, 8, 64, 64, 3), "0, 1, 4, 2, 3"),
    ],
)
@pytest.mark.parametrize("images", [None, "x"])
def test_channels_last_are_refused(shape, order, images):
    batch = {"heatmaps": torch.rand(2, 17, 16, 16), "x": torch.rand(shape)}
    message = rf"batch\['x'\] of shape .* has its channels last.*\.permute\({order}\)"
    resizer = Resizer(images=images)
    for call in (
        lambda batch: resizer.read(batch).size,
        lambda batch: resizer(batch, 32),
    ):
        with pytest.raises(ValueError, match=message):
            call(batch)
    right = batch["x"].permute(*map(int, order.split(",")))
    assert resizer.read({**batch, "x": right}).first is right


def test_a_bare_tensor_or_a_list_with_channels_last():
    with pytest.raises(ValueError, match=r"batch of shape .* or before upsize$"):
        Resizer()(torch.rand(2, 64, 64, 3).byte(), 32)
    with pytest.raises(ValueError, match=r"batch\[0\]\[0\] .*\.permute\(2, 0, 1\)"):
        Resizer()(([torch.rand(64, 64, 3)] * 2, 1), 32)


@pytest.mark.parametrize(
    "images",
    [
        image().contiguous(memory_format=torch.channels_last),
        torch.rand(2, 3, 64, 3),
        torch.rand(2, 1, 4, 4),
        torch.rand(2, 13, 4, 4),
        torch.rand(2, 64, 1000, 1),
        torch.rand(2, 4, 3, 16, 3),
    ],
)
def test_what_is_not_clearly_channels_last(images):
    size = tuple((side + 1) // 2 for side in images.shape[-2:])
    assert Resizer()((images, 1), size)[0].shape == (*images.shape[:-2], *size)


# The sentence


@pytest.mark.parametrize(
    ("batch", "resizer", "sentence"),
    [
        (
            {"text": torch.rand(2, 77, 64), "image": image(), "label": torch.zeros(2)},
            Resizer(),
            'resizing batch["image"] 3x64x64; leaving "text", "label"',
        ),
        (image(), Resizer(), "resizing batch 3x64x64"),
        ((image(), 1), Resizer(), "resizing batch[0] 3x64x64; leaving batch[1]"),
        (
            {"x": image(), "m": torch.zeros(2, 64, 64), "t": {"b": torch.ones(2, 4)}},
            Resizer(targets={"m": "mask", ("t", "b"): "boxes"}),
            'resizing batch["x"] 3x64x64, with "m", batch["t"]["b"]',
        ),
        (
            ([image(), image(), image(side=24)], torch.zeros(2)),
            Resizer(),
            "resizing batch[0][0], batch[0][1] 3x64x64, batch[0][2] 3x24x24; "
            "leaving batch[1]",
        ),
        (
            ([torch.rand(3, 8, n) for n in (8, 9, 8, 7)], [{"y": 1}] * 4),
            Resizer(),
            'resizing batch[0][...] 3x8x8, 3x8x9 and 1 more; leaving batch[1][...]["y"]',
        ),
        (
            {"x": image(), **{f"k{n}": n for n in range(10)}},
            Resizer(targets={"k0": "keep"}),
            'resizing batch["x"] 3x64x64; leaving "k0", "k1", "k2", "k3", "k4", "k5", '
            '"k6", "k7" and 2 more',
        ),
        ((torch.rand(3, 64, 64),), Resizer(), "resizing batch[0] 3x64x64"),
    ],
)
def test_what_is_said(batch, resizer, sentence):
    found = resizer.read(batch, full=64)
    assert found.description == sentence


@pytest.mark.parametrize("resizer", [Resizer(), Resizer(images=[0, 1])])
def test_the_full_size_says_which_of_several_images_has_it(resizer):
    pair = (image(side=32), image())
    assert resizer.read(pair, full=32).size == HALF
    assert resizer.read(pair, full=99).size == FULL
    for small in (
        resizer.read(pair, full=32).at(16),
        resizer.read(pair).at(16, full=32),
    ):
        assert [x.shape[-1] for x in small] == [16, 32]
