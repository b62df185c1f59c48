"""The demo cluster's API without a network: requests in, answers out, time on a Clock."""

from __future__ import annotations

import orjson
import pytest
from twisted.internet.task import Clock

from kgate.demo.answers import Flow, Reply
from kgate.demo.api import Api
from kgate.demo.requests import Request, read_target
from kgate.demo.samples import plant
from kgate.demo.world import World

TOKEN = "the-gate-s-token"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"


class Sink:
    def __init__(self):
        self.data, self.ended, self.congested = b"", False, False

    def write(self, data):
        self.data += data

    def end(self):
        self.ended = True

    @property
    def events(self):
        return [orjson.loads(line) for line in self.data.splitlines()]


class Cluster:
    def __init__(self, samples=False):
        self.clock = Clock()
        numbers = iter(range(10**6, 10**7))
        self.world = World("dev", TOKEN, self.clock, lambda: 1_790_000_000.0 + self.clock.seconds(), lambda: f"{next(numbers)}"[::-1])
        self.api = Api(self.world)
        if samples:
            plant(self.world)
        self.pass_time(1)

    def pass_time(self, seconds):
        for _ in range(int(seconds * 20)):
            self.clock.advance(0.05)

    def ask(self, method, target, body=b"", *, form="application/json", user="alice", accept="application/json", headers=()):
        path, query = read_target(target)
        named = [("authorization", f"Bearer {TOKEN}"), ("content-type", form), ("accept", accept), *headers]
        named += [("impersonate-user", user)] if user else []
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        return self.api.answer(Request(method, path, query, named, raw))

    def __call__(self, method, target, body=b"", **more):
        answer = self.ask(method, target, body, **more)
        assert isinstance(answer, Reply), answer
        return answer.status, orjson.loads(answer.body)

    def follow(self, target, **more):
        answer = self.ask("GET", target, **more)
        assert isinstance(answer, Flow), answer
        sink = Sink()
        answer.source.start(sink)
        return answer.source, sink


@pytest.fixture
def dev():
    return Cluster()


MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def a_map(name, **data):
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": data}


def a_pod(name, *command, **spec):
    container = {"name": "app", "image": "busybox"} | ({"command": list(command)} if command else {})
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def a_deployment(name, replicas=2, image="web:1"):
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web", "image": image}]}}
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


# --- who asks


def test_only_the_token_is_let_in(dev):
    answer = dev.ask("GET", PODS, headers=[("authorization", "Bearer other")])
    assert answer.status == 401
    assert dev("GET", PODS)[0] == 200


def test_the_token_s_own_user_may_only_impersonate(dev):
    code, body = dev("GET", PODS, user="")
    assert (code, body["reason"]) == (403, "Forbidden")
    assert 'User "kgate-gate" cannot list resource "pods"' in body["message"]


def test_an_empty_impersonate_user_is_no_impersonation(dev):
    assert dev("GET", PODS, user="", headers=[("impersonate-user", "")])[0] == 403


def test_groups_without_a_user_are_refused(dev):
    assert dev("GET", PODS, user="", headers=[("impersonate-group", "x")])[0] == 400


