"""Answers of Airflow that break off, as where its API server is killed while it writes one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socket import SHUT_RDWR, create_connection, create_server, socket
from urllib.parse import urlsplit

import pytest
from airflow_site import Site

from somagent.workflows.engines.airflow.rest import NoServer, Rest

_BYTES = 20  # of an answer's body that arrive


@contextmanager
def cut_off(site: Site, *answers: int) -> Iterator[str]:
    """The address of a pipe to the real server; of these answers it passes on the beginning only."""
    server = urlsplit(site.airflow.url)
    with create_server(("127.0.0.1", 0)) as door:

        def listen() -> None:
            number = 0
            while True:
                try:
                    caller, _ = door.accept()
                except OSError:
                    return
                with caller, create_connection((server.hostname, server.port)) as there:
                    _pass_on(caller, there, None if number not in answers else _BYTES)
                number += 1

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            door.shutdown(SHUT_RDWR)
            thread.join()


def _pass_on(caller: socket, there: socket, most: int | None) -> None:
    """One request, and its answer to the end or so many bytes of its body; who asks closes after each answer."""
    threading.Thread(target=_requests, args=(caller, there), daemon=True).start()
    answer = b""
    while part := there.recv(65_536):
        answer += part
    end = None if most is None else answer.index(b"\r\n\r\n") + 4 + most
    caller.sendall(answer[:end])
    caller.shutdown(SHUT_RDWR)


def _requests(caller: socket, there: socket) -> None:
    try:
        while part := caller.recv(65_536):
            there.sendall(part)
    except OSError:
        pass  # the other side has closed


def test_an_answer_that_breaks_off_is_asked_for_again(site: Site) -> None:
    with cut_off(site, 2, 3) as url:  # the first is the token, the second the answer that says that somebody is there
        rest = Rest(site.settings(SOMAGENT_AIRFLOW_URL=url))

        async def main() -> None:
            whole = await rest.get("pools")
            assert await rest.get("pools") == whole

        asyncio.run(main())


def test_a_first_answer_that_breaks_off_is_no_server(site: Site) -> None:
    with cut_off(site, 1) as url, pytest.raises(NoServer, match=f"no Airflow answers at {url} .IncompleteRead"):
        asyncio.run(Rest(site.settings(SOMAGENT_AIRFLOW_URL=url)).get("pools"))


def test_a_refusal_that_breaks_off_is_no_refusal(site: Site) -> None:
    with cut_off(site, 0) as url, pytest.raises(NoServer, match=f"no Airflow answers at {url} .IncompleteRead"):
        asyncio.run(Rest(site.settings(SOMAGENT_AIRFLOW_URL=url, SOMAGENT_AIRFLOW_PASSWORD="wrong")).get("pools"))
