"""Chapter 02: what only this chapter needs."""
