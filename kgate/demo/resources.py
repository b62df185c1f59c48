"""The verbs on stored objects: get, list, watch, create, update, patch, delete, deletecollection, and the scale and status subresources."""

from __future__ import annotations

from collections.abc import Callable

from kgate.demo.answers import Answer, Flow, Reply, refused, reply
from kgate.demo.defaults import with_defaults
from kgate.demo.following import Watch
from kgate.demo.kinds import CONFIG_MAP, NAMESPACE, POD, REPLICA_SET, Kind
from kgate.demo.patches import PatchInvalid, apply, json_patch, leaves, merge_patch, strategic_patch
from kgate.demo.requests import Asked, Route, body_object, body_value
from kgate.demo.schema import Object, unknown_fields
from kgate.demo.selectors import SelectorInvalid, Test, field_test, label_test, written
from kgate.demo.status import (
    Refusal,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    not_found,
    success,
    unsupported,
    wrong_method,
)
from kgate.demo.store import Key, key_of, timestamp
from kgate.demo.tables import table, wants_table
from kgate.demo.validation import check, wrong_type
from kgate.demo.workloads import delete
from kgate.demo.world import World

_APPLY = "application/apply-patch+yaml"


class Resources:
    """The verbs, on one world."""

    def __init__(self, world: World) -> None:
        self._world, self._store = world, world.store
        self._verbs: dict[str, Callable[[Asked], Answer]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    def answer(self, asked: Asked) -> Answer:
        """Do what is asked."""
        return self._verbs[asked.verb](asked) if asked.verb in self._verbs else refused(wrong_method())

    # --- reading

    def _held(self, found: Route) -> Object | Refusal:
        thing = self._store.get(found.kind, found.namespace, found.name)
        return not_found(found.kind, found.name) if thing is None else thing

    def _get(self, asked: Asked) -> Answer:
        thing = self._held(asked.route)
        if isinstance(thing, Refusal):
            return refused(thing)
        return self._shown(asked, _scale(thing) if asked.route.subresource == "scale" else thing)

    def _shown(self, asked: Asked, thing: Object, status: int = 200, warnings: tuple[str, ...] = ()) -> Reply:
        headers = tuple(("warning", f'299 - "{text}"') for text in warnings)
        if wants_table(asked.request.header("accept")) and thing.get("kind") == asked.route.kind.kind:
            shown = table(asked.route.kind.kind, [thing], self._world.now(), asked.request.first("includeObject"))
            version = {"resourceVersion": thing["metadata"].get("resourceVersion", "")}
            return reply(shown | {"metadata": version}, status, headers=headers)
        return reply(thing, status, headers=headers)

    def _test(self, asked: Asked) -> Test | Refusal:
        try:
            labels = label_test(asked.request.first("labelSelector"))
            fields = field_test(asked.request.first("fieldSelector"))
        except SelectorInvalid as problem:
            return bad_request(str(problem))
        return lambda thing: labels(thing) and fields(thing)

    def _list(self, asked: Asked) -> Answer:
        test, kind = self._test(asked), asked.route.kind
        if isinstance(test, Refusal):
            return refused(test)
        page = self._store.page(kind, asked.route.namespace, test, asked.request.number("limit") or 0, asked.request.first("continue"))
        if isinstance(page, Refusal):
            return refused(page)
        metadata: Object = {"resourceVersion": str(page.revision)}
        if page.following:
            metadata |= {"continue": page.following} | (
                {} if asked.request.first("labelSelector") else {"remainingItemCount": page.remaining}
            )
        if wants_table(asked.request.header("accept")):
            shown = table(kind.kind, page.items, self._world.now(), asked.request.first("includeObject"))
            return reply(shown | {"metadata": metadata})
        return reply({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": page.items})

    def _watch(self, asked: Asked) -> Answer:
        test, kind, request = self._test(asked), asked.route.kind, asked.request
        if isinstance(test, Refusal):
            return refused(test)
        revision, initial = request.first("resourceVersion"), request.flag("sendInitialEvents")
        begin = initial or revision in ("", "0")
        past = [] if begin else self._store.since(int(revision) if revision.isdigit() else 0)
        if isinstance(past, Refusal):
            return refused(past)
        as_table, include = wants_table(request.header("accept")), request.first("includeObject")

        def shown(thing: Object, first: bool) -> Object:
            return table(kind.kind, [thing], self._world.now(), include, head=first) if as_table else thing

        seconds = request.number("timeoutSeconds")
        watch = Watch(self._store, kind, asked.route.namespace, test, past, shown, self._world.clock, seconds)
        if begin:
            watch.initial(self._store.all(kind, asked.route.namespace, test), str(self._store.revision) if initial else None)
        return Flow(watch, "application/json")

    # --- writing

    def _read(self, asked: Asked) -> tuple[Object, tuple[str, ...]] | Refusal:
        """The body as an object of the kind, with warnings."""
        thing = body_object(asked.request)
        return thing if isinstance(thing, Refusal) else self._accepted(asked, thing)

    def _accepted(self, asked: Asked, thing: Object) -> tuple[Object, tuple[str, ...]] | Refusal:
        """``thing`` with what the path says, or why it is not of the kind."""
        kind = asked.route.kind
        named = (thing.get("apiVersion", kind.api_version), thing.get("kind", kind.kind))
        if named != (kind.api_version, kind.kind):
            return bad_request(f"the object provided is unrecognized: got {named[0]} {named[1]}, expected {kind.api_version} {kind.kind}")
        if where := wrong_type(kind.kind, thing):
            return bad_request(
                f"{kind.kind} in version {kind.version!r} cannot be handled: the field {where.lstrip('.')} is of the wrong type"
            )
        unknown = unknown_fields(kind.kind, thing)
        if unknown and asked.request.first("fieldValidation") == "Strict":
            texts = ", ".join(f'unknown field "{path}"' for path in unknown)
            return bad_request(
                f"{kind.kind} in version {kind.version!r} cannot be handled as a {kind.kind}: strict decoding error: {texts}"
            )
        warnings = tuple(f'unknown field \\"{path}\\"' for path in unknown) if asked.request.first("fieldValidation") != "Ignore" else ()
        metadata = dict(thing.get("metadata") or {})
        if kind.namespaced:
            if metadata.setdefault("namespace", asked.route.namespace) != asked.route.namespace:
                return bad_request("the namespace of the provided object does not match the namespace sent on the request")
        else:
            metadata.pop("namespace", None)
        metadata.pop("managedFields", None)
        return {"apiVersion": kind.api_version, "kind": kind.kind} | thing | {"metadata": metadata}, warnings

    def _create(self, asked: Asked) -> Answer:
        if asked.route.name:
            return refused(wrong_method())
        read = self._read(asked)
        if isinstance(read, Refusal):
            return refused(read)
        made = self._made(asked, read[0])
        return refused(made) if isinstance(made, Refusal) else self._shown(asked, made, 201, read[1])

    def _made(self, asked: Asked, thing: Object) -> Object | Refusal:
        """Store a new object, or with ``dryRun`` say how it would be."""
        kind, metadata = asked.route.kind, thing["metadata"]
        if kind.namespaced and (problem := self._namespace_problem(kind, asked.route.namespace, str(metadata.get("name", "")))):
            return problem
        if not metadata.get("name") and metadata.get("generateName"):
            metadata = metadata | {"name": metadata["generateName"] + self._world.unique()[:5]}
        metadata = {
            name: value for name, value in metadata.items() if name not in ("resourceVersion", "uid", "creationTimestamp", "generation")
        }
        filled = with_defaults(kind.kind, thing | {"metadata": metadata})
        if refusal := check(kind, filled, None):
            return refusal
        if asked.request.first("dryRun") == "All":
            if self._store.get(kind, *key_of(filled)) is not None:
                return already_exists(kind, metadata["name"])
            return filled | {"metadata": metadata | {"uid": self._world.unique(), "creationTimestamp": timestamp(self._world.now())}}
        return self._store.create(kind, filled)

    def _namespace_problem(self, kind: Kind, namespace: str, name: str) -> Refusal | None:
        held = self._store.get(NAMESPACE, "", namespace)
        if held is None:
            return not_found(NAMESPACE, namespace)
        if "deletionTimestamp" in held["metadata"]:
            text = (
                f'{kind.plural} "{name}" is forbidden: unable to create new content in namespace {namespace} because it is being terminated'
            )
            return forbidden(text)
        return None

    def _update(self, asked: Asked) -> Answer:
        if not asked.route.name:
            return refused(wrong_method())
        if asked.route.subresource == "scale":
            return self._rescale(asked, body_object(asked.request))
        read = self._read(asked)
        if isinstance(read, Refusal):
            return refused(read)
        return self._replaced(asked, *read)

    def _replaced(self, asked: Asked, thing: Object, warnings: tuple[str, ...]) -> Answer:
        kind, before = asked.route.kind, self._held(asked.route)
        if isinstance(before, Refusal):
            return refused(before)
        if thing["metadata"].setdefault("name", asked.route.name) != asked.route.name:
            return refused(bad_request("the name of the object does not match the name on the URL"))
        after = _only(asked.route.subresource, before, thing)
        filled = with_defaults(kind.kind, after)
        refusal = check(kind, filled, None if asked.route.subresource else before)
        if refusal:
            return refused(refusal)
        if asked.request.first("dryRun") == "All":
            return self._shown(asked, filled, 200, warnings)
        written_thing = self._store.replace(kind, filled)
        return refused(written_thing) if isinstance(written_thing, Refusal) else self._shown(asked, written_thing, 200, warnings)

    def _rescale(self, asked: Asked, scale: Object | Refusal) -> Answer:
        before = self._held(asked.route)
        if isinstance(scale, Refusal) or isinstance(before, Refusal):
            return refused(
                scale if isinstance(scale, Refusal) else before if isinstance(before, Refusal) else not_found(asked.route.kind, "")
            )
        replicas = (scale.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or replicas < 0:
            return refused(bad_request("spec.replicas must be a whole number, 0 or more"))
        after = self._store.replace(asked.route.kind, before | {"spec": before["spec"] | {"replicas": replicas}})
        return refused(after) if isinstance(after, Refusal) else reply(_scale(after))

    # --- patches

    def _patch(self, asked: Asked) -> Answer:
        form = asked.request.header("content-type").split(";")[0].strip()
        patch = body_value(asked.request.body)
        if form == _APPLY:
            return self._apply(asked, patch)
        before = self._held(asked.route)
        if isinstance(before, Refusal):
            return refused(before)
        target = _scale(before) if asked.route.subresource == "scale" else before
        try:
            after = _patched(str(target["kind"]), form, target, patch)
        except PatchInvalid as problem:
            return refused(Refusal(422, "Invalid", f"the patch cannot be applied: {problem}"))
        if isinstance(after, Refusal):
            return refused(after)
        if asked.route.subresource == "scale":
            return self._rescale(asked, after)
        read = self._accepted(asked, after)
        return refused(read) if isinstance(read, Refusal) else self._replaced(asked, *read)

    def _apply(self, asked: Asked, patch: object) -> Answer:
        manager = asked.request.first("fieldManager")
        if not isinstance(patch, dict) or not manager:
            return refused(bad_request("an apply patch is an object, and needs fieldManager"))
        read = self._accepted(asked, patch)
        if isinstance(read, Refusal):
            return refused(read)
        thing, warnings = read
        thing["metadata"].setdefault("name", asked.route.name)
        key = (asked.route.kind.qualified, (asked.route.namespace, asked.route.name), manager)
        before = self._store.get(asked.route.kind, asked.route.namespace, asked.route.name)
        if before is None:
            made = self._made(asked, thing)
            answer: Answer = refused(made) if isinstance(made, Refusal) else self._shown(asked, made, 201, warnings)
        else:
            if not asked.request.flag("force") and (disputed := self._disputed(asked, key, thing, before)):
                return refused(disputed)
            merged = apply(asked.route.kind.kind, before, self._world.applied.get(key, {}), thing)
            answer = self._replaced(asked, merged, warnings)
        if isinstance(answer, Reply) and answer.status < 300 and asked.request.first("dryRun") != "All":
            self._world.applied[key] = thing
        return answer

    def _disputed(self, asked: Asked, key: tuple[str, Key, str], thing: Object, before: Object) -> Refusal | None:
        """Fields that another manager applied with another value, which still holds."""
        kind = asked.route.kind.kind
        mine, current = leaves(kind, thing), leaves(kind, before)
        causes = [
            {"reason": "FieldManagerConflict", "message": f'conflict with "{other[2]}"', "field": path}
            for other, applied in self._world.applied.items()
            if other[:2] == key[:2] and other != key
            for path, value in leaves(kind, applied).items()
            if path in mine and mine[path] != value and current.get(path) == value
        ]
        if not causes:
            return None
        refusal = conflict(asked.route.kind, asked.route.name, "")
        listed = "\n".join(f"{cause['message']}: {cause['field']}" for cause in causes)
        return Refusal(409, "Conflict", f"Apply failed with {len(causes)} conflict(s): {listed}", refusal.details | {"causes": causes})

    # --- deleting

    def _delete(self, asked: Asked) -> Answer:
        thing, options = self._held(asked.route), body_object(asked.request)
        if isinstance(thing, Refusal) or isinstance(options, Refusal):
            return refused(thing if isinstance(thing, Refusal) else bad_request("the delete options cannot be read"))
        uid = (options.get("preconditions") or {}).get("uid")
        if uid and uid != thing["metadata"]["uid"]:
            return refused(conflict(asked.route.kind, asked.route.name, "the UID in the precondition does not match"))
        if asked.route.kind is NAMESPACE and asked.route.name in ("default", "kube-system"):
            return refused(forbidden(f'namespaces "{asked.route.name}" is forbidden: this namespace may not be deleted'))
        if asked.request.first("dryRun") == "All" or options.get("dryRun"):
            return reply(thing)
        gone = self._deleted(asked, thing, options)
        if self._store.get(asked.route.kind, *key_of(thing)) is not None:
            return reply(gone)
        return reply(success(asked.route.kind, asked.route.name, thing["metadata"]["uid"]))

    def _deleted(self, asked: Asked, thing: Object, options: Object) -> Object:
        seconds = options.get("gracePeriodSeconds", asked.request.number("gracePeriodSeconds"))
        if "Orphan" in (options.get("propagationPolicy"), asked.request.first("propagationPolicy")):
            self._orphan(thing)
        self._world.applied = {
            key: value for key, value in self._world.applied.items() if key[:2] != (asked.route.kind.qualified, key_of(thing))
        }
        return delete(self._store, asked.route.kind, thing, seconds)

    def _orphan(self, thing: Object) -> None:
        """Dependents forget their owner, and stay."""
        uid = thing["metadata"]["uid"]
        for kind in (REPLICA_SET, POD, CONFIG_MAP):
            for held in self._store.all(kind, thing["metadata"].get("namespace", "")):
                owners = held["metadata"].get("ownerReferences") or []
                if any(owner["uid"] == uid for owner in owners):
                    kept = [owner for owner in owners if owner["uid"] != uid]
                    self._store.replace(kind, held | {"metadata": held["metadata"] | {"ownerReferences": kept}})

    def _delete_collection(self, asked: Asked) -> Answer:
        test, options = self._test(asked), body_object(asked.request)
        if isinstance(test, Refusal):
            return refused(test)
        things = self._store.all(asked.route.kind, asked.route.namespace, test)
        if asked.request.first("dryRun") != "All":
            for thing in things:
                self._deleted(asked, thing, options if isinstance(options, dict) else {})
        kind = asked.route.kind
        metadata = {"resourceVersion": str(self._store.revision)}
        return reply({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": things})


def _patched(kind: str, form: str, target: Object, patch: object) -> Object | Refusal:
    """Raises PatchInvalid."""
    if form == "application/json-patch+json":
        result = json_patch(target, patch)
    elif form == "application/merge-patch+json":
        result = merge_patch(target, patch)
    elif form == "application/strategic-merge-patch+json":
        result = strategic_patch(kind, target, patch)
    else:
        return unsupported(f"the body of the patch was in an unknown format: {form}")
    return result if isinstance(result, dict) else bad_request("the patch does not leave an object")


def _only(subresource: str, before: Object, after: Object) -> Object:
    """``before`` with what a write to the subresource may change; without one, all but the status."""
    if subresource == "status":
        return before | {"status": after.get("status") or {}}
    if subresource == "ephemeralcontainers":
        return before | {"spec": before["spec"] | {"ephemeralContainers": after["spec"].get("ephemeralContainers") or []}}
    return after | ({"status": before["status"]} if "status" in before else {})


def _scale(thing: Object) -> Object:
    metadata = {name: thing["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    status = {"replicas": (thing.get("status") or {}).get("replicas", 0), "selector": written(thing["spec"].get("selector") or {})}
    spec = {"replicas": thing["spec"]["replicas"]}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}
