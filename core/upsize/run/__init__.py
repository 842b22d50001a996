"""One training run: its position, its checks, its dry run and its end."""

from upsize._extras import missing_extra

try:
    import torch  # noqa: F401 - asked here, before each module needs it
except ModuleNotFoundError as error:  # pragma: no cover - in test_missing.py
    raise missing_extra("torch", "Training runs") from error

__all__: list[str] = []
