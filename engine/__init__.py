"""What drives any model."""