def test_whoami_shows_the_impersonated_user(dev):
    headers = [
        ("impersonate-group", "a,b"),
        ("impersonate-group", "c"),
        ("impersonate-uid", "7"),
        ("impersonate-extra-scopes%2fx", "1"),
        ("impersonate-extra-scopes%2fx", "2"),
    ]
    code, body = dev("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, headers=headers)
    assert code == 201
    info = {"username": "alice", "groups": ["a,b", "c", "system:authenticated"], "uid": "7", "extra": {"scopes/x": ["1", "2"]}}
    assert body["status"]["userInfo"] == info


def test_the_trail_has_who_came_through_whom_and_no_credential(dev):
    dev("GET", PODS + "/x?a=b", headers=[("impersonate-group", "dev")])
    entry = dev.world.trail[-1]
    assert entry[:6] == ("alice", ("dev", "system:authenticated"), "kgate-gate", "get", PODS + "/x", "a=b")
    assert TOKEN not in str(entry)
    code, body = dev("GET", "/demo/audit", user="")
    assert code == 200 and body["entries"][-1]["user"] == "alice"
    assert dev("GET", "/demo/audit")[0] == 404


def test_the_view_group_reads_all_but_secrets(dev):
    view = [("impersonate-group", "view")]
    assert dev("GET", PODS, headers=view)[0] == 200
    assert dev("GET", "/api/v1/namespaces/default/secrets", headers=view)[0] == 403
    assert dev("POST", MAPS, a_map("a"), headers=view)[0] == 403
    ask = {"spec": {"resourceAttributes": {"verb": "delete", "resource": "pods"}}}
    assert dev("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", ask, headers=view)[1]["status"]["allowed"] is False
    assert dev("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", ask)[1]["status"]["allowed"] is True


# --- objects


def test_create_get_list_delete(dev):
    assert dev("POST", MAPS, a_map("a", x="1"))[0] == 201
    code, thing = dev("GET", MAPS + "/a")
    assert code == 200 and thing["data"] == {"x": "1"} and thing["metadata"]["namespace"] == "default"
    assert [item["metadata"]["name"] for item in dev("GET", MAPS)[1]["items"]] == ["a"]
    assert dev("DELETE", MAPS + "/a")[1]["status"] == "Success"
    assert dev("GET", MAPS + "/a") == (
        404,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": 'configmaps "a" not found',
            "reason": "NotFound",
            "details": {"name": "a", "kind": "configmaps"},
            "code": 404,
        },
    )


def test_a_list_as_a_table_in_pages(dev):
    for number in range(5):
        dev("POST", MAPS, a_map(f"m{number}"))
    code, first = dev("GET", MAPS + "?limit=3", accept=TABLE)
    assert first["kind"] == "Table" and [row["cells"][0] for row in first["rows"]] == ["m0", "m1", "m2"]
    assert first["metadata"]["remainingItemCount"] == 2
    code, rest = dev("GET", f"{MAPS}?limit=3&continue={first['metadata']['continue']}", accept=TABLE)
    assert code == 200 and [row["cells"][0] for row in rest["rows"]] == ["m3", "m4"] and "continue" not in rest["metadata"]


def test_unknown_fields_are_refused_or_warned_of(dev):
    bad = a_map("a") | {"datta": {}}
    code, body = dev("POST", MAPS + "?fieldValidation=Strict", bad)
    assert code == 400 and 'strict decoding error: unknown field "datta"' in body["message"]
    answer = dev.ask("POST", MAPS, bad)
    assert answer.status == 201 and answer.headers == (("warning", '299 - "unknown field \\"datta\\""'),)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (a_map("UPPER"), 422),
        (a_map("a") | {"metadata": {"name": "a", "namespace": "other"}}, 400),
        (a_map("a") | {"kind": "Pod"}, 400),
        ({"metadata": {"name": "a"}, "data": {"x": 1}}, 400),
        (b"[1]", 400),
        (b"\xff{", 400),
    ],
)
def test_what_is_no_config_map_is_refused(dev, body, code):
    assert dev("POST", MAPS, body)[0] == code


def test_a_body_in_a_form_nobody_knows(dev):
    assert dev("POST", MAPS, b"x", form="application/cbor")[0] == 415
    assert dev("PATCH", MAPS + "/kube", b"{}", form="text/plain")[0] in (404, 415)


def test_no_object_without_its_namespace(dev):
    assert dev("POST", "/api/v1/namespaces/nosuch/configmaps", a_map("a"))[1]["message"] == 'namespaces "nosuch" not found'


def test_dry_run_stores_nothing(dev):
    assert dev("POST", MAPS + "?dryRun=All", a_map("a"))[0] == 201
    assert dev("GET", MAPS + "/a")[0] == 404


def test_patches_of_each_form(dev):
    dev("POST", DEPLOYMENTS, a_deployment("web"))
    image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}}
    assert dev("PATCH", DEPLOYMENTS + "/web", image, form=STRATEGIC)[1]["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    assert dev("PATCH", DEPLOYMENTS + "/web", {"spec": {"replicas": 5}}, form="application/merge-patch+json")[1]["spec"]["replicas"] == 5
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 1}]
    assert dev("PATCH", DEPLOYMENTS + "/web", operations, form="application/json-patch+json")[1]["spec"]["replicas"] == 1
    assert (
        dev("PATCH", DEPLOYMENTS + "/web", [{"op": "test", "path": "/spec/replicas", "value": 9}], form="application/json-patch+json")[0]
        == 422
    )


