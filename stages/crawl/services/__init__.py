"""One service of texts and pictures a file."""
