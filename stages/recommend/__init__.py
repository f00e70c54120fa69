"""What everyone would be shown now, and because of what."""
