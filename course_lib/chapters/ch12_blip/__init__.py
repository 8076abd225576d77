"""Chapter 12: what only this chapter needs."""
