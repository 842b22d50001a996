"""Small copies of image files."""

__all__: list[str] = []
