"""Training, seen: loop.py holds the whole of it."""
