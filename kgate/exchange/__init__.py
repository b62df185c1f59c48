"""The heart: one request from its head to its end, and what it becomes after a 101. Sans-IO: calls come in, calls on small ports go out.

    client ──bytes──▶ ClientLeg ──events──▶ Exchange ──calls──▶ UpstreamLeg ──bytes──▶ cluster
           ◀──bytes──           ◀──calls──           ◀──events──           ◀──bytes──

A *leg* is one connection of either side with its wire protocol; legs of HTTP/1.1 and HTTP/2 look alike from here. An *exchange* belongs to one
stream of a client leg and borrows one stream of an upstream leg. ``said`` reads the header fields, ``admission`` answers who asks for what and whether
they may; ``tunnel`` follows what passes after a 101, and ``forwarded`` decides on a port-forward's ports; ``farewell`` says why something was cut, in
its own protocol.

Backpressure is credit: body bytes are acknowledged to their sender only once the far side's connection took them.
"""
