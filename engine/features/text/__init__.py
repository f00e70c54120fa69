"""Texts to vectors: tokens, BERT, paragraph vectors."""
