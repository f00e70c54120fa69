"""What lies on disk: params, the schema of every table, where each lies, and the only reader and writer of them."""
