"""Numbers in, one value a case out."""
