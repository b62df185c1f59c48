"""Who is asking. Pure: the instant is passed in, files are read by whoever calls.

credentials    what a request shows, and the answer where it is not enough
names          which user and group names may go further
tokens         static tokens of robots, kept as SHA-256
robots         the file that lists them;  uses  which of them were used
token_file     adding one to the file, and taking one out
jose           signed tokens and the keys of whoever signs them, read strictly
issuer_configuration  which issuers are believed: Kubernetes' AuthenticationConfiguration
claims         claims → identity, by those rules
key_ring       one issuer's keys: when they are fetched, how long they hold
elsewhere      groups that a token leaves elsewhere: distributed claims, userinfo
issuers        tokens of OpenID Connect issuers
openid, pkce   the gate as such an issuer's client, where people sign in
gate_tokens    what a client shows for a session of the gate's own;  gate_sessions  which of those there are
asked          tokens that only somebody else can judge, and for how long the answer holds
introspection  an issuer's answer about an opaque token
token_review   a cluster's answer about a service account's
trust          who signs client certificates, and which of those are revoked
certificates   client certificates: CN → user, O → groups, or as CEL maps them
devices        machines with a certificate of their own, and what an inventory says of them
notices        what an issuer tells between two tokens: logout, disabled, out of compliance
notice_tokens  the tokens that say so
people         further groups from rosters, merged by precedence; who is out
roster_file    the operator's file of groups;  directory  what the company pushed
authenticator  the configured sources, asked in order
"""
