"""Files that nobody would write, and those that somebody would send."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upsize.schedule import Linear, MultiScale, Phases, Ramp, dump, load
from upsize.schedule._shown import shown

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGE = "a: &a {x: 1}\nkind: ramp\n<<: *a\n"


def nested(levels: int, leaf: Any = 1) -> Any:
    value = leaf
    for _ in range(levels):
        value = [value]
    return value


def bomb() -> Any:
    value: Any = "x"
    for _ in range(40):
        value = [value] * 9
    return value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", BOMB + "kind: ramp\nstart: *i\n", "aliases are not allowed"),
        ("a.yaml", MERGE, "aliases are not allowed"),
        ("a.yaml", "kind: ramp\nstart: &s [*s]\n", "aliases are not allowed"),
        ("a.yaml", "[" * 60_000, "at most 10 levels"),
        ("a.yaml", "- " * 30_000, "at most 10 levels"),
        ("a.yaml", "? " * 30_000, "at most 10 levels"),
        ("a.yaml", "{a: " * 15_000, "at most 10 levels"),
        ("a.json", "[" * 60_000, "at most 10 levels"),
        ("a.json", '{"a":' * 12_000, "at most 10 levels"),
        ("a.json", "[" * 500 + "]" * 500, "not \\[\\[\\["),
        ("a.json", '{"kind": ' + "[" * 500 + "]" * 500 + "}", "at most 10 levels"),
        ("a.toml", "a = " + "[" * 60_000, "at most 10 levels"),
        ("a.toml", "a = " + "{a=" * 20_000, "at most 10 levels"),
        ("a.toml", ".".join("a" * 2_000) + " = 1", "at most 10 levels"),
        ("a.toml", "kind = 'ramp'\nkind = 'linear'", "overwrite"),
        (
            "a.json",
            '{"kind": "ramp", "start": 1, "start": 2}',
            "'start' occurs twice",
        ),
        ("a.yaml", "kind: ramp\nstart: 1\nstart: 2", "'start' occurs twice"),
        ("a.yaml", 'start: !!int ""', "cannot be read .IndexError"),
        ("a.yaml", 'start: !!float ""', "a.yaml: "),
        ("a.yaml", 'start: !!bool "x"', "a.yaml: "),
        ("a.yaml", 'start: !!timestamp "x"', "cannot be read .AttributeError"),
        ("a.yaml", "start: !!binary x", "a.yaml: "),
        ("a.yaml", "start: !!omap 1", "a.yaml: "),
        ("a.yaml", "start: !!python/object/apply:os.getcwd []", "could not determine"),
        ("a.yaml", "start: 2025-13-45", "month must be"),
        ("a.yaml", "? [a]\n: 1", "unhashable"),
        ("a.yaml", "a: 1\n--- b", "single document"),
        ("a.yaml", "start: " + "9" * 5000, "a.yaml: "),
        ("a.yaml", "start: " + ":".join("1" * 20_000), "a.yaml: "),
        ("a.json", '{"kind": "ramp", "start": ' + "9" * 5000 + "}", "a.json: "),
        ("a.toml", "kind = 'ramp'\nstart = " + "9" * 5000, "a.toml: "),
        ("a.toml", "kind = 'ramp'\nstart = 1979-05-27", "start"),
        (
            "a.json",
            '{"kind": "ramp", "start": "' + "9" * 5000 + 'ep"}',
            "80 characters",
        ),
        ("a.json", '{"kind": "ramp", "start": 1e400}', "not inf"),
        ("a.json", '{"kind": "\\ud800"}', "a.json: "),
        ("a.json", '{"kind": "ramp", "\\ud800": 1}', "a.json: "),
        ("a.yaml", "a: \x07", "a.yaml: "),
        ("a.json", "", "a.json: Expecting value"),
        ("a.json", "\ufeff", "a.json: Expecting value"),
        ("a.toml", "", "kind"),
        ("a.yaml", "null", "not None"),
        ("a.json", " " * 65_537, "at most 65,536 bytes"),
        ("a.yaml", "#" * 10**6, "at most 65,536 bytes"),
    ],
)
def test_one_value_error_with_the_path(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert type(caught.value) is ValueError
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("data", [b"\xff\xfe", b'{"kind": "\x80"}', b"\xed\xa0\x80"])
@pytest.mark.parametrize("suffix", [".json", ".yaml", ".toml"])
def test_bytes_that_are_not_utf_8(data: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"a{suffix}: must be text in UTF-8"):
        load(path)


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".toml"])
def test_a_byte_order_mark(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    dump(Ramp(final_size=96), path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(path) == Ramp(final_size=96)


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".toml"])
def test_what_is_not_a_file(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"a{suffix}").mkdir()
    with pytest.raises(ValueError, match=f"a{suffix}: is not a file"):
        load(tmp_path / f"a{suffix}")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / f"none{suffix}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    code = f"from upsize.schedule import load; load({str(tmp_path / 'a.json')!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300
    )
    assert "a.json: is not a file" in done.stderr


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "ramp", "start": bomb()}, "at most 100,000 values"),
        ({"kind": "phases", "phases": bomb()}, "at most 100,000 values"),
        ({"kind": "phases", "phases": nested(50_000)}, "at most 10 levels"),
        ({"kind": "ramp", "start": nested(11)}, "at most 10 levels"),
        ({"kind": "ramp", "start": nested(9)}, "not \\[\\[\\["),
        ({"kind": bomb}, "kind"),
        ({"kind": ["ramp"]}, "kind"),
        ({1: 2}, "kind"),
        ({"kind": "ramp", 1: 2}, "no field 1"),
    ],
)
def test_dicts(fields: dict[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(fields)


def test_a_dict_that_holds_itself() -> None:
    fields: dict[str, Any] = {"kind": "ramp"}
    fields["start"] = fields
    with pytest.raises(ValueError, match="at most 10 levels"):
        load(fields)


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_values_are_shown_in_bounded_length() -> None:
    deep, cyclic = nested(100_000), []
    cyclic.append(cyclic)
    for value in (
        bomb(),
        deep,
        cyclic,
        "x" * 10**6,
        10**5000,
        -(10**5000),
        [bomb()] * 9,
    ):
        assert len(shown(value)) <= 303
    assert shown(-5) == "-5"
    assert shown([Mute()]) == "[<Mute>]"
    with pytest.raises(ValueError, match="not \\[\\["):
        Ramp.model_validate({"start": nested(100)})
    while deep != 1:  # without a recursion at the end
        deep = deep[0]


def test_a_schedule_that_is_too_large_for_a_file(tmp_path: Path) -> None:
    many = MultiScale(sizes=range(1, 9000), multiple_of=1)
    with pytest.raises(ValueError, match=r"a.json: a file has at most 65,536 bytes"):
        dump(many, tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()
    assert load(dump(many)) == many


digits = st.characters(categories=["Nd"])
blanks = st.text(
    st.sampled_from(" \t\n\x0b\x0c\x1c\x1f\x85\xa0\u2028\u3000"), max_size=2
)
numbers = st.text(digits, min_size=1, max_size=3)
moments = st.one_of(
    st.floats(0, 1e12), st.integers(0, 10**12),
    st.builds("{}{}{}ep{}".format, blanks, numbers, blanks, blanks),
    st.builds("{}{}.{}%{}".format, blanks, numbers, numbers, blanks),
    st.fractions(0, 1).map(str),
)  # fmt: skip
sizes = st.one_of(
    st.floats(0, 1, exclude_min=True),
    st.integers(1, 65_536),
    st.tuples(*[st.integers(1, 65_536)] * 2),
)
schedules = st.one_of(
    st.builds(lambda **f: (Ramp, f), initial_size=sizes, start=moments, finish=moments,
              increase_by=st.integers(1, 10**12), max_sizes=st.none() | st.integers(2)),
    st.builds(lambda **f: (Linear, f), initial_size=sizes, start=moments, finish=moments),
    st.builds(lambda s, m: (Phases, {"phases": [(0, s), (m, s)]}), sizes, moments),
    st.builds(lambda **f: (MultiScale, f), sizes=st.lists(sizes, min_size=1),
              seed=st.integers(0, 2**64 - 1), start=st.none() | moments),
)  # fmt: skip


@given(schedules, st.sampled_from([".json", ".yaml", ".toml"]))
def test_what_is_written_can_be_read(
    made: tuple[Any, dict[str, Any]], suffix: str
) -> None:
    kind, fields = made
    try:
        schedule = kind(**fields)
    except ValueError:
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        dump(schedule, path)
        assert load(path) == schedule
    assert load(json.loads(json.dumps(dump(schedule)))) == schedule
