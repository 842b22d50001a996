"""Progressive resizing for Lightning: announced, not in this release (see CHANGELOG.md)."""

__all__: list[str] = []
