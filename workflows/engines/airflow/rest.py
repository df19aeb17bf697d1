"""Airflow's REST API: one call at a time, in JSON, whose faults are told in the words of whoever has to mend them."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from somagent.operators.runner.threads import in_thread
from somagent.workflows.engines.airflow.settings import PASSWORD, TOKEN, URL, USER, Settings
from somagent.workflows.engines.protocol import EngineError, EngineUnreachable

_ANSWER_S = 30.0  # one request
_PATIENCE_S = 90.0  # an API server is started anew in less
_REST_S = 0.5
_BROKEN_OFF = (OSError, http.client.HTTPException)  # before the answer, or in the middle of it


class NoServer(EngineUnreachable):
    """Nothing answers there, or what does cannot do its work now."""


class Refused(EngineError):
    """Airflow's answer is no; `status` says how it put it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Rest:
    """The API of one Airflow; a call is made again while nothing answers, for at most `patience_s`."""

    def __init__(self, settings: Settings, *, patience_s: float = _PATIENCE_S) -> None:
        self._settings, self._patience_s = settings, patience_s
        self._token = settings.token
        self._has_answered = False

    async def get(self, *path: str, **query: object) -> Any:
        """What is there; raises `Refused` with 404 when nothing is."""
        return await self._patiently("GET", path, query, None)

    async def post(self, *path: str, body: Mapping[str, Any]) -> Any:
        """Makes something."""
        return await self._patiently("POST", path, {}, body)

    async def patch(self, *path: str, body: Mapping[str, Any]) -> Any:
        """Changes something."""
        return await self._patiently("PATCH", path, {}, body)

    async def _patiently(
        self, method: str, path: tuple[str, ...], query: Mapping[str, object], body: Mapping[str, Any] | None
    ) -> Any:
        """A server that never answered is not waited for: more likely its address is wrong."""
        until = time.monotonic() + (self._patience_s if self._has_answered else 0)
        while True:
            try:
                answer = await in_thread(self._call, method, path, query, body)
            except NoServer:
                if time.monotonic() >= until:
                    raise
            else:
                self._has_answered = True
                return answer
            await asyncio.sleep(_REST_S)

    def _call(
        self, method: str, path: tuple[str, ...], query: Mapping[str, object], body: Mapping[str, Any] | None
    ) -> Any:
        for known in (bool(self._token), False):
            if not known:
                self._token = self._settings.token or self._log_in()
            try:
                where = "/api/v2/" + "/".join(quote(part, safe="~") for part in path)
                shown = f"?{urlencode(query)}" if query else ""
                return self._ask(method, where + shown, body, {"Authorization": f"Bearer {self._token}"})
            except Refused as refused:
                if refused.status != HTTPStatus.UNAUTHORIZED or not known or self._settings.token:
                    raise  # else the token has run out
        raise AssertionError

    def _log_in(self) -> str:
        account = {"username": self._settings.user, "password": self._settings.password}
        return str(self._ask("POST", "/auth/token", account, {})["access_token"])

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Any:
        url = self._settings.url + path
        if not url.startswith(("http://", "https://")):
            raise EngineError(f"{URL} must begin with http:// or https://, and is `{self._settings.url}`")
        data = None if body is None else json.dumps(body).encode()
        more = {"Content-Type": "application/json", "Accept": "application/json"}
        asked = urllib.request.Request(url, data, {**more, **headers}, method=method)  # noqa: S310 - looked at above
        try:
            with urllib.request.urlopen(asked, timeout=_ANSWER_S) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            try:
                with error:
                    said = error.read()
            except _BROKEN_OFF as broken:
                raise self._no_server(broken) from broken
            raise self._refused(error.code, said, method, path) from error
        except (*_BROKEN_OFF, ValueError) as error:
            raise self._no_server(error) from error

    def _no_server(self, error: Exception) -> NoServer:
        why = getattr(error, "reason", None) or str(error) or type(error).__name__
        return NoServer(f"no Airflow answers at {self._settings.url} ({why}); {URL} says where it is")

    def _refused(self, code: int, answer: bytes, method: str, path: str) -> EngineError:
        said = _detail(answer)
        if code >= HTTPStatus.INTERNAL_SERVER_ERROR:  # its database is away, most often, or a proxy before it
            return NoServer(f"Airflow at {self._settings.url} could not {method} {path} ({code}): {said}")
        if code == HTTPStatus.UNAUTHORIZED:
            return Refused(f"{self._settings.url} does not know this account: {self._account()}", code)
        if code == HTTPStatus.FORBIDDEN:
            who = f"`{self._settings.user}`" if self._settings.user else "the account of the token"
            return Refused(
                f"{who} may not {method} {path} at {self._settings.url}; give it a role that may (`user` of the simple"
                f" auth manager is enough), or name another one: {self._account()}",
                code,
            )
        return Refused(f"Airflow at {self._settings.url} refused {method} {path} ({code}): {said}", code)

    def _account(self) -> str:
        return TOKEN if self._settings.token else f"{USER} and {PASSWORD}"


def _detail(content: bytes) -> str:
    """What FastAPI says went wrong."""
    text = content.decode(errors="replace")
    try:
        detail = json.loads(text)["detail"]
    except (ValueError, KeyError, TypeError):
        return text[:500]
    return detail if isinstance(detail, str) else json.dumps(detail)[:500]
