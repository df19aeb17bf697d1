"""What people do counts when it is written down, also where the cluster of the run does not answer."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from bucket_place import Place
from no_cluster import ADDRESS, kubeconfig_of_no_cluster
from somagent_shell import Shell

from somagent.workflows.engines.objects import names

GATE = "    agree: { review: { title: 'Go on?', reviewers: { users: [bob] } } }\n"


def test_a_decision_and_a_cancellation_are_kept_and_said_to_be(tmp_path: Path, somagent: Shell) -> None:
    pytest.importorskip("kubernetes", reason="needs the extra `argo`")
    place = Place(tmp_path)
    place.submit(GATE)
    assert place.do("step", "agree")[0] == 0
    address = json.dumps({"engine": "argo", "where": f"somagent/{place.run}"}).encode()
    asyncio.run(place.bucket.claim(names.engine(place.run), address))
    config = str(kubeconfig_of_no_cluster(tmp_path))
    there = {"SOMAGENT_ENGINE": "argo", "SOMAGENT_RUNS": place.address, "KUBECONFIG": config}
    there |= {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
    if place.address.startswith("file:"):
        refused = somagent("approve", place.run, "agree", "--as", "bob", **there)
        assert (refused.code, "is a folder of this machine" in refused.err) == (2, True)
        return
    approved = somagent("approve", place.run, "agree", "--as", "bob", **there)
    assert (approved.code, approved.out) == (0, "approved agree as bob\n")
    assert f"warning: the cluster at {ADDRESS} does not answer" in approved.err
    assert f"it is written down and counts, and the run goes on with: somagent resume {place.run}" in approved.err
    assert [one.by for one in place.view().decisions] == ["bob"]
    cancelled = somagent("cancel", place.run, "--as", "bob", **there)
    assert (cancelled.code, "it is written down and counts" in cancelled.err) == (5, True)
