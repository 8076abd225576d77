"""One file a claim, cNN_topic.py, that ends in CLAIM = Claim(...); its record stands in ../records."""
