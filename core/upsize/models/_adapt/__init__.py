"""Models whose layers are made for one size, prepared for others."""

__all__: list[str] = []
