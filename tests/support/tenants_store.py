"""An S3 store with users of its own: versitygw, found in $RIG_BIN or on PATH, as a process of the test's."""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

_ROOT = ("root", "root-secret")
_REGION = "us-east-1"


class TenantsStore:
    """Its address, and what only its owner may do there."""

    def __init__(self, program: str, endpoint: str) -> None:
        self._program, self.endpoint = program, endpoint

    def user(self, name: str) -> dict[str, str]:
        """Makes a user; the variables with its credentials."""
        access, secret = _ROOT
        words = ["admin", "--access", access, "--secret", secret, "--endpoint-url", self.endpoint, "create-user"]
        own = ["--access", name, "--secret", f"{name}-secret", "--role", "user"]
        subprocess.run([self._program, *words, *own], check=True, capture_output=True, timeout=20)
        return {
            "AWS_ACCESS_KEY_ID": name,
            "AWS_SECRET_ACCESS_KEY": f"{name}-secret",
            "AWS_REGION": _REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def put(self, path: str, query: str = "", body: bytes = b"") -> None:
        """A request of the owner's, signed as AWS Signature Version 4 says."""
        access, secret = _ROOT
        at, host = datetime.now(UTC), self.endpoint.removeprefix("http://")
        digest, stamp, day = hashlib.sha256(body).hexdigest(), f"{at:%Y%m%dT%H%M%SZ}", f"{at:%Y%m%d}"
        headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
        signed = ";".join(headers)
        lines = ["PUT", path, query, *(f"{name}:{value}" for name, value in headers.items()), "", signed, digest]
        scope = f"{day}/{_REGION}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256("\n".join(lines).encode()).hexdigest()])
        key = f"AWS4{secret}".encode()
        for part in (day, _REGION, "s3", "aws4_request", text):
            key = hmac.digest(key, part.encode(), "sha256")
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={access}/{scope},SignedHeaders={signed},Signature={key.hex()}"
        )
        request = urllib.request.Request(f"{self.endpoint}{path}?{query}", body, headers, method="PUT")
        with urllib.request.urlopen(request, timeout=20):
            pass


@contextmanager
def tenants_store(folder: Path) -> Iterator[TenantsStore]:
    """Runs until it is left."""
    program = shutil.which("versitygw", path=os.pathsep.join([os.environ.get("RIG_BIN", ""), os.environ["PATH"]]))
    if program is None:
        pytest.skip("needs the S3 store `versitygw`, on PATH or in the folder that RIG_BIN names")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for name in ("data", "users"):
        (folder / name).mkdir()
    access, secret = _ROOT
    words = ["--access", access, "--secret", secret, "--port", address, "--quiet", "--iam-dir", str(folder / "users")]
    with (folder / "log").open("wb") as log:
        command = [program, *words, "posix", str(folder / "data")]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        host, _, port = address.partition(":")
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection((host, int(port)), 1).close()
                break
            except OSError:
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.05)
        yield TenantsStore(program, f"http://{address}")
    finally:
        process.terminate()
        process.wait()
