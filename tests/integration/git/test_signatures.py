"""What is signed here, git and OpenSSH accept; what was tampered with, nobody does."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.repositories import SERVICE, ProfilesRepository

from allotment_profiles.git.signatures import Signer, Verifier, generate_key

needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen here")


@needs_ssh_keygen
def test_git_accepts_a_signed_commit_and_refuses_an_unsigned_one(profiles: ProfilesRepository) -> None:
    signed = profiles.commit({"a": "1"}, "Größe\n\nReason: 東京")
    pushed = profiles.push({"a": "2"})
    signers = f"gpg.ssh.allowedSignersFile={profiles.allowed_signers}"
    verify = ["git", "-c", "gpg.format=ssh", "-c", signers, "verify-commit"]
    done = subprocess.run([*verify, signed], cwd=profiles.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f'Good "git" signature for {SERVICE.email}' in done.stderr
    assert subprocess.run([*verify, pushed], cwd=profiles.path, capture_output=True, check=False).returncode != 0


@needs_ssh_keygen
def test_openssh_accepts_our_signature_and_we_accept_openssh_s(tmp_path: Path) -> None:
    key = tmp_path / "key"
    allowed = tmp_path / "allowed"
    allowed.write_text(generate_key(key, "service@x"))
    assert key.stat().st_mode & 0o777 == 0o600
    payload = b"whatever\n"
    signature = tmp_path / "signature"
    signature.write_text(Signer(key).sign(payload) + "\n")
    check = ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "service@x", "-n", "git", "-s", signature]
    assert b"Good" in subprocess.run(check, input=payload, capture_output=True, check=True).stdout
    for namespace, signer in (("git", "service@x"), ("file", None)):
        sign = ["ssh-keygen", "-Y", "sign", "-f", key, "-n", namespace]
        theirs = subprocess.run(sign, input=payload, capture_output=True, check=True).stdout.decode()
        found = Verifier(allowed.read_text()).verify(payload, theirs)
        assert (found and found.principal) == signer


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signer, Verifier, str]:
    key = tmp_path_factory.mktemp("keys") / "key"
    verifier = Verifier(generate_key(key, "service@x"))
    signer = Signer(key)
    return signer, verifier, signer.sign(b"payload")


@given(st.data())
def test_a_changed_signature_is_nobody_s(pair: tuple[Signer, Verifier, str], data: st.DataObject) -> None:
    _, verifier, signature = pair
    start = data.draw(st.integers(0, len(signature) - 1))
    end = data.draw(st.integers(start, min(len(signature), start + 4)))
    changed = signature[:start] + data.draw(st.text(max_size=4)) + signature[end:]
    # White space and the unused bits of the last letter say nothing: these are not changes.
    if meant(changed) != meant(signature):
        assert verifier.verify(b"payload", changed) is None


def meant(signature: str) -> bytes | None:
    text = (
        "".join(signature.split()).removeprefix("-----BEGINSSHSIGNATURE-----").removesuffix("-----ENDSSHSIGNATURE-----")
    )
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


@given(st.text(max_size=200), st.binary(max_size=50))
def test_any_text_as_a_signature_is_nobody_s(pair: tuple[Signer, Verifier, str], text: str, payload: bytes) -> None:
    assert pair[1].verify(payload, text) is None
    assert pair[1].verify(payload, f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----") is None


def test_another_payload_another_key_or_no_key_is_nobody_s(pair: tuple[Signer, Verifier, str], tmp_path: Path) -> None:
    signer, verifier, signature = pair
    key = verifier.verify(b"payload", signature)
    assert key is not None
    assert key.principal == "service@x"
    assert verifier.verify(b"payload ", signature) is None
    stranger = Verifier(generate_key(tmp_path / "other", "service@x"))
    assert stranger.verify(b"payload", signer.sign(b"payload")) is None
    assert Verifier("").verify(b"payload", signature) is None


@given(st.text(max_size=200))
def test_any_text_is_a_file_of_allowed_signers(text: str) -> None:
    Verifier(text)
    Verifier(f"service@x ssh-ed25519 {text}")
    Verifier(f"service@x {text} ssh-ed25519 AAAA")
    Verifier(f'service@x valid-before="{text}" ssh-ed25519 AAAA')
    Verifier(f"#former service@x ssh-ed25519 {text}")


def test_a_commit_whose_message_was_changed_is_not_signed(profiles: ProfilesRepository) -> None:
    commit = profiles.commit({"a": "1"}, "Good")
    raw = profiles.repository.objects([commit])[commit]
    done = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"], cwd=profiles.path, input=raw.replace(b"Good", b"Evil"),
        capture_output=True, check=True,
    )  # fmt: skip
    signed, forged = profiles.repository.commits([commit, done.stdout.decode().strip()])
    assert (signed.signed_by, forged.signed_by) == (SERVICE.email, None)
