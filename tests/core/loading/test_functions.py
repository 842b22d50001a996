"""Transforms are found where functions and methods refer to them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from tests.core.loading.images import FULL, RAMP, Images
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision.transforms import v2

from upsize.loading import current_size, sized
from upsize.loading._transforms._functions import referred

PLAN = RAMP.plan(total_steps=10_000)  # 16 px

crop = v2.RandomResizedCrop(FULL)
both = {"train": v2.Compose([crop]), "val": v2.Resize((FULL, FULL))}
steps = [crop, torch.Tensor.float]
norm = v2.Normalize([0.5] * 3, [0.5] * 3)


def by_global(rows: dict[str, Any]) -> dict[str, Any]:
    return {"image": [crop(image) for image in rows["image"]]}


def by_dict(rows: dict[str, Any]) -> dict[str, Any]:
    return {"image": list(map(both["train"], rows["image"]))}


def by_list(rows: dict[str, Any]) -> dict[str, Any]:
    images = rows["image"]
    for step in steps:
        images = list(map(step, images))
    return {"image": images}


def helper(image: torch.Tensor) -> torch.Tensor:
    return crop(image)


def by_helper(rows: dict[str, Any]) -> dict[str, Any]:
    return {"image": [helper(image) for image in rows["image"]]}


def with_argument(tfm: Any, rows: dict[str, Any]) -> dict[str, Any]:
    return {"image": [tfm(image) for image in rows["image"]]}


def with_keyword(rows: dict[str, Any], *, tfm: Any) -> dict[str, Any]:
    return with_argument(tfm, rows)


def by_default(rows: dict[str, Any], tfm: Any = crop, *, last: Any = norm) -> Any:
    return with_argument(tfm, rows)


def closure() -> Any:
    own = v2.Compose([v2.Resize(40), v2.CenterCrop(FULL)])
    if crop is None:
        late = 1

    def apply(rows: dict[str, Any]) -> dict[str, Any]:
        return {"image": [own(image) for image in rows["image"]]}

    def unset() -> Any:
        return late

    assert referred(unset) == ({}, {})  # type: ignore[arg-type]
    return apply


class Prepare:
    """Holds its transform."""

    def __init__(self) -> None:
        self.train = v2.RandomResizedCrop(FULL)

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        return {"image": list(map(self.train, rows["image"]))}

    def method(self, rows: dict[str, Any]) -> dict[str, Any]:
        return self(rows)


class Named:
    """Names a global in its method."""

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        return self.rows(rows)

    @staticmethod
    def rows(rows: dict[str, Any]) -> dict[str, Any]:
        return by_global(rows)

    def method(self, rows: dict[str, Any]) -> dict[str, Any]:
        return by_global(rows)


class Rows:
    """Has what a dataset of Hugging Face has, and no base class of torch."""

    def __init__(self, transform: Any) -> None:
        self._format_type, self._format_kwargs = "custom", {"transform": transform}

    def __len__(self) -> int:
        return 12

    def __getitems__(self, keys: list[int]) -> list[Any]:
        rows = {"image": [torch.rand(3, 40, 48) for _ in keys]}
        return self._format_kwargs["transform"](rows)["image"]  # type: ignore[no-any-return]


def sizes(loader: Any) -> set[int]:
    return {batch.shape[-1] for batch in loader}


FUNCTIONS = {
    "a global": by_global,
    "a dictionary": by_dict,
    "a list": by_list,
    "a helper": by_helper,
    "a default": by_default,
    "a closure": closure(),
    "a lambda": lambda rows: by_global(rows),
    "a keyword": partial(with_keyword, tfm=crop),
    "an argument": partial(with_argument, crop),
    "an object": Prepare(),
    "a method": Prepare().method,
    "an object that names it": Named(),
    "a method that names it": Named().method,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_set_transform(name: str) -> None:
    data: Any = Rows(FUNCTIONS[name])
    assert sizes(sized(DataLoader(data, 4), PLAN)) == {16}
    assert sizes(DataLoader(data, 4)) == {FULL}
    subset: Any = Subset(data, range(8))
    assert sizes(sized(DataLoader(subset, 4), PLAN)) == {16}


def test_a_function_that_holds_none() -> None:
    def read(rows: dict[str, Any]) -> dict[str, Any]:
        now = current_size()
        side = FULL if now is None else now.size.width
        return {"image": [v2.functional.resize(i, [side, side]) for i in rows["image"]]}

    def nothing(dataset: Any, size: Any) -> None:
        pass

    plain: DataLoader[Any] = DataLoader(Rows(read), 4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"set_transform\(read\).*current_size\(\)"):
        sized(plain, PLAN)
    assert sizes(sized(plain, PLAN, set_size=nothing)) == {16}


def test_a_dataset_of_hugging_face() -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"image": [[float(n)] for n in range(12)]})

    def apply(rows: dict[str, Any]) -> dict[str, Any]:
        return {"image": [crop(torch.rand(3, 40, 48)) for _ in rows["image"]]}

    def collate(samples: list[Any]) -> torch.Tensor:
        return torch.stack([each["image"] for each in samples])

    loader = sized(DataLoader(rows.with_transform(apply), 4, collate_fn=collate), PLAN)
    assert isinstance(loader.dataset, datasets.Dataset)
    assert loader.dataset.column_names == ["image"]
    assert sizes(loader) == {16}


class Global(Dataset[Any]):
    """Its method names the transform, as many scripts do."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.load(index)

    def load(self, index: int) -> torch.Tensor:
        return crop(torch.rand(3, 40, 48))  # type: ignore[no-any-return]


def test_a_dataset_whose_methods_name_it() -> None:
    loader = sized(DataLoader(Global(), 4), PLAN)
    assert sizes(loader) == {16}


class Tokenizer:
    """Can be called, and has a length that is not one of images."""

    max_length, size = 77, 512

    def __call__(self, labels: list[int]) -> list[int]:
        return labels


class Collate:
    def __init__(self) -> None:
        self.tokenizer, self.crop = Tokenizer(), crop

    def method(self, samples: list[Any]) -> torch.Tensor:
        return stack(self.crop, self.tokenizer, samples)


def stack(apply: Any, tokenizer: Any, samples: list[Any]) -> torch.Tensor:
    tokenizer([label for _, label in samples])
    return torch.stack([apply(image) for image, _ in samples])


def test_a_collate_function_that_refers_to_it() -> None:
    tokenizer = Tokenizer()

    def closure(samples: list[Any]) -> torch.Tensor:
        return stack(crop, tokenizer, samples)

    for collate in (
        closure,
        Collate().method,
        partial(stack, crop, tokenizer),
        partial(by_name, tokenizer=tokenizer, apply=crop),
    ):
        plain = DataLoader(Images(torch.Tensor.float), 4, collate_fn=collate)
        assert sizes(sized(plain, PLAN)) == {16}
        assert crop.size == (FULL, FULL)
        plain = DataLoader(Images(), 4, collate_fn=partial(max, key=len))
        assert next(iter(sized(plain, PLAN)))[0].shape == (3, 16, 16)


def by_name(samples: list[Any], *, apply: Any, tokenizer: Any) -> torch.Tensor:
    return stack(apply, tokenizer, samples)


def test_what_a_library_refers_to_is_left_out() -> None:
    found, own = referred(v2.functional.resize)
    assert found == {}
    assert own["antialias"] is True
