"""Batches that no loader should make: right, or refused with a path of the batch."""

from __future__ import annotations

import types
import weakref
from collections import OrderedDict, UserDict, UserList, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch

from upsize.resize import Resizer, resize

SMALL = (4, 5)


def image(*lead: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return (torch.rand(*(lead or (2, 3)), 8, 10) * 255).to(dtype)


# Containers


def test_a_batch_that_contains_itself():
    first: dict[str, Any] = {"image": image(), "more": []}
    first["more"].append(first)
    with pytest.raises(ValueError, match=r"batch\['more'\]\[0\] is batch itself"):
        Resizer()(first, SMALL)

    second: list[Any] = [image()]
    second.append(second)
    with pytest.raises(ValueError, match=r"batch\[1\] is batch itself"):
        Resizer().read(second)

    inner = UserDict(x=1)
    inner["again"] = (inner,)
    message = r"batch\[1\]\['again'\]\[0\] is batch\[1\] itself"
    with pytest.raises(ValueError, match=message):
        Resizer(images=0).tiny_boxes((image(), inner))


@pytest.mark.parametrize(
    "wrap", [lambda x: [x], lambda x: (x,), lambda x: {"a": x}, lambda x: UserDict(a=x)]
)
def test_very_deep_batches(wrap):
    batch: Any = image()
    for _ in range(100):
        batch = wrap(batch)
    assert Resizer().read(batch).size == (8, 10)
    assert Resizer().read(Resizer()(batch, SMALL)).size == SMALL
    for _ in range(20_000):
        batch = wrap(batch)
    with pytest.raises(ValueError, match=r"\[\.\.\.\].* more than 100 containers"):
        Resizer()(batch, SMALL)
    while not isinstance(batch, torch.Tensor):  # or its end overflows the stack
        batch = batch["a"] if isinstance(batch, dict | UserDict) else batch[0]


def test_a_batch_that_repeats_itself_beyond_measure():
    batch: Any = [image()]
    for _ in range(40):
        batch = [batch, batch]
    with pytest.raises(ValueError, match="more than 100,000 containers or"):
        Resizer()(batch, SMALL)


class Endless(Mapping):
    """A mapping whose iteration never ends."""

    def __getitem__(self, key):
        return key

    def __iter__(self):
        number = 0
        while True:
            yield number
            number += 1

    def __len__(self):
        return 1


class EndlessList(list):
    def __iter__(self):
        while True:
            yield 1


@pytest.mark.parametrize("endless", [Endless(), EndlessList([1])])
def test_a_container_that_never_ends(endless):
    with pytest.raises(ValueError, match=r"1,000,000 values, up to batch\['x'\]"):
        Resizer()({"image": image(), "x": endless}, SMALL)


class NoItems(dict):
    def items(self):
        raise RuntimeError("no items here")


class NoIteration(list):
    def __iter__(self):
        raise OSError("gone" * 1000)


class WrongFields(tuple):
    __slots__ = ()
    _fields = ("one",)


@dataclass
class Failing:
    image: Any

    def __getattribute__(self, name):
        if name == "image":
            raise ZeroDivisionError("of its own")
        return super().__getattribute__(name)


def dead() -> Any:
    class Gone:
        pass

    return weakref.proxy(Gone())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NoItems(image=1), r"a NoItems: RuntimeError: no items here; convert"),
        (lambda: NoIteration([1]), r"a NoIteration: OSError: (gone)+\.\.\.; convert"),
        (lambda: WrongFields((1, 2)), r"a WrongFields: ValueError: zip"),
        (lambda: Failing(1), "a Failing: ZeroDivisionError: of its own; convert"),
        (dead, r"a \w+: ReferenceError: weakly-referenced object no longer exists"),
    ],
)
def test_a_container_that_cannot_be_read(make, message):
    container = make()
    with pytest.raises(TypeError, match=r"cannot read batch\['x'\]\[0\], " + message):
        Resizer()({"image": image(), "x": [container]}, SMALL)


class Immutable(dict):
    def __setitem__(self, key, value):
        raise NotImplementedError("immutable")


class Converting(dict):
    def __setitem__(self, key, value):
        super().__setitem__(key, str(value))


class Reversed(list):
    def __iter__(self):
        return iter(self[::-1])


class Counting(UserList):
    pass


class Swapping(tuple):
    __slots__ = ()

    def __new__(cls, values):
        return super().__new__(cls, [None for _ in values])


class Uncopied(list):
    def __copy__(self):
        raise PermissionError("not to be copied")


@pytest.mark.parametrize(
    ("container", "message"),
    [
        (Immutable(image=1), "NotImplementedError: immutable"),
        (Converting(image=1), "ValueError: it does not hold the values"),
        (Swapping([1]), "ValueError: it does not hold the values"),
        (Uncopied([1]), "PermissionError: not to be copied"),
    ],
)
def test_a_container_that_cannot_be_rebuilt(container, message):
    if isinstance(container, dict):
        dict.__setitem__(container, "image", image())
    elif isinstance(container, list):
        container[0] = image()
    else:
        container = tuple.__new__(Swapping, [image()])
    name = type(container).__name__
    message = rf"cannot rebuild a {name} at batch\['x'\] with .*{message}"
    with pytest.raises(TypeError, match=message):
        Resizer()({"x": container}, SMALL)
    assert Resizer()({"x": container}, (8, 10))["x"] is container


