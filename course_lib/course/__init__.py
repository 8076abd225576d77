"""The machinery of the course: claims, 考据 and exercises with their registries, the outline, the self-test."""
