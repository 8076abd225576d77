"""Numbers in, matplotlib Figure out: one file a topic, one style for all of them."""
