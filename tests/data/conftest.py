"""Laws are about values, not about how fast a shared machine is: no deadline for one example."""

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
