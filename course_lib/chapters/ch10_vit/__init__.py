"""Chapter 10: what only this chapter needs."""
