"""Documents → rules → a decision with its reasons. Pure: the instant is in the ``Context``, everything else in the arguments.

    load          text → ``Policy``, or every mistake in it
    rules         what a rule, an entry and ``as`` are;  notation  how their values are written;  schema  the same for editors
    parties       who a rule is for, and on which clusters;  people  whose lists somebody is on;  offers  what must be asked for
    resources     how RBAC writes resources
    well_known    which of Kubernetes' own are outside namespaces, and which group each is in
    conditions/   ``when`` and ``unless``: one file for each kind of context
    details       what an entry asks beyond the index: containers, commands, ports;  selectors, places, templates  its further words
    index         which entries an identity, a cluster, a verb … leave standing, as sets of bits;  facets, listing  how those are found
    question      what a matcher is asked about
    evaluate      the decision: deny wins, the first allow gives what it grants
    scope         what a credential is good for at all;  visible  which clusters somebody may see
    cases         ``tests:`` of a policy file, as written;  trial: what comes of them
    explain       a decision, rule by rule
    reach         who may do this, and what may somebody do
    difference    what changes from one policy to another, in rules and on samples (samples, moments)
    misses        the nearest miss, for whoever was denied
    impersonation who the cluster sees, and what ``kubectl --as`` asks for

Three-valued where something is not known: an allow needs a certain yes, a deny is stopped only by a certain no.
"""
