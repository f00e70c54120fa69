"""Pictures to vectors: checked, decoded, and read by a backbone or by a detector of regions."""
