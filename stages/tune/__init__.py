"""Settings searched on validation: the same number of trials a model."""
