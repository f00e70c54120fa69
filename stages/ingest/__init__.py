"""Raw logs to coded tables."""
