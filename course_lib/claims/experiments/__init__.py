"""One file a claim: `cNN_topic.py`, ending in `CLAIM = Claim(...)`."""
