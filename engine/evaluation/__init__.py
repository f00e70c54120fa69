"""What a trained model is asked: ranks, rating errors, and what erasing parts of the input does to a score."""
