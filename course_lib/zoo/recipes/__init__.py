"""One file a family of models, ending in `RECIPES = [Recipe(...), ...]`."""
