"""Bytes to rows: archives, downloads, delimited text, JSON, BSON, pictures; bad rows are counted or refused."""
