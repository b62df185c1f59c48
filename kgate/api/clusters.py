"""``GET /kgate/v1/clusters``: the clusters that the caller may see, and how to reach each: what ``kgate kubeconfig`` writes down."""

from __future__ import annotations

from collections.abc import Callable

from kgate.api.application import Params, Routes, json_response
from kgate.api.caller import Callers, known
from kgate.api.pages import Place
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.kube.client_kubeconfig import cluster_url
from kgate.model import Identity


def routes(callers: Callers, place: Callable[[], Place]) -> Routes:
    """Its route."""

    async def clusters(caller: Identity, request: LocalRequest, params: Params) -> LocalResponse:
        here = place()
        listed = [
            {"name": each.name, "labels": dict(each.labels), "server": cluster_url(here.url, each.name, each.hosts)}
            for each in here.clusters_of(caller)
        ]
        authority = here.certificate_authority.decode("ascii", "replace") if here.certificate_authority else ""
        return json_response(200, {"clusters": listed, "certificate_authority": authority})

    return {("GET", "/kgate/v1/clusters"): known(callers, clusters)}
