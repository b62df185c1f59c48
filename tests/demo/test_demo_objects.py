"""The demo cluster's pure parts about objects: types, protobuf, patches, selectors, tables, the store."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.demo import openapi
from kgate.demo.discovery import aggregated, resources
from kgate.demo.kinds import CONFIG_MAP, KINDS, POD
from kgate.demo.patches import PatchInvalid, apply, json_patch, leaves, merge_patch, strategic_patch
from kgate.demo.protobuf import MAGIC, ProtobufInvalid, decode
from kgate.demo.schema import MESSAGES, PRIMITIVES, unknown_fields
from kgate.demo.selectors import SelectorInvalid, field_test, label_test, workload_test
from kgate.demo.status import Refusal
from kgate.demo.store import HISTORY, Happened, Store
from kgate.demo.tables import duration, table
from kgate.demo.validation import wrong_type

# --- types


def test_every_type_that_a_field_has_is_known():
    known = MESSAGES.keys() | PRIMITIVES | {"[string]"}
    assert {item.of for message in MESSAGES.values() for item in message.fields} <= known


def test_every_stored_kind_has_a_type():
    assert {kind.kind for kind in KINDS} <= MESSAGES.keys()


def test_unknown_fields_are_named_by_their_path():
    pod = {"kind": "Pod", "apiVersion": "v1", "spec": {"containers": [{"name": "a", "imag": "b", "env": [{"nam": "c"}]}], "x": 1}}
    assert unknown_fields("Pod", pod) == ["spec.containers[0].imag", "spec.containers[0].env[0].nam", "spec.x"]


@pytest.mark.parametrize(
    ("thing", "path"),
    [
        ({"data": {"a": "b"}}, ""),
        ({"data": {"a": 1}}, ".data[a]"),
        ({"data": "x"}, ".data"),
        ({"metadata": {"labels": {"a": None}}}, ""),
        ({"metadata": []}, ".metadata"),
        ({"immutable": "yes"}, ".immutable"),
    ],
)
def test_a_field_of_the_wrong_type_is_found(thing, path):
    assert wrong_type("ConfigMap", thing) == path


def test_discovery_and_openapi_name_every_kind():
    listed = {
        entry["resource"]
        for core in (True, False)
        for group in aggregated(core=core)["items"]
        for entry in group["versions"][0]["resources"]
    }
    assert listed == {kind.plural for kind in KINDS}
    assert "pods/exec" in {entry["name"] for entry in resources("", "v1")["resources"]}
    schemas = openapi.document("apis/apps/v1")["components"]["schemas"]
    deployment = schemas["io.kgate.demo.v1.Deployment"]
    assert deployment["x-kubernetes-group-version-kind"] == [{"group": "apps", "version": "v1", "kind": "Deployment"}]
    assert schemas["io.kgate.demo.v1.PodSpec"]["properties"]["containers"]["x-kubernetes-patch-merge-key"] == "name"
    assert openapi.document("apis/nosuch/v1") is None


# --- protobuf


def _varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _field(number, value):
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _envelope(version, kind, raw):
    return MAGIC + _field(1, _field(1, version) + _field(2, kind)) + _field(2, raw) + _field(3, b"") + _field(4, b"")


def test_a_config_map_as_kubectl_create_sends_it():
    metadata = _field(1, b"lit") + _field(2, b"") + _field(3, b"default") + _field(8, b"") + _field(7, 0)
    raw = _field(1, metadata) + _field(2, _field(1, b"x") + _field(2, b"y")) + _field(3, _field(1, b"b") + _field(2, b"\xff"))
    assert decode(_envelope(b"v1", b"ConfigMap", raw)) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "lit", "namespace": "default"},
        "data": {"x": "y"},
        "binaryData": {"b": base64.b64encode(b"\xff").decode()},
    }


def test_zero_replicas_are_kept_and_other_zeros_are_not():
    spec = _field(1, 0) + _field(5, 0) + _field(2, _field(1, _field(1, b"app") + _field(2, b"web")))
    thing = decode(_envelope(b"apps/v1", b"Deployment", _field(2, spec)))
    assert thing["spec"] == {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}}


def test_fields_that_stand_in_the_object_itself():
    source = _field(19, _field(1, _field(1, b"settings")))
    pod = _field(2, _field(1, _field(1, b"vol") + _field(2, source)))
    assert decode(_envelope(b"v1", b"Pod", pod))["spec"]["volumes"] == [{"name": "vol", "configMap": {"name": "settings"}}]


def test_managed_fields_are_passed_over():
    metadata = _field(1, b"a") + _field(17, b"\x0a\xa1\xff")
    assert decode(_envelope(b"v1", b"ConfigMap", _field(1, metadata)))["metadata"] == {"name": "a"}


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_refused(raw):
    try:
        decode(_envelope(b"v1", b"Pod", raw))
    except ProtobufInvalid:
        pass


# --- patches (RFC 7386 appendix A, RFC 6902 appendix A)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, None, None),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target, patch, result):
    assert merge_patch(target, patch) == result


@pytest.mark.parametrize(
    ("target", "operations", "result"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
        ({"foo": ["a", "c"]}, [{"op": "add", "path": "/foo/1", "value": "b"}], {"foo": ["a", "b", "c"]}),
        ({"foo": ["a"]}, [{"op": "add", "path": "/foo/-", "value": ["b"]}], {"foo": ["a", ["b"]]}),
        ({"foo": ["a", "b"]}, [{"op": "remove", "path": "/foo/0"}], {"foo": ["b"]}),
        ({"a": {"b": 1}, "c": {}}, [{"op": "move", "from": "/a/b", "path": "/c/d"}], {"a": {}, "c": {"d": 1}}),
        ({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "test", "path": "/b", "value": 1}], {"a": 1, "b": 1}),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ],
)
def test_json_patch(target, operations, result):
    assert json_patch(target, operations) == result


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "replace", "path": "/nosuch", "value": 1}],
        [{"op": "remove", "path": "/list/7"}],
        [{"op": "test", "path": "/a", "value": 2}],
        [{"op": "add", "path": "/a/b/c", "value": 1}],
        [{"op": "dance", "path": "/a"}],
        {"a": 1},
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused(operations):
    with pytest.raises(PatchInvalid):
        json_patch({"a": 1, "list": []}, operations)


PODS = {"spec": {"containers": [{"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "b:1"}]}}


def test_a_strategic_patch_merges_containers_by_name():
    patched = strategic_patch("Pod", PODS, {"spec": {"containers": [{"name": "b", "image": "b:2"}]}})
    assert [(item["name"], item["image"]) for item in patched["spec"]["containers"]] == [("a", "a:1"), ("b", "b:2")]
    assert PODS["spec"]["containers"][1]["image"] == "b:1"


def test_the_directives_of_a_strategic_patch():
    patch = {
        "metadata": {"$deleteFromPrimitiveList/finalizers": ["y"]},
        "spec": {
            "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
            "containers": [
                {"name": "b", "$patch": "delete"},
                {"name": "c", "image": "c:1"},
                {"name": "a", "env": [{"name": "Y", "value": "2"}]},
            ],
        },
    }
    patched = strategic_patch("Pod", PODS | {"metadata": {"finalizers": ["x", "y"]}}, patch)
    assert [item["name"] for item in patched["spec"]["containers"]] == ["c", "a"]
    assert [item["name"] for item in patched["spec"]["containers"][1]["env"]] == ["X", "Y"]
    assert patched["metadata"] == {"finalizers": ["x"]}


def test_retain_keys_and_replace():
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_patch("Deployment", {"spec": {"strategy": strategy}}, patch)["spec"]["strategy"] == {"type": "Recreate"}
    assert strategic_patch("ConfigMap", {"data": {"a": "1"}}, {"data": {"$patch": "replace", "b": "2"}})["data"] == {"b": "2"}


def test_a_list_element_without_its_key_is_refused():
    with pytest.raises(PatchInvalid, match="merge key: name"):
        strategic_patch("Pod", PODS, {"spec": {"containers": [{"image": "x"}]}})


def test_apply_takes_away_what_its_manager_no_longer_applies():
    before, now = {"data": {"a": "1", "b": "2"}}, {"data": {"a": "3"}}
    assert apply("ConfigMap", {"data": {"a": "1", "b": "2", "other": "x"}}, before, now) == {"data": {"a": "3", "other": "x"}}


def test_apply_takes_away_one_container_of_its_own():
    now = {"spec": {"containers": [{"name": "a", "image": "a:2"}]}}
    target = {"spec": {"containers": [*PODS["spec"]["containers"], {"name": "injected", "image": "i"}]}}
    applied = apply("Pod", target, PODS, now)["spec"]["containers"]
    assert [(item["name"], item["image"]) for item in applied] == [("a", "a:2"), ("injected", "i")]


def test_leaves_are_paths_that_managers_can_disagree_on():
    assert leaves("Pod", PODS)['.spec.containers[name="a"].env[name="X"].value'] == "1"


# --- selectors


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier!=db", True),
        ("app in (web, api)", True),
        ("app notin (web)", False),
        ("!missing,app", True),
        ("app!=web", False),
        ("missing notin (a)", True),
    ],
)
def test_label_selectors(selector, matches):
    assert label_test(selector)({"metadata": {"labels": {"app": "web"}}}) is matches


def test_selectors_that_cannot_be_read():
    for bad in ("a=b=c d", "in (a)"):
        with pytest.raises(SelectorInvalid):
            label_test(bad)
    with pytest.raises(SelectorInvalid):
        field_test("metadata.name")


def test_field_selectors_look_below():
    pod = {"metadata": {"name": "a"}, "status": {"phase": "Running"}}
    assert field_test("status.phase=Running,metadata.name!=b")(pod)
    assert not field_test("spec.nodeName=x")(pod)


def test_an_empty_workload_selector_owns_nothing():
    assert not workload_test({})({"a": "b"})
    assert workload_test({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]})({"a": "b"})


# --- tables


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (7, "7s"),
        (119, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (3599, "59m"),
        (4 * 3600 + 60, "4h1m"),
        (47 * 3600, "47h"),
        (3 * 86400, "3d"),
        (800 * 86400, "2y"),
    ],
)
def test_ages_are_worded_as_kubectl_words_them(seconds, text):
    assert duration(seconds) == text


def test_a_row_of_a_pod():
    pod = {
        "metadata": {"name": "a", "creationTimestamp": "1970-01-01T00:00:10Z"},
        "spec": {"containers": [{}, {}], "nodeName": "n"},
        "status": {"phase": "Running", "containerStatuses": [{"ready": True, "restartCount": 2}, {"ready": False, "restartCount": 0}]},
    }
    shown = table("Pod", [pod], 17.0, "")
    assert shown["rows"][0]["cells"][:5] == ["a", "1/2", "Running", "2", "7s"]
    assert shown["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


# --- the store


@pytest.fixture
def store():
    numbers = iter(range(1, 100_000))
    return Store(lambda: 1000.0, lambda: f"{next(numbers):08d}")


def _map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "d"}, "data": data}


def test_each_write_is_a_revision(store):
    made = store.create(CONFIG_MAP, _map("a", x="1"))
    changed = store.replace(CONFIG_MAP, made | {"data": {"x": "2"}})
    assert int(changed["metadata"]["resourceVersion"]) == int(made["metadata"]["resourceVersion"]) + 1
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert store.replace(CONFIG_MAP, changed) is changed


def test_a_stale_write_is_a_conflict(store):
    made = store.create(CONFIG_MAP, _map("a", x="1"))
    store.replace(CONFIG_MAP, made | {"data": {"x": "2"}})
    refused = store.replace(CONFIG_MAP, made | {"data": {"x": "3"}})
    assert isinstance(refused, Refusal) and (refused.code, refused.reason) == (409, "Conflict")


def test_a_name_is_taken_once(store):
    store.create(CONFIG_MAP, _map("a"))
    assert store.create(CONFIG_MAP, _map("a")).reason == "AlreadyExists"
    assert store.remove(CONFIG_MAP, "d", "b").reason == "NotFound"


def test_a_watch_can_go_back_but_not_for_ever(store):
    made = store.create(CONFIG_MAP, _map("a"))
    start = store.revision
    store.remove(CONFIG_MAP, "d", "a")
    assert [change.happened for change in store.since(start)] == [Happened.DELETED]
    for number in range(HISTORY + 1):
        store.create(CONFIG_MAP, _map(f"m{number}"))
    assert store.since(start).code == 410
    assert store.since(store.revision) == []
    assert made["metadata"]["name"] == "a"


def test_pages_together_are_the_whole_list(store):
    for number in range(25):
        store.create(CONFIG_MAP, _map(f"m{number:02d}"))
    names, token = [], ""
    while True:
        page = store.page(CONFIG_MAP, "d", None, 10, token)
        names += [item["metadata"]["name"] for item in page.items]
        token = page.following
        if not token:
            break
    assert names == [f"m{number:02d}" for number in range(25)]
    assert store.page(CONFIG_MAP, "d", None, 10, "nonsense").code == 400


def test_a_spec_that_changes_is_a_new_generation(store):
    made = store.create(POD, {"metadata": {"name": "p", "namespace": "d"}, "spec": {"a": 1}, "status": {}})
    again = store.replace(POD, made | {"status": {"phase": "Running"}})
    after = store.replace(POD, again | {"spec": {"a": 2}})
    assert [thing["metadata"]["generation"] for thing in (made, again, after)] == [1, 1, 2]
