"""Pictures and words to vectors: pretrained networks, and the extraction that runs them here or on a Ray cluster."""
