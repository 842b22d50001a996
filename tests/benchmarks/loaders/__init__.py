"""Images per second and core: loaders of photographs beside each other."""
