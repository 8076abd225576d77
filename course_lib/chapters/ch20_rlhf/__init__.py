"""Chapter 20: what only this chapter needs."""
