"""Progressive resizing for the Hugging Face Trainer: announced, not in this release (see CHANGELOG.md)."""

__all__: list[str] = []
