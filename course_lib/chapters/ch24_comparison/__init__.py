"""Chapter 24: what only this chapter needs."""
