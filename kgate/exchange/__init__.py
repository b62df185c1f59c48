"""The heart: one request from its head to its end, and what it becomes after a 101. Sans-IO: calls come in, calls on small ports go out.

    client ──bytes──▶ ClientLeg ──events──▶ Exchange ──calls──▶ UpstreamLeg ──bytes──▶ cluster
           ◀──bytes──           ◀──calls──           ◀──events──           ◀──bytes──

A *leg* is one connection of either side with its wire protocol; legs of HTTP/1.1 and HTTP/2 look alike from here. An *exchange* belongs to one
stream of a client leg and borrows one stream of an upstream leg.

    legs, ports, upstream, gate    the two connections, and what all of these ask of each other and of the gate around them
    said, routes       what the header fields say, and which cluster is meant
    admission          who asks for what, and whether they may;  waiting  where that has to be found out first;  refusal  a no
    exchange           the request;  live  as the registry sees it;  patience  for whom it waits, and how long
    agreement, relay   the 101 that fits, or does not; bytes carried after it
    tunnel, inside     what passes there, followed: websocket_inside, spdy_inside, tunnelled_inside;  tally  counted
    tape               what of an exec or attach is recorded, and what its recording stands in the way of
    forwarded          a port-forward's ports, each decided by itself
    farewell           why something was cut, in its own protocol
    local              what the gate answers itself;  own_reviews, self_review, rules_review  what it answers together with the cluster
    inquiry            a question of the gate's own to a cluster

Backpressure is credit: body bytes are acknowledged to their sender only once the far side's connection took them.
"""
