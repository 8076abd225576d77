"""Texts, and the tools that clean and mix them."""
