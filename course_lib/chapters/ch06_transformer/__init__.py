"""Chapter 06: what only this chapter needs."""