def test_a_list_that_lies_about_its_order():
    with pytest.raises(TypeError, match=r"Reversed at batch\['x'\]"):
        Resizer()({"x": Reversed([image(), 1])}, SMALL)


class Pair(NamedTuple):
    image: Any
    label: Any


class NamedPair(Pair):
    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Frozen:
    image: Any


@pytest.mark.parametrize(
    "make",
    [
        lambda x: types.MappingProxyType({"image": x}),
        lambda x: defaultdict(list, image=x),
        lambda x: OrderedDict(image=x),
        lambda x: NamedPair(x, 1),
        Frozen,
    ],
)
def test_unusual_containers_are_rebuilt_and_never_changed(make):
    first = image()
    before, version = first.clone(), first._version
    batch = make(first)
    small = Resizer()(batch, SMALL)
    assert type(small) is type(batch)
    assert Resizer().read(small).size == SMALL
    assert Resizer().read(batch).first is first
    assert torch.equal(first, before)
    assert first._version == version


def test_what_looks_like_a_list_but_is_none_is_left_alone():
    listed = Counting([image()])
    small = Resizer()({"image": image(), "list": listed}, SMALL)
    assert small["list"] is listed


# Walks


class Walked(Mapping):
    """A mapping that counts how often it is iterated."""

    walks = 0

    def __init__(self, items):
        self._items = dict(items)

    def __getitem__(self, key):
        return self._items[key]

    def __iter__(self):
        Walked.walks += 1
        return iter(self._items)

    def __len__(self):
        return len(self._items)


@pytest.mark.parametrize("policy", ["keep", "mask"])
def test_a_batch_is_walked_once(policy, monkeypatch):
    resizer = Resizer(targets={"mask": policy})
    monkeypatch.setattr(Walked, "walks", 0)
    mask = torch.zeros(2, 8, 10, dtype=torch.int64)
    batch = Walked({"image": image(), "mask": mask})
    found = resizer.read(batch)
    assert (found.size, found.first) == ((8, 10), batch["image"])
    small = found.at(SMALL)
    assert found.at((8, 10)) is batch
    assert Walked.walks == 1
    assert small["image"].shape[-2:] == SMALL


def test_a_list_of_images_is_walked_once(monkeypatch):
    monkeypatch.setattr(Walked, "walks", 0)
    items = [Walked({"boxes": torch.zeros(1, 4)}) for _ in range(2)]
    batch = ([image(3), torch.rand(3, 16, 10)], items)
    resizer = Resizer(targets={(1, ..., "boxes"): "boxes"})
    found = resizer.read(batch, full=16)
    assert found.size == (16, 16)
    images, _ = found.at(8)
    assert [x.shape[-2:] for x in images] == [(4, 5), (8, 5)]
    assert Walked.walks == len(items)


# Tensors


def nested(*shapes: tuple[int, ...], layout: torch.layout) -> torch.Tensor:
    return torch.nested.nested_tensor(
        [torch.rand(shape) for shape in shapes], layout=layout
    )


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
@pytest.mark.parametrize("where", [0, "x"])
def test_nested_tensors(layout, where):
    shapes = [(3, 8, 10), (3, 8, 10)]
    ragged = nested(*shapes, layout=layout)
    batch = {"x": ragged} if where == "x" else (ragged, torch.zeros(2))
    for call in (
        lambda batch: Resizer().read(batch).size,
        lambda batch: Resizer()(batch, SMALL),
    ):
        with pytest.raises(
            TypeError, match=rf"batch\[{where!r}\] is a nested .*unbind"
        ):
            call(batch)
    with pytest.raises(TypeError, match=rf"batch\[{where!r}\] is a nested"):
        Resizer(images=where)(batch, SMALL)
    with pytest.raises(TypeError, match="images must be a dense tensor, not a nested"):
        resize(ragged, SMALL)
    keeping = Resizer(targets={where: "keep"})
    with pytest.raises(ValueError, match=r"no image .*: torch.float32 nested"):
        keeping(batch, SMALL)
    if where == "x":
        small = keeping({**batch, "image": image()}, SMALL)
        assert small["x"] is ragged


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_beside_plain_images():
    ragged = nested((3, 8, 10), (3, 8, 10), layout=torch.strided)
    for batch in ((image(), ragged), (ragged, image())):
        with pytest.raises(TypeError, match="is a nested tensor"):
            Resizer()(batch, SMALL)


