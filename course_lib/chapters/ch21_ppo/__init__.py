"""Chapter 21: what only this chapter needs."""
