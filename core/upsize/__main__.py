"""``python -m upsize`` is the command ``upsize``."""

from upsize.cli import main

__all__: list[str] = []

if __name__ == "__main__":  # pragma: no branch - what `import` takes
    main()
