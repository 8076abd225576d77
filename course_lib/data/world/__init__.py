"""The data world: scenes and all that is drawn or asked from them."""
