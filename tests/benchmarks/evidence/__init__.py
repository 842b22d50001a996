"""What progressive training gives on a task that needs its resolution."""
