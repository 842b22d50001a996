"""upsize.resize._containers: walk and rebuild any nesting of containers."""

from __future__ import annotations

from collections import Counter, OrderedDict, UserDict, defaultdict, namedtuple
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from upsize.resize import Resizer
from upsize.resize._containers import (
    find,
    item_of,
    leaves,
    node_at,
    replace,
)
from upsize.resize._shown import label, spell

OLD, NEW = object(), object()


class Pair(NamedTuple):
    image: Any
    label: Any


class Row(list):
    """A list with an attribute."""


class Fixed(tuple):
    """A tuple that is made like a tuple."""

    __slots__ = ()


class Varied(tuple):
    """A tuple that is not."""

    __slots__ = ()

    def __new__(cls, *values):
        return super().__new__(cls, values)


@dataclass
class Sample:
    image: Any
    label: int = 3
    derived: Any = field(init=False)
    unset: Any = field(init=False)

    def __post_init__(self):
        self.derived = [self.label]


@dataclass(frozen=True)
class Frozen:
    image: Any


@dataclass(slots=True)
class Slots:
    image: Any
    label: int = 3


@dataclass(frozen=True, slots=True)
class FrozenSlots:
    image: Any


class Store(MutableMapping):
    """A mapping whose default copy would share its storage."""

    def __init__(self, items):
        self._items = dict(items)

    def __getitem__(self, key):
        return self._items[key]

    def __setitem__(self, key, value):
        raise AssertionError("changed in place")

    def __delitem__(self, key):
        raise AssertionError("changed in place")

    def __iter__(self):
        return iter(self._items)

    def __len__(self):
        return len(self._items)


class TensorDictLike(Store):
    """As much of a TensorDict as there is to meet."""

    def __setitem__(self, key, value):
        self._items[key] = value

    def clone(self, recurse=True):
        assert not recurse
        return type(self)(self._items)


class Encoding(UserDict):
    """A transformers.BatchEncoding: a UserDict with other arguments."""

    def __init__(self, data=None, encoding=None):
        super().__init__(data)
        self.encoding = encoding


CONTAINERS = [
    (OLD, 3),
    [OLD, 3],
    Pair(OLD, 3),
    namedtuple("Single", ["image"])(OLD),  # noqa: PYI024
    Row([OLD, 3]),
    Fixed((OLD, 3)),
    {"image": OLD, "label": 3},
    OrderedDict(image=OLD, label=3),
    Counter(image=OLD),
    UserDict(image=OLD, label=3),
    Encoding({"image": OLD}, encoding="utf-8"),
    MappingProxyType({"image": OLD, "label": 3}),
    Store({"image": OLD, "label": 3}),
    TensorDictLike({"image": OLD, "label": 3}),
    defaultdict(list, image=OLD, label=3),
    Sample(OLD),
    Frozen(OLD),
    Slots(OLD),
    FrozenSlots(OLD),
]


def first_path(container):
    return next(path for path, leaf in leaves(container) if leaf is OLD)


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("wrap", [lambda c: c, lambda c: {"in": [c, ("b",)]}])
def test_a_container_is_rebuilt_as_its_type_and_not_changed(container, wrap):
    batch = wrap(container)
    path, before = first_path(batch), leaves(batch)
    rebuilt = replace(batch, {path: NEW})
    assert type(rebuilt) is type(batch)
    assert leaves(batch) == before
    after = leaves(rebuilt)
    assert [p for p, _ in after] == [p for p, _ in before]
    for (_, new), (_, old) in zip(after, before, strict=True):
        assert new is NEW if old is OLD else new is old


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda c: type(c).__name__)
def test_unchanged_is_the_same_object(container):
    assert replace(container, {}) is container
    assert replace(container, {first_path(container): OLD}) is container


