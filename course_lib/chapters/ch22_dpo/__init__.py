"""Chapter 22: what only this chapter needs."""
