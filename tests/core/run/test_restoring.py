"""What is changed for a while is restored, whatever happens."""

from __future__ import annotations

import copy
import inspect
import pickle
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn

from upsize.run._restoring import Restoring


class Slotted:
    __slots__ = ("empty", "side")

    def __init__(self) -> None:
        self.side = 1


class Model:
    """Stands for an object of a framework."""

    rate = 1
    names: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.size = 64
        self._width = 8

    @property
    def width(self) -> int:
        return self._width

    @width.setter
    def width(self, value: int) -> None:
        if value < 0:
            raise ValueError("negative")
        self._width = value

    @property
    def fixed(self) -> int:
        return 3

    def fit(self, epochs: int = 1) -> int:
        """Train."""
        return epochs

    @classmethod
    def make(cls) -> str:
        return cls.__name__


class Other(Model):
    pass


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_everything_is_restored(error: type[BaseException] | None) -> None:
    model, slotted, norm = Model(), Slotted(), nn.BatchNorm1d(2)
    before, mean = dict(vars(model)), norm.running_mean
    expected = nullcontext() if error is None else pytest.raises(error)
    with expected, Restoring() as changes:
        changes.set(model, "size", 32)
        changes.set(model, "size", 16)
        changes.set(model, "rate", 2)  # of the class
        changes.set(model, "width", 9)  # a property
        changes.set(model, "new", 1)
        changes.set(model, "__class__", Other)
        changes.set(slotted, "side", 2)
        changes.set(slotted, "empty", 2)
        changes.set(norm, "running_mean", torch.ones(2))  # a buffer
        assert (model.size, model.rate, model.width, model.make()) == (
            16, 2, 9, "Other"
        )  # fmt: skip
        if error is not None:
            raise error
    assert vars(model) == before
    assert (type(model), model.rate, model.width) == (Model, 1, 8)
    assert slotted.side == 1
    assert not hasattr(slotted, "empty")
    assert norm.running_mean is mean


def test_attributes_of_a_class() -> None:
    with Restoring() as changes:
        changes.set(Model, "make", 1)
        changes.set(Model, "rate", 5)
        changes.set(Other, "rate", 6)  # which it inherits
        assert (Model.make, Model.rate, Other.rate) == (1, 5, 6)
    assert (Other.make(), Model.rate) == ("Other", 1)
    assert "rate" not in vars(Other)


def test_what_others_took_away_meanwhile() -> None:
    model = Model()
    with Restoring() as changes:
        changes.set(model, "new", 1)
        changes.set(model, "rate", 2)
        changes.set(model, "size", 2)
        del model.new, model.rate, model.size  # type: ignore[attr-defined]
    assert (model.size, model.rate) == (64, 1)
    assert vars(model) == vars(Model())


def test_each_restore_runs_once_and_the_last_change_first() -> None:
    order: list[int] = []
    changes = Restoring()
    for number in range(3):
        changes.callback(order.append, number)
    changes.close()
    changes.close()
    assert order == [2, 1, 0]
    changes.callback(order.append, 3)  # it can be used again
    changes.close()
    assert order == [2, 1, 0, 3]


def test_one_failing_restore_does_not_stop_the_others() -> None:
    model = Model()

    def fail() -> None:
        raise RuntimeError("cannot")

    changes = Restoring()
    changes.set(model, "size", 1)
    changes.callback(fail)
    changes.set(model, "width", 1)
    with pytest.raises(RuntimeError, match="cannot"):
        changes.close()
    assert (model.size, model.width) == (64, 8)


def test_what_cannot_be_set_is_no_second_error() -> None:
    model = Model()
    with pytest.raises(ValueError, match="negative") as raised, Restoring() as changes:
        changes.set(model, "width", -1)
    assert raised.value.__context__ is None
    with pytest.raises(AttributeError) as missing, Restoring() as changes:
        changes.set(model, "fixed", 1)
    assert missing.value.__context__ is None


def test_saved_attributes_and_values() -> None:
    model, weight = Model(), nn.Parameter(torch.ones(2))
    with Restoring() as changes:
        changes.save(model, "size")
        changes.save_values([weight])
        model.size = 1
        with torch.no_grad():
            weight.zero_()
        assert not weight.any()
    assert model.size == 64
    assert weight.tolist() == [1, 1]
    with Restoring() as changes:
        changes.set(model, "size", 1)
        changes.pop_all()
    assert model.size == 1  # kept


def test_a_copy_made_meanwhile_holds_nothing_of_ours() -> None:
    model = Model()
    with Restoring() as changes:
        changes.set(model, "size", 1)
        changes.wrap_method(model, "fit", lambda fit, n: fit(n) + 1)
        text = pickle.dumps(model)
        deep, loaded = copy.deepcopy(model), pickle.loads(text)
        assert b"upsize" not in text
    for each in (deep, loaded):
        assert each.size == 1
        assert each.fit(5) == 5  # the class's own, bound to the copy
        assert each.fit.__self__ is each


def mine(fit: Any, epochs: int) -> str:
    return "mine"


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))]
)
@pytest.mark.parametrize("first", ["model", "changes"])
def test_a_copy_of_the_changes_restores_the_copies(copied: Any, first: str) -> None:
    model = Model()
    with Restoring() as changes:
        changes.set(model, "size", 1)
        changes.wrap_method(model, "fit", mine)
        if first == "model":
            other, theirs = copied((model, changes))
        else:
            theirs, other = copied((changes, model))
        theirs.close()
        assert (other.size, other.fit(4)) == (64, 4)
        assert "fit" not in vars(other)
        assert (model.size, model.fit(4)) == (1, "mine")
    assert (model.size, model.fit(4)) == (64, 4)


def test_a_wrapped_method() -> None:
    model = Model()
    with Restoring() as changes:
        changes.wrap_method(model, "fit", lambda fit, *args, **kw: -fit(*args, **kw))
        assert model.fit(epochs=3) == -3
        assert inspect.signature(model.fit) == inspect.signature(Model().fit)
        assert model.fit.__doc__ == "Train."
    assert "fit" not in vars(model)
    assert model.fit(3) == 3


def double(epochs: int) -> int:
    return 2 * epochs


def test_a_method_that_another_tool_had_wrapped() -> None:
    model: Any = Model()
    model.fit = double
    with Restoring() as changes:
        changes.wrap_method(model, "fit", lambda fit, n: fit(n) + 1)
        assert model.fit(3) == 7
        assert copy.deepcopy(model).fit(3) == 6
        text = pickle.dumps(model)
        assert pickle.loads(text).fit(3) == 6
        assert b"upsize" not in text
    assert model.fit is double


def test_under_a_tool_that_came_later_it_steps_aside() -> None:
    model: Any = Model()
    changes = Restoring()
    changes.wrap_method(model, "fit", lambda fit, n: fit(n) + 1)
    mine = model.fit
    later = model.fit = lambda n: 10 * mine(n)
    assert model.fit(3) == 40
    changes.close()
    assert model.fit is later  # the other tool's stays
    assert model.fit(3) == 30
    model.fit = mine  # as the other tool would restore it
    assert model.fit(3) == 3
