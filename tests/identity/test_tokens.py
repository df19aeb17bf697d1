"""A token is believed when a trusted key signed it, for us, and now; each other one is refused with its reason."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from provider import HEAD, ISSUER, PRIVATE, TOKENS, public, signed

from somagent.workflows.identity import IdentityRefused, Person, who_acts

Trusting = Callable[..., Path]


def acts(directory: Path, token: str) -> Person:
    return who_acts(directory, token=token)


def segment(value: object) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def altered(token: str) -> str:
    """The same token, in which `ana` is `bob`."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{segment(claims | {'sub': 'bob'})}.{signature}"


def unsigned() -> str:
    return f"{segment({'alg': 'none', 'typ': 'JWT'})}.{signed().split('.')[1]}."


def signed_with_the_public_key_as_secret() -> str:
    """What passes where the header may choose the algorithm."""
    text = f"{segment({'alg': 'HS256', 'typ': 'JWT'})}.{signed().split('.')[1]}"
    return f"{text}.{segment(hmac.new(public('ed25519'), text.encode(), hashlib.sha256).digest())}"


def test_the_token_says_who_it_is_and_in_which_groups(trusting: Trusting) -> None:
    directory = trusting(TOKENS + "  groups: { leads: [bo, ANA], others: [cy] }\n")
    found = acts(directory, signed(groups=["staff", "leads"]))
    assert found == Person("ana", ("staff", "leads"), ISSUER, "t-1")
    assert acts(directory, signed(sub="bo", jti=None)) == Person("bo", ("leads",), ISSUER, "")


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (
            lambda: signed(exp=int(time.time()) - 60),
            r"it expired at 20[-0-9]+ [:0-9]+ UTC; get a new one",
        ),
        (lambda: signed(nbf=int(time.time()) + 600), "it is not valid before 20"),
        (lambda: signed(aud="billing"), "it is meant for `billing`, not for `somagent-acme`"),
        (lambda: signed(aud=["a", "b"]), r"it is meant for `\[\"a\", \"b\"\]`, not for"),
        (lambda: signed(iss="https://evil.example"), "it was issued by `https://evil.example`, not by `https://login"),
        (lambda: signed("other"), "its signature is of no key that is trusted here: it was altered, or somebody else"),
        (lambda: altered(signed()), "its signature is of no key that is trusted here: it was altered"),
        (lambda: signed()[:-6], "its signature is of no key that is trusted here"),
        (unsigned, "it is signed by `none`; these keys sign by EdDSA"),
        (signed_with_the_public_key_as_secret, "it is signed by `HS256`; these keys sign by EdDSA"),
        (lambda: signed("rsa", algorithm="RS256"), "it is signed by `RS256`; these keys sign by EdDSA"),
        (lambda: signed(exp=None), "it has no claim `exp`"),
        (lambda: signed(aud=None), "it has no claim `aud`"),
        (lambda: signed(sub=None), "it has no claim `sub`"),
        (lambda: signed(sub=" "), "its claim `sub` is ` `, which is no name"),
        (lambda: signed(groups="leads"), "its claim `groups` is not a list of names"),
        (lambda: "let me in", "it is no JSON Web Token"),
        (lambda: "a.b.c", "it is no JSON Web Token"),
        (lambda: signed(note="x" * 70_000), "it is longer than 64 KiB"),
    ],
)
def test_a_token_that_is_not_believed_is_refused_with_the_reason_and_not_shown(
    trusting: Trusting, token: Callable[[], str], why: str
) -> None:
    given = token()
    with pytest.raises(IdentityRefused, match=f"^the token is refused: {why}") as refused:
        acts(trusting(), given)
    assert given not in str(refused.value)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_token_never_says_anything_else(trusting: Trusting, data: st.DataObject) -> None:
    """Whatever is changed, it is refused; the last bits of the text mean nothing, so that one may pass as it was."""
    directory, token = trusting(), signed(groups=["leads"])
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("Aa0-_.Zz=").filter(lambda one: one != token[place]))
    changed = token[:place] + data.draw(st.sampled_from([other, ""])) + token[place + 1 :]
    found: Person | None = None
    with contextlib.suppress(IdentityRefused):
        found = acts(directory, changed)
    if found is not None:
        assert (found, place) == (Person("ana", ("leads",), ISSUER, "t-1"), len(token) - 1)


def test_claims_have_the_names_that_the_issuer_gives_them(trusting: Trusting) -> None:
    directory = trusting(TOKENS + "    person: email\n    groups: roles\n    tenant: acme\n")
    found = acts(directory, signed(email="ana@acme.example", roles=["leads"], tenant="acme"))
    assert (found.name, found.groups, found.aliases) == ("ana@acme.example", ("leads",), ("ana",))
    for tenant, said in (("evil", "`evil`"), (None, "nobody")):
        with pytest.raises(IdentityRefused, match=f"it is of tenant {said}, and runs here are of `acme`"):
            acts(directory, signed(email="ana@acme.example", tenant=tenant))


def test_keys_are_pem_files_or_sets_and_each_is_used_for_what_it_is(trusting: Trusting) -> None:
    described = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(PRIVATE["rsa"].public_key()))
    keys = {"keys": [described | {"kid": "r1"}, described | {"kid": "enc", "use": "enc"}]}
    spec = TOKENS.replace("[login.pem]", "[login.pem, set.json, ec.pem]")
    files = {"login.pem": public("ed25519"), "set.json": json.dumps(keys).encode(), "ec.pem": public("p256")}
    directory = trusting(spec, **files)
    assert acts(directory, signed()).name == "ana"
    assert acts(directory, signed("rsa", algorithm="PS256", kid="r1")).name == "ana"
    assert acts(directory, signed("p256", algorithm="ES256")).name == "ana"
    with pytest.raises(IdentityRefused, match="its signature is of no key"):
        acts(directory, signed("other", kid="r2"))
    set_only = trusting(TOKENS.replace("login.pem", "set.json"), **{"set.json": files["set.json"]})
    with pytest.raises(IdentityRefused, match=r"signed with a key that is not trusted here .`kid` `r2`."):
        acts(set_only, signed("rsa", algorithm="RS256", kid="r2"))


def test_a_key_file_that_is_none_is_said(trusting: Trusting) -> None:
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = PRIVATE["ed25519"].private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    small = rsa.generate_private_key(65537, 1024).public_key()
    short = small.public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    secret = json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}]}).encode()
    for name, content, why in (
        ("login.pem", b"nothing", ""),
        ("login.pem", private, "it is a private key; put the public one there"),
        ("login.pem", short, "an RSA key of 1024 bits is too short"),
        ("set.json", secret, "it is no public key of Ed25519"),
        ("set.json", b"[]", ""),
    ):
        with pytest.raises(IdentityRefused, match=f"the key file {name} cannot be used: .*{why}"):
            acts(trusting(TOKENS.replace("login.pem", name), **{name: content}), signed())


def test_every_error_of_the_library_is_a_refusal() -> None:
    """`except jwt.PyJWTError` is enough: nothing that it raises while it decodes is of another kind."""
    errors = [one for one in vars(jwt.exceptions).values() if isinstance(one, type) and issubclass(one, Exception)]
    assert [one.__name__ for one in errors if not issubclass(one, jwt.PyJWTError)] == []


def test_a_document_with_a_mistake_says_where_it_is(trusting: Trusting) -> None:
    directory = trusting(TOKENS.replace("audience", "audiense"))
    with pytest.raises(IdentityRefused, match=r"identity\.yaml:6:5: .*audiense"):
        acts(directory, signed())
    assert HEAD.count("\n") == 3  # and `audience` is on the third line after it
