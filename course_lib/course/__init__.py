"""The machinery of the course: what its evidence was made by."""
