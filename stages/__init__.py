"""One DVC stage each."""
