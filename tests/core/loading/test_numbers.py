"""Random numbers that are drawn many at once are those drawn one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from upsize.loading._images import _numbers
from upsize.loading._images._draw import draw_crop
from upsize.loading._images._numbers import Numbers, OneByOne, numbers_ahead
from upsize.schedule import Size

RATIO = 3 / 4, 4 / 3


def drawn(numbers: Numbers, images: int) -> list[object]:
    """Draw crops of which many do not fit at first, and flips."""
    found: list[object] = []
    for index in range(images):
        image = Size(100 + 7 * index, 640)
        found += [
            draw_crop(image, (0.4, 1.0), RATIO, numbers),
            numbers.uniform(0.0, 1.0),
        ]
    return found


def one_by_one(images: int) -> tuple[list[object], torch.Tensor]:
    torch.manual_seed(4)
    return drawn(OneByOne(), images), torch.get_rng_state()


@pytest.fixture
def no_check() -> Iterator[None]:
    """Forget that the numbers were compared."""
    _numbers._agree.cache_clear()
    yield
    _numbers._agree.cache_clear()


class TestNumbersAhead:
    @pytest.mark.parametrize("images", [1, 2, 33])
    @pytest.mark.parametrize("ahead", [0, 1, 100])
    def test_they_are_the_same(self, images: int, ahead: int) -> None:
        """And so are the next ones; also where there are more than was thought."""
        torch.manual_seed(4)
        with numbers_ahead(ahead) as numbers:
            found = drawn(numbers, images)
        assert not isinstance(numbers, OneByOne)
        expected, state = one_by_one(images)
        assert found == expected
        assert torch.equal(torch.get_rng_state(), state)

    def test_after_an_error(self) -> None:
        expected, state = one_by_one(3)

        def block() -> None:
            with numbers_ahead(8) as numbers:
                assert drawn(numbers, 3) == expected
                raise KeyError

        torch.manual_seed(4)
        with pytest.raises(KeyError):
            block()
        assert torch.equal(torch.get_rng_state(), state)

    def test_none_is_drawn(self) -> None:
        state = torch.get_rng_state()
        with numbers_ahead(8):
            pass
        assert torch.equal(torch.get_rng_state(), state)

    def test_of_normal_numbers_the_second_one_waits(self) -> None:
        """torch makes two at once, and its state keeps the other one."""
        torch.manual_seed(4)
        torch.empty(1).normal_()
        drawn(OneByOne(), 3)
        expected = torch.empty(3).normal_()
        torch.manual_seed(4)
        torch.empty(1).normal_()
        with numbers_ahead(3) as numbers:
            drawn(numbers, 3)
        assert torch.equal(torch.empty(3).normal_(), expected)

    def test_other_numbers_by_default(self) -> None:
        torch.set_default_dtype(torch.float64)
        try:
            torch.manual_seed(4)
            with numbers_ahead(3) as numbers:
                found = drawn(numbers, 3)
            assert found == one_by_one(3)[0]
        finally:
            torch.set_default_dtype(torch.float32)

    @pytest.mark.usefixtures("no_check")
    def test_a_torch_that_draws_in_another_way(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pairs = _numbers._pairs
        monkeypatch.setattr(_numbers, "_pairs", lambda count: ~pairs(count))
        torch.manual_seed(4)
        with numbers_ahead(3) as numbers:
            found = drawn(numbers, 3)
        assert isinstance(numbers, OneByOne)
        assert found == one_by_one(3)[0]
