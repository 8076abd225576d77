"""Chapter 01: what only this chapter needs."""
