"""Image files: decoding, cropping and reading JPEG headers."""

__all__: list[str] = []
