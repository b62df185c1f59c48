"""Kubernetes' own question, answered truly: may I? (``SelfSubjectAccessReview``, which ``kubectl auth can-i`` sends.)

Passed on as it is, the cluster would answer for itself alone, and yes would mean no wherever the gate denies. So the gate reads the review, decides on
what it is about by the same function as a request for it, and only where that allows asks the cluster, as whom the rule lets the caller be
seen. The answer is the gate's AND the cluster's, with the reason of whoever says no (protocol.md section 4).
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from kgate.exchange.inquiry import Reply
from kgate.exchange.own_reviews import OwnReview
from kgate.exchange.waiting import MOST_ROUNDS
from kgate.kube.access_review import (
    OWN_REVIEWS,
    Attributes,
    Review,
    ReviewStatus,
    parse_self_review,
    render_answer,
    render_review,
    review_status,
)
from kgate.kube.operations import operation_of
from kgate.kube.selectors import required_name
from kgate.kube.status import describe_reasons
from kgate.model import Action, Cluster, Decision, Operation, Pending
from kgate.policy.well_known import CLUSTER_SCOPED

_CHANNELS = (
    ("pods", "exec"), ("pods", "attach"), ("pods", "portforward"), ("pods", "proxy"), ("services", "proxy"), ("nodes", "proxy"),
    ("serviceaccounts", "token"),
)  # fmt: skip
"""What a star is besides the plain resources and subresources, all of the core group: a rule grants these by name only."""


class SelfReview(OwnReview):
    """See the module."""

    _review: Review
    _asked: tuple[Action, ...] = ()
    _rounds = 0

    def _examine(self, body: bytes, media: str) -> None:
        review = parse_self_review(body, media)
        if isinstance(review, str):
            self._refuse(400, review)
            return
        self._review = Review(placed(review.attributes))
        self._asked = actions_of(self._review.attributes, self.action.cluster)
        self._judge()

    def _judge(self) -> None:
        """The gate's own answer; the last of what is asked is the review itself, and says as whom the cluster is asked."""
        if self._done:
            return
        for action in self._asked:
            found = self._gate.judge(self, action)
            if isinstance(found, Pending):
                self._fetch(found)
                return
            if not found.allowed:
                self._answer(ReviewStatus(False, reason=f"kgate: {describe_reasons(found.reasons)}"))
                return
            if action is self._asked[-1] and found.impersonate is not None:
                self._ask(found)

    def _fetch(self, pending: Pending) -> None:
        self._rounds += 1
        if self._rounds > MOST_ROUNDS:
            self._refuse(503, "what the decision depends on did not come in time; try again")
        else:
            self._gate.fetch(pending.wanted, self._judge)

    def _ask(self, decision: Decision) -> None:
        if decision.impersonate is not None:
            self._ask_cluster(OWN_REVIEWS, render_review(self._review), decision.impersonate, lambda reply: self._told(decision, reply))

    def _told(self, decision: Decision, reply: Reply) -> None:
        status = review_status(reply.body)
        if isinstance(status, str):
            self._refuse(502, f"{self._cluster} could not be asked: its answer is {status}")
        elif status.allowed and not status.denied:
            rule = f'rule "{decision.rule}" allows it' if decision.rule else "it is open to whoever signed in"
            self._answer(ReviewStatus(True, reason=f"kgate: {rule}; {self._cluster}: {status.reason or 'allowed'}"))
        else:
            # The cluster's own no is told in its own words, or in none: kubectl prints then what it prints without a gate.
            self._answer(ReviewStatus(False, status.denied, status.reason, status.evaluation_error))

    def _answer(self, status: ReviewStatus) -> None:
        self._send(201, render_answer(self._review, status))


def placed(attributes: Attributes) -> Attributes:
    """A review as a request for the same would be: kubectl names its namespace also where there is none, and RBAC would believe it.

    ``namespaces`` themselves are in the namespace of their own name (RequestInfo).
    """
    outside = (attributes.group, attributes.resource) in CLUSTER_SCOPED and attributes.resource != "namespaces"
    return evolve(attributes, namespace="") if outside else attributes


def actions_of(attributes: Attributes, cluster: Cluster) -> tuple[Action, ...]:
    """What the gate is to decide on for a review; all of it must be allowed. Where the review names no namespace it means every one."""
    asked = action_of(attributes, cluster)
    channels = _channels_of(attributes) if attributes.verb in ("*", "create") else ()
    return (*(action_of(Attributes("create", "", "v1", resource, sub, asked.namespace), cluster) for resource, sub in channels), asked)


def _channels_of(attributes: Attributes) -> Iterable[tuple[str, str]]:
    """``*`` is every resource with all that is below it, ``pods/*`` all that is below pods."""
    every = attributes.resource == "*" and attributes.subresource in ("", "*")
    if attributes.group not in ("", "*") or not (every or attributes.subresource == "*"):
        return ()
    return (channel for channel in _CHANNELS if every or channel[0] == attributes.resource)


def action_of(attributes: Attributes, cluster: Cluster) -> Action:
    """A review's attributes as the policy sees a request for them."""
    verb, group, resource, subresource = attributes.verb, attributes.group, attributes.resource, attributes.subresource
    if not resource:
        return Action(cluster, "", verb, "", attributes.path)
    namespace = attributes.namespace or ("" if (group, resource) in CLUSTER_SCOPED else "*")
    operation = Operation.IMPERSONATE if verb == "impersonate" else operation_of(group, verb, resource, subresource)
    fields, labels = attributes.field_selector, attributes.label_selector
    name = attributes.name or (required_name(fields) or "" if verb in ("list", "watch") else "")
    return Action(
        cluster, "", verb, "", "", group, attributes.version, resource, subresource, namespace, name, operation,
        field_selector=fields, label_selector=labels,
    )  # fmt: skip