def test_server_side_apply_and_its_conflict(dev):
    assert dev("PATCH", MAPS + "/a?fieldManager=one", a_map("a", x="1", y="2"), form=APPLY)[0] == 201
    code, body = dev("PATCH", MAPS + "/a?fieldManager=two", a_map("a", x="9"), form=APPLY)
    assert code == 409 and body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.x"}
    ]
    assert dev("PATCH", MAPS + "/a?fieldManager=two&force=true", a_map("a", x="9"), form=APPLY)[1]["data"] == {"x": "9", "y": "2"}
    assert dev("PATCH", MAPS + "/a?fieldManager=one", b"metadata: {name: a}\ndata: {z: '3'}\n", form=APPLY)[1]["data"] == {"z": "3"}


def test_a_secret_s_texts_become_data(dev):
    secret = {"metadata": {"name": "s"}, "stringData": {"p": "q"}}
    made = dev("POST", "/api/v1/namespaces/default/secrets", secret)[1]
    assert made["data"] == {"p": "cQ=="} and made["type"] == "Opaque" and "stringData" not in made


def test_paths_and_methods_that_mean_nothing(dev):
    assert dev("GET", "/api/v1/namespaces/default/nosuch")[0] == 404
    assert dev("GET", "/api/v1/pods/x")[0] == 404
    assert dev("PUT", MAPS, a_map("a"))[0] == 405
    assert dev("POST", "/version")[0] == 404
    assert dev("OPTIONS", PODS)[0] == 405


@pytest.mark.parametrize(
    "path", ["/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/version", "/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1"]
)
def test_discovery_needs_no_rights(dev, path):
    assert dev("GET", path)[0] == 200


# --- watches


def test_a_watch_tells_what_happens_after_its_revision(dev):
    start = dev("GET", MAPS)[1]["metadata"]["resourceVersion"]
    dev("POST", MAPS, a_map("a"))
    source, sink = dev.follow(f"{MAPS}?watch=true&resourceVersion={start}")
    dev("PATCH", MAPS + "/a", {"data": {"x": "1"}}, form=STRATEGIC)
    dev("DELETE", MAPS + "/a")
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in sink.events] == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
    ]
    source.stop()
    dev("POST", MAPS, a_map("b"))
    assert len(sink.events) == 3


def test_a_watch_with_a_selector_sees_objects_come_and_go(dev):
    _, sink = dev.follow(MAPS + "?watch=1&labelSelector=a%3Db")
    dev("POST", MAPS, a_map("x"))
    dev("PATCH", MAPS + "/x", {"metadata": {"labels": {"a": "b"}}}, form=STRATEGIC)
    dev("PATCH", MAPS + "/x", {"metadata": {"labels": {"a": "c"}}}, form=STRATEGIC)
    assert [event["type"] for event in sink.events] == ["ADDED", "DELETED"]


def test_initial_events_end_with_a_bookmark(dev):
    dev("POST", MAPS, a_map("a"))
    _, sink = dev.follow(MAPS + "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
    added, bookmark = sink.events
    assert (added["type"], bookmark["type"]) == ("ADDED", "BOOKMARK")
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_only_a_watch_s_first_table_has_columns(dev):
    _, sink = dev.follow(MAPS + "?watch=true", accept=TABLE)
    dev("POST", MAPS, a_map("a"))
    dev("POST", MAPS, a_map("b"))
    first, second = sink.events
    assert first["object"]["columnDefinitions"] and second["object"]["columnDefinitions"] is None


def test_a_watch_waits_for_a_slow_client_and_ends_at_its_timeout(dev):
    source, sink = dev.follow(MAPS + "?watch=true&timeoutSeconds=5")
    sink.congested = True
    dev("POST", MAPS, a_map("a"))
    assert sink.data == b""
    sink.congested = False
    source.resume()
    assert len(sink.events) == 1
    dev.pass_time(6)
    assert sink.ended


# --- workloads


def test_a_deployment_comes_up_and_rolls(dev):
    dev("POST", DEPLOYMENTS, a_deployment("web", 3))
    dev.pass_time(2)
    status = dev("GET", DEPLOYMENTS + "/web")[1]["status"]
    assert {name: status[name] for name in ("replicas", "updatedReplicas", "availableReplicas", "observedGeneration")} == {
        "replicas": 3,
        "updatedReplicas": 3,
        "availableReplicas": 3,
        "observedGeneration": 1,
    }
    image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}}
    dev("PATCH", DEPLOYMENTS + "/web", image, form=STRATEGIC)
    fewest = most = 3
    for _ in range(100):
        dev.clock.advance(0.05)
        pods = [pod for pod in dev("GET", PODS)[1]["items"] if "deletionTimestamp" not in pod["metadata"]]
        ready = [
            pod for pod in pods if any(item["type"] == "Ready" and item["status"] == "True" for item in pod["status"].get("conditions", []))
        ]
        fewest, most = min(fewest, len(ready)), max(most, len(pods))
    assert (fewest, most) == (3, 4)
    assert {pod["spec"]["containers"][0]["image"] for pod in dev("GET", PODS)[1]["items"]} == {"web:2"}
    assert [item["spec"]["replicas"] for item in dev("GET", "/apis/apps/v1/replicasets")[1]["items"]].count(0) == 1