def test_only_containers_on_the_way_are_rebuilt():
    batch = {"a": [OLD], "b": [3]}
    rebuilt = replace(batch, {("a", 0): NEW})
    assert rebuilt == {"a": [NEW], "b": [3]}
    assert rebuilt["b"] is batch["b"]


def test_what_hangs_on_a_container_is_kept():
    row = Row([OLD])
    row.origin = "a.jpg"
    assert replace(row, {(0,): NEW}).origin == "a.jpg"
    assert replace(CONTAINERS[10], {("image",): NEW}).encoding == "utf-8"
    default = defaultdict(list, image=OLD)
    assert replace(default, {("image",): NEW})["new"] == []
    assert "new" not in default
    sample = Sample(OLD)
    rebuilt = replace(sample, {("image",): NEW})
    assert rebuilt.derived is sample.derived
    assert not hasattr(rebuilt, "unset")


@pytest.mark.parametrize(
    "leaf", [OLD, torch.ones(2), torch.Size([2]), "text", b"", None, {1, 2}, Frozen]
)
def test_everything_else_is_a_leaf(leaf):
    if isinstance(leaf, torch.Size):  # a tuple of ints, harmless
        assert leaves(leaf) == [((0,), 2)]
    else:
        assert leaves(leaf) == [((), leaf)]
    assert replace(leaf, {}) is leaf


nested = st.recursive(
    st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner, inner).map(lambda pair: Pair(*pair))
    ),
)


@given(nested, st.data())
def test_one_leaf_of_any_nesting(batch, data):
    found = leaves(batch)
    if not found:
        assert replace(batch, {("x",): NEW}) is batch
        return
    path, old = data.draw(st.sampled_from(found))
    assert find(batch, path, "images") == [path]
    rebuilt = replace(batch, {path: NEW})
    assert leaves(rebuilt) == [(p, NEW if p == path else v) for p, v in found]
    assert replace(rebuilt, {path: old}) == batch


def test_a_type_that_cannot_be_rebuilt_is_named():
    with pytest.raises(TypeError, match=r"cannot rebuild a Pinned.*one dict"):
        replace(Pinned(), {("image",): NEW})


class Pinned(Mapping):
    def __getitem__(self, key):
        return {"image": OLD}[key]

    def __iter__(self):
        return iter(["image"])

    def __len__(self):
        return 1


@pytest.mark.parametrize(
    ("batch", "path", "found"),
    [
        ((1, 2), (-1,), (1,)),
        ([1, 2], (0,), (0,)),
        (Pair(1, 2), (1,), ("label",)),
        (Pair(1, 2), (-2,), ("image",)),
        (Pair(1, 2), ("label",), ("label",)),
        ({0: [1], -1: 2}, (-1,), (-1,)),
        (Sample(Pair(1, 2)), ("image", 0), ("image", "image")),
        (5, (), ()),
    ],
)
def test_find(batch, path, found):
    assert find(batch, path, "images") == [found]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ((1, ..., "a"), [(1, 0, "a"), (1, 1, "a")]),
        ((1, ...), [(1, 0), (1, 1)]),
        ((..., -1, "a"), [(1, 1, "a")]),
        ((0, ...), []),
    ],
)
def test_dots_are_every_item(path, found):
    batch = ([], [{"a": 1}, {"a": 2, "b": 3}])
    if path[0] is ...:
        batch = {1: batch[1]}
    assert find(batch, path, "images") == found


def test_the_item_of_a_list_that_a_leaf_is_in():
    batch = ([1, 2], [{"a": [3, 4]}, {"a": [5, 6]}])
    assert item_of(batch, (1, 1, "a", 0), beside=(0,), length=2) == 1
    assert item_of(batch, (1, 1, "a", 0), beside=(1,), length=2) == 0
    assert item_of(batch, (1, 1, "a", 0), beside=(0,), length=3) is None
    assert item_of(Pair(1, [2, 3]), ("label", 1), beside=("image",), length=2) == 1


