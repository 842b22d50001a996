"""Images per second and core of loaders: ``python -m tests.benchmarks.loaders``.

Prints a table. Ways that are not installed are named: OpenCV and simplejpeg come by
``pip install opencv-python-headless simplejpeg``, FFCV has to be built from its source
package. With ``--page FILE`` it writes nothing but the table of a run, from its JSON, into
the page of the documentation.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from tests.benchmarks.loaders.measure import measure, one_core
from tests.benchmarks.loaders.photographs import KINDS, write
from tests.benchmarks.loaders.report import about, insert, tables, to_json
from tests.benchmarks.loaders.ways import ways

_PAGE = Path(__file__).parents[3] / "docs" / "loaders.md"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.loaders", description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add("photographs", nargs="*", help=f"of {', '.join(KINDS)}; all of them")
    add("--sizes", default="224,160,112", help="pixels, the first one is full size")
    add("--images", type=int, default=640)
    add("--rounds", type=int, default=3)
    add("--json", type=Path, help="write the figures to this file")
    add("--page", type=Path, help="put the table of such a file into the page")
    args = parser.parse_args(arguments)
    if args.page is not None:
        text = _PAGE.read_text("utf-8")
        _PAGE.write_text(
            insert(text, json.loads(args.page.read_text("utf-8"))), "utf-8"
        )
        return
    sizes = sorted(map(int, args.sizes.split(",")))
    all_ways = ways()
    here = [way for way in all_ways if not way.missing]
    missing = {way.name: way.missing for way in all_ways if way.missing}
    measured = []
    root = Path(tempfile.gettempdir(), "upsize-benchmark", "loaders")
    with one_core() as core, tempfile.TemporaryDirectory() as folder:
        for name in args.photographs or KINDS:
            photos = write(root, name, args.images)
            measured += measure(
                photos, here, sizes, args.rounds, Path(folder),
                lambda text: print(text, flush=True),
            )  # fmt: skip
    found = to_json(measured, about(core, args.images, args.rounds), missing)
    print(tables(found))
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
