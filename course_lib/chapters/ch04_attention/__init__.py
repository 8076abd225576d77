"""Chapter 04: what only this chapter needs."""
