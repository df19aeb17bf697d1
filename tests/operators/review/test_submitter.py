"""Who started a run that Argo's tools submitted is known by labels, which hold less than a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somagent.operators.submitter import Submitter, as_label
from somagent.workflows.engines.argo.creator import submitter_in

CREATOR = "workflows.argoproj.io/creator"
BOB = {
    CREATOR: "CgNib2I",
    f"{CREATOR}-email": "bob.at.corp.example",
    f"{CREATOR}-preferred-username": "bob-corp.example",
}


@pytest.mark.parametrize(
    ("name", "label"),  # of Argo's own tests, `workflow/creator/creator_test.go`
    [
        ("x" * 63 + "y", "x" * 62 + "y"),
        ("-" * 63 + "y", "y"),
        ("!@#$%^&*()--__" + "y" * 35 + "__--!@#$%^&*()", "y" * 35),
        ("us#er@name#", "us-er-name"),
        ("x" * 20 + "-" * 70 + "x" * 20, "x" * 20),
    ],
)
def test_a_label_has_of_a_name_what_argo_leaves_of_it(name, label):
    assert as_label(name) == label


@pytest.mark.parametrize("name", ["bob@corp.example", "Bob@Corp.example", "bob-corp.example", "CgNib2I", "bob"])
def test_whoever_one_of_the_labels_may_mean_is_the_submitter(name):
    assert submitter_in(BOB).may_be(name)
    assert submitter_in(BOB).may_be("Robert", name)
    assert not submitter_in(BOB).may_be("ana@corp.example", "CgNhbmE")


@given(st.text(min_size=1))
def test_nobody_passes_for_another_one_by_what_a_label_has_lost(name):
    left = as_label(name)
    assert not left or submitter_in({CREATOR: "CgNib2I", f"{CREATOR}-preferred-username": left}).may_be(name)


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {CREATOR: "system-serviceaccount-argo-argo-server"},
        {CREATOR: "system-serviceaccount-argo-argo-server", f"{CREATOR}-preferred-username": "ana"},
        {CREATOR: as_label("system:serviceaccount:pipelines-of-the-whole-house:argo-workflows-server")},
        {f"{CREATOR}-preferred-username": "ana"},
    ],
)
def test_labels_that_are_everybodys_or_somebodys_own_invention_name_nobody(labels):
    assert submitter_in(labels) == Submitter("")


def test_the_first_label_is_what_people_know_the_person_by():
    assert submitter_in(BOB).name == "bob-corp.example"
    assert submitter_in({CREATOR: "CgNib2I"}) == Submitter("CgNib2I", ("CgNib2I",))
