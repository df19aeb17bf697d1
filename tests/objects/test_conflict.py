"""S3 may answer to those who write one name at once that none of them has written (409): then it is written again.

A store cannot be made to answer so at will, so what is before the real one does. Its words are those of
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import asyncio
import http.client
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from surroundings import surrounded_by

from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.protocol import StoreUnreachable

_CONFLICT = b"<Error><Code>ConditionalRequestConflict</Code><Message>try again</Message></Error>"


class _Before(ThreadingHTTPServer):
    """Before the store, which gets all but so many conditional writes as it was sent."""

    conflicts = 0
    store = ""


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Before

    def _passed_on(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.command == "PUT" and "If-None-Match" in self.headers and self.server.conflicts:
            self.server.conflicts -= 1
            self._answer(409, {}, _CONFLICT)
            return
        store = http.client.HTTPConnection(self.server.store)
        store.request(self.command, self.path, content, dict(self.headers))
        answer = store.getresponse()
        kept = {name: text for name, text in answer.getheaders() if name.lower() not in {"content-length", "date"}}
        self._answer(answer.status, kept, answer.read())
        store.close()

    do_GET = do_PUT = _passed_on  # noqa: N815 - as the library calls them

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, text in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def before() -> Iterator[_Before]:
    with _Before(("127.0.0.1", 0), _Answers) as server:
        server.store = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with surrounded_by(AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}"):
            yield server
        server.shutdown()
        thread.join()


def bucket(patience_s: float) -> Bucket:
    """A place of its own."""
    return Bucket(f"{os.environ['OBJECTS']}/{os.urandom(4).hex()}", patience_s=patience_s)


def test_a_claim_that_met_others_is_made_again(before: _Before) -> None:
    before.conflicts, own = 2, bucket(5)
    assert asyncio.run(own.claim("a", b"mine")) == b"mine"
    assert asyncio.run(own.read("a")) == b"mine"
    assert before.conflicts == 0


def test_a_claim_finds_what_one_of_the_others_stored(before: _Before) -> None:
    own = bucket(5)
    assert asyncio.run(own.claim("a", b"theirs")) == b"theirs"
    before.conflicts = 1
    assert asyncio.run(own.claim("a", b"mine")) == b"theirs"


def test_a_store_that_knows_only_conflicts_is_one_that_does_not_answer(before: _Before) -> None:
    before.conflicts = 1000
    with pytest.raises(StoreUnreachable, match="has not answered for 2 s"):
        asyncio.run(bucket(2).claim("a", b"mine"))
