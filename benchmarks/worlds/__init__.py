"""Made worlds in which it is known what each system should win by. `python -m benchmarks.worlds`."""