def test_scaling_by_the_subresource(dev):
    dev("POST", DEPLOYMENTS, a_deployment("web", 1))
    code, scale = dev("GET", DEPLOYMENTS + "/web/scale")
    assert scale["kind"] == "Scale" and scale["spec"] == {"replicas": 1}
    assert dev("PUT", DEPLOYMENTS + "/web/scale", scale | {"spec": {"replicas": 0}})[0] == code == 200
    dev.pass_time(2)
    assert dev("GET", PODS)[1]["items"] == []


def test_a_deleted_pod_of_a_replica_set_is_made_anew(dev):
    dev("POST", DEPLOYMENTS, a_deployment("web", 1))
    dev.pass_time(1)
    name = dev("GET", PODS)[1]["items"][0]["metadata"]["name"]
    assert "deletionTimestamp" in dev("DELETE", f"{PODS}/{name}")[1]["metadata"]
    dev.pass_time(1)
    (pod,) = dev("GET", PODS)[1]["items"]
    assert pod["metadata"]["name"] != name and pod["status"]["phase"] == "Running"


def test_deleting_a_deployment_takes_its_pods_unless_orphaned(dev):
    dev("POST", DEPLOYMENTS, a_deployment("web", 1))
    dev("POST", DEPLOYMENTS, a_deployment("kept", 1))
    dev.pass_time(1)
    dev("DELETE", DEPLOYMENTS + "/web", {"propagationPolicy": "Background"})
    dev("DELETE", DEPLOYMENTS + "/kept", {"propagationPolicy": "Orphan"})
    dev.pass_time(1)
    assert [pod["metadata"]["labels"]["app"] for pod in dev("GET", PODS)[1]["items"]] == ["kept"]


def test_a_namespace_goes_with_all_that_is_in_it(dev):
    dev("POST", "/api/v1/namespaces", {"metadata": {"name": "gone"}})
    dev.pass_time(0.2)
    dev("POST", "/api/v1/namespaces/gone/configmaps", a_map("a"))
    dev("POST", "/api/v1/namespaces/gone/pods", a_pod("p"))
    dev("DELETE", "/api/v1/namespaces/gone")
    assert dev("POST", "/api/v1/namespaces/gone/configmaps", a_map("b"))[0] == 403
    dev.pass_time(2)
    assert dev("GET", "/api/v1/namespaces/gone")[0] == 404
    assert dev("GET", "/api/v1/pods")[1]["items"] == []


@pytest.mark.parametrize(("status", "policy", "phase"), [(0, "Never", "Succeeded"), (3, "Never", "Failed"), (0, "OnFailure", "Succeeded")])
def test_a_pod_whose_program_ends(dev, status, policy, phase):
    dev("POST", PODS, a_pod("once", "sh", "-c", f"echo hi; exit {status}", restartPolicy=policy))
    dev.pass_time(1)
    pod = dev("GET", PODS + "/once")[1]
    assert pod["status"]["phase"] == phase
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == status
    assert dev.follow(PODS + "/once/log")[1].data == b"hi\n"


