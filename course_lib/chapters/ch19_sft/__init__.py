"""Chapter 19: what only this chapter needs."""
