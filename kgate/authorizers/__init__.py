"""The question "may they?", as the rest of the gate asks it, and the kinds of answer.

interface   ``Authorizer``, what others are asked and what they may answer
builtin     the gate's own policy
chain       the policy first, and then all others that have to agree
answers     what the others said, and for how long it counts
webhook     SubjectAccessReview: any webhook that speaks it, and a cluster's own RBAC
opa         Open Policy Agent
"""
