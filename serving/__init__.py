"""What comes out for people: recommendations, reasons and what would change them, from one trained model."""
