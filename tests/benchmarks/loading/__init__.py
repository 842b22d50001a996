"""What a schedule saves where the loader, the model or both take the time."""
