"""Chapter 05: what only this chapter needs."""
