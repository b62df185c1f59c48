"""The question "may they?", as the rest of the gate asks it, and the kinds of answer.

interface   ``Authorizer``, the protocol
builtin     the gate's own policy
"""
