"""The shell: the only folder that touches the reactor, sockets, TLS and files.

Each class here is as thin as it can be and calls a sans-IO core (exchange/, wire/) with bytes; what the core wants done comes back as calls
on a small port. Reasons for going below Twisted's own transports are in docs/performance.md: recv into one shared buffer, an eager send, and
stdlib ``ssl`` memory BIOs together cost a third of what the stock TLS transport does.

The data path:

    reactor, readiness, timers    Twisted's reactor with shorter ways;  turn  what one of its turns led to is flushed once
    sockets, tls, records         a socket, TLS over it, and where TLS records end;  contexts  what is agreed on
    listener, addresses           accepting clients, and whose an address is
    dial, upstream, upstream_pool, cluster    to a cluster: one connection, as many as are needed, all that an exchange asks
    credentials, programs         the gate's own credential there, and the plugin that prints one

What lasts:

    journal, audit_file, recovery, archive    the audit: written in groups, taken up after a crash, policies beside it;  trail  read back
    reels, reel_file              recordings on their way to the disk;  recordings  found and read again
    database, notifications       the store, from threads, and what other gates changed there
    following, signed_in, grants, directory    what of it is kept in memory, as the change feed says

What others are asked, and what they tell:

    web, ways                     any web server, straight or through the company's proxy
    provider, id_tokens, rechecks    people's identity providers: signing in, and whether they still stand by somebody
    issuer_keys, judges           keys of those who sign tokens; who is to be asked about tokens that say nothing
    askers, consulting            the other authorizers
    facts, geo, inventory         facts, geo data, devices
    polling, notices              notices of issuers
    fetches                       which of these a decision waits for

    clock, waker, beside, telling, lifeline   time, threads, listeners, a supervisor that is gone
    disk, files, watching         file systems that may hang; what a file is; reading files, and following their changes
"""
