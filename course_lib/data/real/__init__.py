"""Photographs and handwritten digits."""
