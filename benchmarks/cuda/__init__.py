"""What a card gives: results equal to a processor's, and how fast. `python -m benchmarks.cuda`."""
