"""Topics of what people did, window by window."""
