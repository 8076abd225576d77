"""Chapter 00: what only this chapter needs."""
