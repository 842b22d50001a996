from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from upsize.schedule import Linear, Phases, Ramp, dump, load

SCHEDULES = [
    Ramp(),
    Ramp(
        initial_size=(112, 160),
        final_size=(224, 320),
        start="10ep",
        finish="1/3",
        increase_by=16,
        increase_mode="epoch",
        multiple_of=(16, 32),
        max_sizes=5,
    ),
    Linear(final_size=224, start=0.0, finish=1e-05),
    Phases(phases=[(0, 0.5), ("49/90", (160, 160)), (20, 1.0)], final_size=224),
]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("suffix", [".json", ".yaml", ".yml", ".toml", ".JSON"])
def test_round_trip(schedule: Any, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"schedule{suffix}"
    fields = dump(schedule, path)
    assert load(path) == load(str(path)) == load(fields) == schedule
    assert dump(schedule) == fields
    assert None not in fields.values()


def test_written_by_hand(tmp_path: Path) -> None:
    yaml = tmp_path / "a.yaml"
    yaml.write_text("kind: phases\nphases:\n  - [0, 128]\n  - [50%, 224]\n")
    assert load(yaml) == Phases(phases=[(0, 128), ("50%", 224)])
    toml = tmp_path / "a.toml"
    toml.write_text(
        'kind = "ramp"\ninitial_size = [112, 112]\nstart = 10\nfinish = 0.75\n'
    )
    assert load(toml) == Ramp(initial_size=(112, 112), start=10)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "a.json: Expecting"),
        ("a.json", "[1]", r"a.json: a schedule is a mapping .* not \[1\]"),
        ("a.yaml", "kind: [", "a.yaml: while parsing"),
        ("a.yaml", "", "a.yaml: a schedule is a mapping .* not None"),
        ("a.toml", "kind = ", "a.toml: "),
        ("a.ini", "", r"a.ini: must end in .json, .yaml, .yml or .toml, not '.ini'"),
        ("a", "", "a: must end in"),
        ("a.json", "{}", "(?s)a.json: .*kind"),
        (
            "a.json",
            '{"kind": "cosine"}',
            "a.json: kind must be 'ramp' or 'linear' or 'phases'",
        ),
        (
            "a.json",
            '{"kind": "ramp", "by": 4}',
            "(?s)a.json: .*no field .by.; its fields are",
        ),
        (
            "a.json",
            '{"final_size": 64}',
            "^[^\\n]*a.json: kind must be 'ramp' or .*None",
        ),
        ("a.json", '{"kind": "rampp"}', "kind must be .*did you mean 'ramp'"),
        ("a.json", '{"kind": ["ramp"]}', r"kind must be .*not \['ramp'\]"),
        ("a.json", '{"kind": "ramp", "start": -1}', "(?s)a.json: .*start.*not -1"),
        ("a.json", '{"kind": "ramp", "start": NaN}', "(?s)a.json: .*start.*not nan"),
    ],
)
def test_bad_files(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load(path)


def test_bad_mappings_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kind"):
        load({})
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.json")
    with pytest.raises(ValueError, match="must end in"):
        dump(Ramp(), tmp_path / "a.txt")
    assert not (tmp_path / "a.txt").exists()


def test_yaml_without_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match=r'pip install "upsize\[yaml\]"'):
        dump(Ramp(), tmp_path / "a.yaml")
