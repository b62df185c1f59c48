"""Where and when somebody asks, and what else holds at that moment: everything of a ``Context`` that the request itself does not say.

world      the one place where a ``Context`` is made
board      facts, as their sources told them, with their ages
document   what a source tells: bytes → facts, or why not
push       a signed message that tells facts
geo        address → country and network operator, by MaxMind's format

Pure: bytes and instants come in. Who reads files and asks servers is in net/.
"""
