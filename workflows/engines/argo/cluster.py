"""The cluster: the official client's calls that are needed here, and what they fail with in words for people."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from somagent.workflows.engines.protocol import EngineError, EngineUnreachable

GROUP, VERSION = "argoproj.io", "v1alpha1"
_ANSWER_S = 15  # one request
_GONE_S = 0.5  # until it is asked again whether something is gone
_WATCH_S = 300  # then the watch is asked for again
_LOG_S = 24 * 3600  # for which a step may print nothing

T = TypeVar("T")
_DEFAULT = "~/.kube/config"
_OF_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_BEGINNING = "before all known HTTP paths have been installed"  # said, as a refusal, by a server that has just begun


class ClusterUnreachable(EngineUnreachable):
    """The API server does not answer."""


class NotThere(EngineError):
    """The object is not in the cluster."""


class Conflict(EngineError):
    """Somebody else has changed or made the object."""


class Gone(EngineError):
    """What is to be watched from this version on is forgotten already; look at it anew."""


class Cluster:
    """A namespace of the cluster that `$KUBECONFIG`, or the pod that this runs in, names."""

    def __init__(self, namespace: str = "") -> None:
        try:
            from kubernetes import client, config  # noqa: PLC0415 - 0.7 s, and an extra
        except ImportError as error:
            raise EngineError(
                "the engine `argo` needs the extra `argo`; install it with: pip install 'somagent[argo]'"
            ) from error
        configuration = client.Configuration()
        try:
            named = _load(config, configuration)
        except Exception as error:
            why = str(error).rstrip(".")
            what = "`$KUBECONFIG` names no cluster" if os.environ.get("KUBECONFIG") else "no cluster is named"
            raise EngineError(f"{what}: {why}; set KUBECONFIG, or give the file {_DEFAULT}") from error
        configuration.retries = False
        self._api = client.ApiClient(configuration)
        self.host: str = configuration.host
        self.namespace = namespace or named or "default"

    async def get(self, plural: str, name: str) -> dict[str, Any]:
        """An object of Argo's; raises `NotThere`."""
        return await self._ask("GET", self._path(plural, name))

    async def create(self, plural: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A new object of Argo's; raises `Conflict` when there is one of this name."""
        return await self._ask("POST", self._path(plural), body)

    async def patch(self, plural: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A merge patch; with `metadata.resourceVersion` in it, raises `Conflict` when that is not the newest."""
        return await self._ask("PATCH", self._path(plural, name), body)

    async def delete(self, plural: str, name: str, uid: str) -> None:
        """Returns when the object is gone; so it is when none of its name is there, or others have made a new one."""
        only = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        with contextlib.suppress(NotThere, Conflict):
            while True:
                await self._ask("DELETE", self._path(plural, name), only)
                await asyncio.sleep(_GONE_S)

    async def has(self, path: str) -> bool:
        """Whether the core API has `PATH` in the namespace, such as `serviceaccounts/x`."""
        try:
            await self._ask("GET", self._core(path))
        except NotThere:
            return False
        return True

    async def events(self, pod: str) -> list[dict[str, Any]]:
        """What the cluster reports of a pod."""
        found = await self._ask("GET", self._core("events"), None, {"fieldSelector": f"involvedObject.name={pod}"})
        return list(found["items"])

    def workflow(self, name: str) -> AsyncIterator[dict[str, dict[str, Any]]]:
        """The Workflow of this name as it stands, now and after every change; empty when it is not there."""
        return self._follow(self._path("workflows"), {"fieldSelector": f"metadata.name={name}"})

    def pods(self, workflow: str) -> AsyncIterator[dict[str, dict[str, Any]]]:
        """The pods of a Workflow by name, in the same way."""
        return self._follow(self._core("pods"), {"labelSelector": f"workflows.argoproj.io/workflow={workflow}"})

    def log(self, pod: str, container: str) -> AsyncIterator[bytes]:
        """What a container prints, from its beginning until it ends, in pieces of any size."""
        query = {"container": container, "follow": "true"}
        return self._streamed(self._core(f"pods/{pod}/log"), query, _LOG_S, lambda response: response.stream(amt=None))

    async def _follow(self, path: str, selector: Mapping[str, str]) -> AsyncIterator[dict[str, dict[str, Any]]]:
        """Lists the objects, then watches; a version that is forgotten already is listed anew.

        Raises `ClusterUnreachable` when the API server does not answer.
        """
        while True:
            listed = await self._ask("GET", path, None, selector)
            objects = {one["metadata"]["name"]: one for one in listed["items"]}
            version = listed["metadata"]["resourceVersion"]
            yield dict(objects)
            try:
                while True:
                    async for kind, changed in self._watch(path, selector, version):
                        version = changed["metadata"]["resourceVersion"]
                        if kind == "BOOKMARK":
                            continue
                        objects[changed["metadata"]["name"]] = changed
                        if kind == "DELETED":
                            del objects[changed["metadata"]["name"]]
                        yield dict(objects)
            except Gone:
                continue

    async def _watch(
        self, path: str, selector: Mapping[str, str], version: str
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Changes after `version`, until the server ends the watch; raises `Gone`."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_S),
        }
        async for line in self._streamed(path, {**selector, **query}, _WATCH_S + _ANSWER_S, _lines):
            yield line["type"], line["object"]

    async def _streamed(
        self, path: str, query: Mapping[str, str], silence_s: float, read: Callable[[Any], Iterator[T]]
    ) -> AsyncIterator[T]:
        """What `read` makes of an answer that goes on, in a thread of its own; it is hung up on when this is left."""
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[T | Exception | None] = asyncio.Queue()
        response = await asyncio.to_thread(self._call, "GET", path, None, query, silence_s, raw=True)

        def listen() -> None:
            end: Exception | None = None
            try:
                for one in read(response):
                    loop.call_soon_threadsafe(told.put_nowait, one)
            except EngineError as error:
                end = error
            except Exception as error:
                end = ClusterUnreachable(f"the answer of {self.host} was cut off: {_reason(error)}")
            with contextlib.suppress(RuntimeError):  # the loop is closed, nobody listens any more
                loop.call_soon_threadsafe(told.put_nowait, end)

        threading.Thread(target=listen, name="somagent-stream", daemon=True).start()
        try:
            while (one := await told.get()) is not None:
                if isinstance(one, Exception):
                    raise one
                yield one
        finally:
            _hang_up(response)

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(await asyncio.to_thread(self._call, method, path, body, query))
        return content

    def _core(self, path: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/{path}"

    def _path(self, plural: str, name: str = "") -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None = None,
        timeout_s: float = _ANSWER_S,
        *,
        raw: bool = False,
    ) -> Any:
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Accept": "application/json", "Content-Type": kind}
        request = self._api.param_serialize(
            method,
            path,
            query_params=[*(query or {}).items()],
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._api.call_api(*request, _request_timeout=(5, timeout_s))
            content = None if raw and answer.status == 200 else answer.read()  # type: ignore[no-untyped-call]
        except (ApiException, HTTPError) as error:
            raise ClusterUnreachable(f"the cluster at {self.host} does not answer: {_reason(error)}") from error
        if answer.status >= 300:
            raise self._refused(answer.status, content or b"")
        return answer.response if content is None else content

    def _refused(self, status: int, content: bytes) -> EngineError:
        """What the API server said, which names the verb and the resource where a right is missing."""
        try:
            said = json.loads(content)["message"]
        except (ValueError, KeyError, TypeError):
            said = content.decode(errors="replace").strip()
        if status == 404 and "page not found" in said:
            return EngineError(f"the cluster at {self.host} has no Argo Workflows: it does not know {GROUP}/{VERSION}")
        if status == 401:
            said = "it does not know you; log in again, or look at the user that your kubeconfig names"
        kinds: dict[int, type[EngineError]] = {404: NotThere, 409: Conflict, 410: Gone, 429: ClusterUnreachable}
        kind = kinds.get(status, ClusterUnreachable if status >= 500 or _BEGINNING in said else EngineError)
        return kind(f"the cluster at {self.host} refused: {said}")


def _lines(response: Any) -> Iterator[dict[str, Any]]:
    """The events of a watch; raises `Gone`."""
    rest = b""
    for chunk in response.stream(amt=None, decode_content=True):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            event = json.loads(line)
            if event["type"] == "ERROR":
                said = event["object"]
                if said.get("code") == 410:
                    raise Gone(said.get("message", "gone"))
                raise ClusterUnreachable(said.get("message", "the watch failed"))
            yield event


def _hang_up(response: Any) -> None:
    """Ends a read that another thread is in."""
    with contextlib.suppress(Exception):  # it may be over already
        response.shutdown()


def _load(config: Any, configuration: Any) -> str:
    """Takes the cluster that kubectl would take, and gives the namespace that is named with it.

    `config.load_config` prints to stdout, and knows no list of files in `$KUBECONFIG`.
    """
    named = os.environ.get("KUBECONFIG")
    if not named and not Path(_DEFAULT).expanduser().exists():
        config.load_incluster_config(client_configuration=configuration)
        return _OF_POD.read_text(encoding="utf-8").strip() if _OF_POD.exists() else ""
    config.load_kube_config(config_file=named or _DEFAULT, client_configuration=configuration)
    _, active = config.list_kube_config_contexts(config_file=named or _DEFAULT)
    return active["context"].get("namespace") or ""


def _reason(error: BaseException) -> str:
    return str(getattr(error, "reason", None) or error)
