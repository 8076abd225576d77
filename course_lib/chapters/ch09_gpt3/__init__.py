"""Chapter 09: what only this chapter needs."""
