"""Two git revisions, or a paper's cells, side by side."""
