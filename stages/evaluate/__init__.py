"""The test cases ranked once, and what the lists are like."""