@pytest.mark.parametrize("convert", [torch.Tensor.to_sparse, torch.Tensor.to_mkldnn])
def test_tensors_of_another_layout(convert):
    other = convert(image())
    batch = {"image": image(), "x": other}
    message = r"batch\['x'\] must be a dense tensor, not a torch\.\w+ one: .*to_dense"
    for policy in "mask", "image", "boxes", "keypoints":
        with pytest.raises(TypeError, match=message):
            Resizer(targets={"x": policy})(batch, SMALL)
    with pytest.raises(TypeError, match=message):
        Resizer()(batch, SMALL)
    with pytest.raises(TypeError, match=message):
        Resizer(images="x")(batch, SMALL)
    assert Resizer(targets={"x": "keep"})(batch, SMALL)["x"] is other
    away = convert(torch.rand(2, 3, 7, 7))  # of another size: not an image
    assert Resizer()({"image": image(), "x": away}, SMALL)["x"] is away


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "area"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("lead", [(2, 3), (3,), (2, 2, 3), (0, 3)])
@pytest.mark.parametrize("shape", [(8, 8), (8, 1), (2, 2), (1, 1)])
def test_rgb_bytes_to_one_pixel(mode, antialias, lead, shape):
    pixels = torch.randint(256, (*lead, *shape), dtype=torch.uint8)
    one = resize(pixels, 1, mode=mode, antialias=antialias)
    assert one.shape == (*lead, 1, 1)
    exact = resize(pixels.double(), 1, mode=mode, antialias=antialias)
    assert ((one - exact.clamp(0, 255)).abs() <= 0.501).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: image().requires_grad_(),
        lambda: image(1, 1).expand(2, 3, 8, 10),
        lambda: torch.rand(90)[: 2 * 3].as_strided((2, 3, 8, 10), (1, 1, 1, 0)),
        lambda: image().contiguous(memory_format=torch.channels_last),
        lambda: image(0, 3),
        lambda: image().to("meta"),
        lambda: torch.nn.Parameter(image()),
        lambda: image()[..., ::2, :].repeat_interleave(2, -2)[..., :8, :],
    ],
)
def test_unusual_tensors_are_resized(make):
    made = make()
    small = Resizer()((made, torch.zeros(2)), SMALL)[0]
    assert small.shape == (*made.shape[:-2], *SMALL)
    assert (small.dtype, small.device) == (made.dtype, made.device)
    assert small.requires_grad == made.requires_grad


@pytest.mark.parametrize("shape", [(2, 3, 0, 0), (2, 3, 0, 4), (0, 3, 4, 0)])
def test_images_without_a_pixel(shape):
    with pytest.raises(ValueError, match=r"batch\[0\] .* at least one pixel"):
        Resizer()((torch.zeros(shape), 1), SMALL)
    with pytest.raises(ValueError, match=r"batch\[0\]\[0\] .* at least one pixel"):
        Resizer()(([torch.zeros(3, *shape[-2:])], [{}]), SMALL, full=8)


def test_complex_images():
    with pytest.raises(ValueError, match="no image in the batch"):
        Resizer()((image().cfloat(),), SMALL)
    with pytest.raises(TypeError, match=r"batch\['x'\] must not be complex"):
        Resizer(images="x")({"x": image().cfloat()}, SMALL)


# Compiled


@pytest.mark.parametrize(
    ("batch", "resizer"),
    [
        (image(), Resizer()),
        ((image(), torch.zeros(2)), Resizer(mode="area")),
        (
            {"image": image(), "mask": torch.zeros(2, 8, 10, dtype=torch.int64)},
            Resizer(targets={"mask": "mask"}),
        ),
        (([image(3), image(3)], [{"x": 1}, {}]), Resizer()),
        ({"text": torch.rand(2, 7, 9), "image": image()}, Resizer()),
        ([image(), image(2, 4), torch.zeros(2)], Resizer()),
        (([image(), torch.rand(2, 3, 32, 40)], torch.zeros(2)), Resizer()),
        (
            {"image": image(), "mask": torch.zeros(2, 16, 20)},
            Resizer(targets={"mask": "mask*2"}),
        ),
    ],
)
def test_a_compiled_function_may_resize(batch, resizer):
    torch._dynamo.reset()
    # torch 2.7 does not trace `in` of a frozenset or of a text, and breaks the graph.
    whole = not torch.__version__.startswith("2.7.")
    compiled = torch.compile(
        lambda batch: resizer(batch, SMALL), backend="eager", fullgraph=whole
    )
    assert str(compiled(batch)) == str(resizer(batch, SMALL))


# Messages


class Unprintable:
    def __repr__(self):
        raise RuntimeError("not printed")


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, [1] * 10**6, 10**5000, Unprintable()],
    ids=["text", "list", "number", "unprintable"],
)
def test_messages_are_short(value):
    with pytest.raises(TypeError, match="targets must be a mapping") as caught:
        Resizer(targets=value)
    assert len(str(caught.value)) < 500
    with pytest.raises(ValueError, match="must be one of") as caught:
        Resizer(targets={"mask": value})
    assert len(str(caught.value)) < 500


def test_messages_name_some_keys_of_many():
    batch = {"k" * 1000: image()} | dict.fromkeys(range(10**5))
    with pytest.raises(LookupError, match=r"has no 'x': its keys are") as caught:
        Resizer(images="x")(batch, SMALL)
    assert len(str(caught.value)) < 500
