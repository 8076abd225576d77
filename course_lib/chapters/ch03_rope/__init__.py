"""Chapter 03: what only this chapter needs."""