def test_node_at():
    batch = Pair([1, {"a": OLD}], 2)
    assert node_at(batch, ("image", 1, "a")) is OLD
    assert node_at(batch, ()) is batch


@pytest.mark.parametrize(
    ("batch", "path", "message"),
    [
        (
            ([{"a": 1}, {}],),
            (0, ..., "a"),
            r"\(0, \.\.\., 'a'\), but batch\[0\]\[1\] has",
        ),
        ({"a": 1}, ("a", ...), r"batch\['a'\] is no container"),
        ({"a": 1}, ("b",), r"images names 'b', but batch has no 'b': .*\['a'\]"),
        ((1, 2), (2,), r"names 2, but batch has no 2: its keys are \[0, 1\]"),
        ((1, 2), (-3,), r"has no -3"),
        ({"a": [1]}, ("a", "b"), r"names \('a', 'b'\), but batch\['a'\] has no 'b'"),
        ({"a": 1}, ("a", 0), r"batch\['a'\] is no container: it is a int"),
        (torch.ones(2), (0,), r"batch is no container: it is a Tensor"),
    ],
)
def test_find_says_what_is_there(batch, path, message):
    with pytest.raises(LookupError, match=message):
        find(batch, path, "images")


def test_paths_are_written_as_the_user_would():
    assert spell(("a",)) == "'a'"
    assert spell(("a", 0)) == "('a', 0)"
    assert spell((1, ..., "a")) == "(1, ..., 'a')"
    assert spell(()) == "()"
    assert label(("a", 0)) == "batch['a'][0]"


# Objects of the user's own classes


class Own:
    def __init__(self, value):
        self.image = value
        self.extra = 1


class Slotted:
    __slots__ = ("image", "never_set")

    def __init__(self, value):
        self.image = value


class OneSlot:
    __slots__ = "image"  # a string is allowed

    def __init__(self, value):
        self.image = value


class Nested(Slotted):
    def __init__(self, value):
        self.fields = {"image": value}


@pytest.mark.parametrize("make", [Own, Slotted, OneSlot, Nested])
@pytest.mark.parametrize("where", [(), ("x", 0)])
def test_an_object_that_cannot_be_taken_apart(make, where):
    own = make(torch.rand(2, 3, 8, 8))
    batch = {"x": [own]} if where else own
    path = r"batch\['x'\]\[0\]" if where else "batch"
    name = make.__name__
    cure = (
        rf"{path} is a {name}, .* make {name} a dataclass, or give upsize its tensors"
    )
    with pytest.raises(ValueError, match=rf"no image in the batch.*{cure}"):
        Resizer()(batch, 4)
    for argument in (
        {"images": (*where, "image")},
        {"targets": {(*where, "m"): "mask"}},
    ):
        with pytest.raises(LookupError, match=rf"is no container.*{cure}"):
            Resizer(**argument)(batch, 4)


@pytest.mark.parametrize("value", [Own(1), Own, torch.nn.Linear(1, 1), Own("a")])
def test_an_object_without_tensors_is_none_of_these(value):
    with pytest.raises(ValueError, match=r'images="pixel_values"'):
        Resizer()({"x": value}, 4)
    batch = {"image": torch.rand(2, 3, 8, 8), "x": value}
    assert Resizer()(batch, 4)["x"] is value


def test_attrs_classes_and_namespaces():
    attrs = pytest.importorskip("attrs", reason="needs attrs")

    @attrs.define
    class Plain:
        image: Any
        label: Any = 3

    @attrs.frozen
    class Frozen:
        image: Any
        label: Any = 3

    image = torch.rand(2, 3, 8, 8)
    for batch in (Plain(image), Frozen(image), SimpleNamespace(image=image, label=3)):
        small = Resizer()(batch, 4)
        assert type(small) is type(batch)
        assert small.image.shape == (2, 3, 4, 4)
        assert batch.image is image
        assert small.label == 3
