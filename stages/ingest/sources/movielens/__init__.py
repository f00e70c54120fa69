"""MovieLens: where a release lies, and the layouts of its files."""
