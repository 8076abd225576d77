"""Chapter 07: what only this chapter needs."""
