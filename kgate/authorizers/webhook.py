"""SubjectAccessReview: Kubernetes' own way to ask somebody else. Two authorizers ask it.

``Webhook`` sends the caller, as the gate knows them, to any server that speaks the API; the cluster's name goes along as an extra of theirs.
``ClusterRbac`` asks the cluster itself what the impersonated user may do there, before anything is sent in that user's name. It asks as that user
(``SelfSubjectAccessReview``, which everybody may), so the gate's credential needs no right but to impersonate. What it is for: a right that
the cluster takes back ends live streams too, and nobody finds out by trying.
"""

from __future__ import annotations

from attrs import define

from kgate.authorizers.interface import Answer, Opinion, Question, Unanswered
from kgate.kube.access_review import Review, ReviewStatus, attributes_of, render_review, review_status
from kgate.model import Action, Context, Decision, Identity, Operation

CLUSTER_EXTRA = "kgate.io/cluster"


@define(eq=False)
class SubjectReviews:
    """The questions to a webhook."""

    name: str

    def question(self, identity: Identity, action: Action, context: Context, decision: Decision) -> Question | None:
        """About the caller."""
        extra = (*((key, values) for key, values in identity.extra if key != CLUSTER_EXTRA), (CLUSTER_EXTRA, (action.cluster.name,)))
        review = Review(attributes_of(action), identity.user, identity.groups, identity.uid, extra)
        return Question(self.name, render_review(review))


@define(eq=False)
class OwnReviews:
    """The questions to a cluster."""

    name: str

    def question(self, identity: Identity, action: Action, context: Context, decision: Decision) -> Question | None:
        """About whom the cluster sees. What ``--as`` asks for is the gate's to grant: the cluster never sees the caller."""
        if action.operation is Operation.IMPERSONATE or decision.impersonate is None:
            return None
        return Question(self.name, render_review(Review(attributes_of(action))), action.cluster.name, decision.impersonate)


def answer_of(status: int, body: bytes) -> Answer | Unanswered:
    """What a server's answer to a review means."""
    if status not in (200, 201):
        return Unanswered(f"answered with {status}")
    read = review_status(body)
    if not isinstance(read, ReviewStatus):
        return Unanswered(f"answered with something that is no review: {read}")
    text = "; ".join(each for each in (read.reason, read.evaluation_error) if each)
    if read.allowed and not read.denied:
        return Answer(Opinion.ALLOWED, text)
    return Answer(Opinion.DENIED if read.denied else Opinion.NONE, text or ("" if read.denied else "it has no opinion"))
