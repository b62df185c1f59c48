"""``GET /kgate/v1/clusters``: the clusters that the caller may see, and how to reach each: what ``kgate kubeconfig`` writes down."""

from __future__ import annotations

from collections.abc import Callable

from kgate.api.application import Params, Routes, error_response, json_response
from kgate.api.caller import Callers
from kgate.api.pages import Place
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.credentials import Rejected
from kgate.kube.client_kubeconfig import cluster_url


def routes(callers: Callers, place: Callable[[], Place]) -> Routes:
    """Its route."""

    async def clusters(request: LocalRequest, params: Params) -> LocalResponse:
        found = await callers.identify(request.credentials)
        if isinstance(found, Rejected):
            return error_response(401, str(found))
        here = place()
        listed = [
            {"name": each.name, "labels": dict(each.labels), "server": cluster_url(here.url, each.name, each.hosts)}
            for each in here.clusters_of(found)
        ]
        authority = here.certificate_authority.decode("ascii", "replace") if here.certificate_authority else ""
        return json_response(200, {"clusters": listed, "certificate_authority": authority})

    return {("GET", "/kgate/v1/clusters"): clusters}
