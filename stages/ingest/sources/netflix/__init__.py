"""The Netflix prize: its ratings, and the titles of its films."""
