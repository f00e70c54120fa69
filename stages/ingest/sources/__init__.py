"""One source of raw logs a file; its file name is the `source` of a data set in params.yaml."""
