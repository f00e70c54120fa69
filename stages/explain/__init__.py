"""Reasons of recommendations as a table and a page."""
