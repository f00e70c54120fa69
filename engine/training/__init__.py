"""What every model is given and how it learns: the contract, batches, the catalog, negatives, the one training loop."""
