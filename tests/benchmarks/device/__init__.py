"""Training steps at each size and batch on whatever device there is."""
