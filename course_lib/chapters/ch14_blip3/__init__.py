"""Chapter 14: what only this chapter needs."""
