"""Kubernetes' own rules, pure: what a request asks for, what goes upstream in whose name, what comes back, and what kubectl prints.

requestinfo (query, selectors, operations)   request target → Action, exactly as the API server reads it, or a refusal
headers, impersonation   what a client may send, what the cluster gets, what of its answer the client gets; redirects of proxied servers
browsers                 what a page of another site has somebody's browser send
credentials              the bearer token, also where a browser must hide it in a WebSocket subprotocol
status                   ``Status`` bodies and the sentence of a denial
access_review, review_selectors, rules_review   Kubernetes' own questions about rights; protobuf, where they come so
self_subject_review, gate_rights      who the gate itself is to a cluster, what it has to be able to do there, and what not
cluster_access           the gate's way to a cluster; kubeconfig and execplugin read it, client_kubeconfig is what people get to use the gate
remotecommand, portforward, watch   channels and streams, and how to say why one ends; cbor, where a watch speaks it
"""
