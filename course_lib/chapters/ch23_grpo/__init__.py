"""Chapter 23: what only this chapter needs."""
