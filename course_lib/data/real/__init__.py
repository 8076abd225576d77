"""Photographs, handwritten digits, and emoji with their names."""