def test_a_program_that_ends_is_started_again(dev):
    dev("POST", PODS, a_pod("crash", "sh", "-c", "echo boom; exit 1"))
    dev.pass_time(5)
    status = dev("GET", PODS + "/crash")[1]["status"]["containerStatuses"][0]
    assert status["restartCount"] >= 1 and status["state"]["waiting"]["reason"] == "CrashLoopBackOff"


def test_a_container_sees_its_config_maps_and_secrets(dev):
    dev("POST", MAPS, a_map("settings", colour="green"))
    dev("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "stringData": {"p": "q"}})
    pod = a_pod("reader", "sh", "-c", "echo $COLOUR $NAME; cat /etc/s/p", restartPolicy="Never")
    container = pod["spec"]["containers"][0]
    container["env"] = [
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    container["volumeMounts"] = [{"name": "v", "mountPath": "/etc/s"}]
    pod["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "s"}}]
    dev("POST", PODS, pod)
    dev.pass_time(1)
    assert dev.follow(PODS + "/reader/log")[1].data == b"green reader\nq"


def test_a_debug_container_joins_a_running_pod(dev):
    dev("POST", PODS, a_pod("p"))
    dev.pass_time(1)
    patch = {"spec": {"ephemeralContainers": [{"name": "dbg", "image": "busybox", "command": ["echo", "hello"]}]}}
    assert dev("PATCH", PODS + "/p/ephemeralcontainers", patch, form=STRATEGIC)[0] == 200
    dev.pass_time(1)
    status = dev("GET", PODS + "/p")[1]["status"]["ephemeralContainerStatuses"][0]
    assert status["state"]["terminated"]["exitCode"] == 0
    assert dev.follow(PODS + "/p/log?container=dbg")[1].data == b"hello\n"


def test_a_running_pod_s_spec_is_fixed(dev):
    dev("POST", PODS, a_pod("p"))
    assert dev("PATCH", PODS + "/p", {"spec": {"hostname": "x"}}, form=STRATEGIC)[0] == 422
    assert dev("PATCH", PODS + "/p", {"spec": {"containers": [{"name": "app", "image": "b:2"}]}}, form=STRATEGIC)[0] == 200


# --- logs


def test_logs_follow_until_the_program_ends(dev):
    dev("POST", PODS, a_pod("p", "sh", "-c", "echo one; sleep 2; echo two", restartPolicy="Never"))
    dev.pass_time(1)
    _, sink = dev.follow(PODS + "/p/log?follow=true&timestamps=true")
    assert sink.data.endswith(b"Z one\n") and not sink.ended
    dev.pass_time(2)
    assert sink.data.endswith(b"Z two\n") and sink.ended


def test_the_last_lines_and_the_young_ones(dev):
    dev("POST", PODS, a_pod("p", "sh", "-c", "seq 5; sleep 3; echo late; sleep infinity"))
    dev.pass_time(4)
    assert dev.follow(PODS + "/p/log?tailLines=2")[1].data == b"5\nlate\n"
    assert dev.follow(PODS + "/p/log?sinceSeconds=2")[1].data == b"late\n"
    assert dev.follow(PODS + "/p/log?limitBytes=3")[1].data == b"1\n2"


def test_logs_of_what_does_not_run_yet(dev):
    dev("POST", PODS, a_pod("p"))
    assert "is waiting to start" in dev("GET", PODS + "/p/log")[1]["message"]
    assert dev("GET", PODS + "/p/log?container=x")[0] == 400
    assert dev("GET", PODS + "/nosuch/log")[0] == 404


def test_a_slow_reader_of_a_log_is_waited_for(dev):
    dev("POST", PODS, a_pod("p", "sh", "-c", "seq 50000; sleep infinity"))
    dev.pass_time(2)
    source, sink = dev.follow(PODS + "/p/log?follow=true")
    sink.congested = True
    assert sink.data.count(b"\n") == 50000
    dev.world.kubelet.container("default", "p", "app").log.write(b"more\n")
    assert sink.data.count(b"\n") == 50000
    sink.congested = False
    source.resume()
    assert sink.data.endswith(b"50000\nmore\n")


def test_the_samples_come_up():
    dev = Cluster(samples=True)
    pods = dev("GET", "/api/v1/pods")[1]["items"]
    assert len(pods) == 4 and {pod["status"]["phase"] for pod in pods} == {"Running"}
    dev.world.stop()
    dev.pass_time(20)
