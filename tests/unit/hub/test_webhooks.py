"""Webhooks are believed by their signature over the raw body, and only that it is time to look again."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allotment_hub.errors import ServiceError
from allotment_hub.forges.pull_requests.errors import ForgeCredentialError
from allotment_hub.forges.webhooks import LARGEST_WEBHOOK, ForgeKind, Look, Webhooks

SECRET, NEW = "an-old-secret-of-the-webhook", "a-new-secret-of-the-webhook"
KINDS: tuple[ForgeKind, ...] = ("gitea", "github", "gitlab")
EVERYTHING = Look()


def signed(kind: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    return {
        "gitea": {"X-Gitea-Signature": digest}, "github": {"X-Hub-Signature-256": f"sha256={digest}"},
        "gitlab": {"X-Gitlab-Token": secret}, "gitlab signed": standard(secret.encode(), body),
    }[kind]  # fmt: skip


def standard(key: bytes, body: bytes) -> dict[str, str]:
    signature = base64.b64encode(hmac.digest(key, b"message-1.1795800000." + body, hashlib.sha256)).decode()
    return {
        "webhook-id": "message-1", "webhook-timestamp": "1795800000", "webhook-signature": f"v2,x v1,{signature}",
    }  # fmt: skip


def kind_of(kind: str) -> ForgeKind:
    return next(each for each in KINDS if kind.startswith(each))


def webhooks(tmp_path: Path, kind: str, *secrets: str) -> Webhooks:
    path = tmp_path / "webhook-secret"
    path.write_text("\n".join(secrets or (SECRET,)) + "\n")
    return Webhooks(kind_of(kind), path)


def refusal(hooks: Webhooks, headers: Mapping[str, str], body: bytes) -> str:
    with pytest.raises(ServiceError) as caught:
        hooks.look(headers, body)
    assert 400 <= (caught.value.refusal.status or 0) < 500
    return caught.value.refusal.code


@pytest.mark.parametrize("kind", [*KINDS, "gitlab signed"])
def test_what_the_forge_signed_is_believed_also_twice(tmp_path: Path, kind: str) -> None:
    hooks, body = webhooks(tmp_path, kind), b'{"pull_request": {"number": 7}}'
    assert hooks.look(signed(kind, body), body) == hooks.look(signed(kind, body), body) == Look(7)


@pytest.mark.parametrize("kind", [*KINDS, "gitlab signed"])
def test_two_secrets_hold_while_one_replaces_the_other(tmp_path: Path, kind: str) -> None:
    hooks = webhooks(tmp_path, kind, SECRET, NEW)
    assert hooks.look(signed(kind, b"{}"), b"{}") == hooks.look(signed(kind, b"{}", NEW), b"{}") == EVERYTHING
    (tmp_path / "webhook-secret").write_text(NEW)
    assert refusal(hooks, signed(kind, b"{}"), b"{}") == "webhook-unsigned"
    assert hooks.look(signed(kind, b"{}", NEW), b"{}") == EVERYTHING


@pytest.mark.parametrize("kind", ["gitea", "github", "gitlab signed"])
def test_a_body_that_was_changed_is_refused(tmp_path: Path, kind: str) -> None:
    hooks = webhooks(tmp_path, kind)
    assert refusal(hooks, signed(kind, b'{"a": 1}'), b'{"a": 1} ') == "webhook-unsigned"


@pytest.mark.parametrize("kind", KINDS)
def test_the_proof_of_another_forge_is_none(tmp_path: Path, kind: str) -> None:
    hooks = webhooks(tmp_path, kind)
    for other in (*KINDS, "gitlab signed"):
        if kind_of(other) != kind:
            assert refusal(hooks, signed(other, b"{}"), b"{}") == "webhook-unsigned"
    forged = {"X-Gitea-Signature": "é", "X-Hub-Signature-256": "sha256=é", "X-Gitlab-Token": "é"}
    assert refusal(hooks, forged, b"{}") == "webhook-unsigned"
    assert refusal(hooks, {}, b"{}") == "webhook-unsigned"


def test_gitlab_writes_the_key_of_a_signature_as_its_standard_says(tmp_path: Path) -> None:
    key = b"\x00\xff" * 16
    hooks = webhooks(tmp_path, "gitlab", f"whsec_{base64.b64encode(key).decode()}")
    assert hooks.look(standard(key, b"{}"), b"{}") == EVERYTHING


def test_a_large_one_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    hooks = Webhooks("github", tmp_path / "no such file")
    assert refusal(hooks, {}, b"x" * (LARGEST_WEBHOOK + 1)) == "webhook-large"


@pytest.mark.parametrize("secrets", [(), ("",), ("a", "b", "c")])
def test_without_a_secret_none_is_believed(tmp_path: Path, secrets: tuple[str, ...]) -> None:
    hooks = Webhooks("gitlab", tmp_path / "webhook-secret")
    if secrets:
        (tmp_path / "webhook-secret").write_text("\n".join(secrets))
    with pytest.raises(ForgeCredentialError):
        hooks.look({"X-Gitlab-Token": ""}, b"{}")


@pytest.mark.parametrize(
    ("event", "number"),
    [
        ({"pull_request": {"number": 7}}, 7),
        ({"issue": {"number": 8, "pull_request": {"url": "x"}}}, 8),
        ({"issue": {"number": 8}}, None),
        ({"object_kind": "merge_request", "object_attributes": {"iid": 9}}, 9),
        ({"object_kind": "note", "merge_request": {"iid": 10}, "object_attributes": {"iid": 3}}, 10),
        ({"object_kind": "push", "object_attributes": {"iid": 3}}, None),
        ({"pull_request": {"number": True}}, None), ({"pull_request": {"number": -1}}, None),
        ({"pull_request": {"number": 2**40}}, None), ({"pull_request": {"number": "7"}}, None),
        ({"pull_request": [7]}, None), ([], None), (7, None),
    ],
)  # fmt: skip
def test_only_the_number_is_read(tmp_path: Path, event: Any, number: int | None) -> None:
    body = json.dumps(event).encode()
    assert webhooks(tmp_path, "github").look(signed("github", body), body) == Look(number)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"ref": "refs/heads/main"}, Look(main=True)),
        ({"ref": "refs/heads/main2"}, Look()), ({"ref": "refs/tags/main"}, Look()),
        ({"ref": ["refs/heads/main"]}, Look()),
        ({"action": "closed", "pull_request": {"number": 7, "merged": True}}, Look(7, main=True)),
        ({"action": "edited", "pull_request": {"number": 7, "merged": True}}, Look(7)),
        ({"object_kind": "merge_request", "object_attributes": {"iid": 9, "action": "merge"}}, Look(9, main=True)),
        ({"object_kind": "merge_request", "object_attributes": {"iid": 9, "action": "close"}}, Look(9)),
    ],
)  # fmt: skip
def test_a_push_to_main_or_a_merge_is_told_from_everything_else(tmp_path: Path, event: Any, expected: Look) -> None:
    body = json.dumps(event).encode()
    assert webhooks(tmp_path, "gitlab").look(signed("gitlab", body), body) == expected


@given(
    st.one_of(
        st.binary(max_size=200),
        st.sampled_from([b"[" * 100_000, b'{"pull_request": ' * 5000, b'{"pull_request": {"number": 1' + b"0" * 9000]),
    )
)
def test_a_signed_body_of_any_kind_only_asks_to_look_at_everything(
    tmp_path_factory: pytest.TempPathFactory, body: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "webhook-secret"
    path.write_text(SECRET)
    assert Webhooks("github", path).look(signed("github", body), body) == EVERYTHING
