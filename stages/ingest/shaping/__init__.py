"""Rows to coded tables: order in time, duplicates, minima, dense codes."""
