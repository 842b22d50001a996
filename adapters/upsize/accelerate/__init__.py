"""Progressive resizing for Accelerate: announced, not in this release (see CHANGELOG.md)."""

__all__: list[str] = []
