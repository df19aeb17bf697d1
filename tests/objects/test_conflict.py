"""S3 may answer to those who write one name at once that none of them has written (409): then it is written again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.protocol import StoreUnreachable

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
_CONFLICT = b"<Error><Code>ConditionalRequestConflict</Code><Message>try again</Message></Error>"
_NONE = b"<Error><Code>NoSuchKey</Code></Error>"


class _Store(ThreadingHTTPServer):
    """A store in which the first writes of a name meet others."""

    conflicts = 0
    kept: bytes | None = None


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Store

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.conflicts:
            self.server.conflicts -= 1
            self._answer(409, _CONFLICT)
        else:
            self.server.kept = content
            self._answer(200, b"")

    def do_GET(self) -> None:
        kept = self.server.kept
        self._answer(404, _NONE) if kept is None else self._answer(200, kept)

    def _answer(self, code: int, content: bytes) -> None:
        self.send_response(code)
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Mon, 30 Nov 2026 10:00:00 GMT")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Store]:
    with _Store(("127.0.0.1", 0), _Answers) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "a")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_claim_that_met_others_is_made_again(store: _Store) -> None:
    store.conflicts = 2
    assert asyncio.run(Bucket("s3://runs/acme", patience_s=5).claim("a", b"mine")) == b"mine"
    assert store.kept == b"mine"


def test_a_claim_finds_what_one_of_the_others_stored(store: _Store) -> None:
    store.conflicts, store.kept = 1, b"theirs"
    assert asyncio.run(Bucket("s3://runs/acme", patience_s=5).claim("a", b"mine")) == b"theirs"


def test_a_store_that_knows_only_conflicts_is_one_that_does_not_answer(store: _Store) -> None:
    store.conflicts = 1000
    with pytest.raises(StoreUnreachable, match="has not answered for 2 s"):
        asyncio.run(Bucket("s3://runs/acme", patience_s=2).claim("a", b"mine"))
