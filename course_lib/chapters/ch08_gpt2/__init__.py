"""Chapter 08: what only this chapter needs."""
