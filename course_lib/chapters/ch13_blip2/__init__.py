"""Chapter 13: what only this chapter needs."""
