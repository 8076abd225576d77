"""Chapter 11: what only this chapter needs."""
