"""The shell: the only folder that touches the reactor, sockets, TLS and files.

Each class here is as thin as it can be and calls a sans-IO core (exchange/, wire/) with bytes; what the core wants done comes back as calls
on a small port. Reasons for going below Twisted's own transports are in docs/performance.md: recv into one shared buffer, an eager send, and
stdlib ``ssl`` memory BIOs together cost a third of what the stock TLS transport does.
"""
