"""What the raw logs lack of texts and pictures, from services."""
