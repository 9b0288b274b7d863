"""The keys whose signatures count: several at once, in a time or a history, read anew where their files change."""

import dataclasses
import datetime as dt
import shutil
import subprocess
from pathlib import Path

import pytest
from support.repositories import SERVICE, ProfilesRepository

from allotment_profiles.git.commits import Commit
from allotment_profiles.git.keys import PublicKey, parse_keys
from allotment_profiles.git.process import GitError
from allotment_profiles.git.signatures import Keyring, Signer, Verifier, generate_key


@pytest.fixture
def line(tmp_path: Path) -> str:
    return generate_key(tmp_path / "key", "service@x")


def test_a_line_is_written_as_it_is_read(line: str) -> None:
    (key,) = parse_keys(line)
    assert key.line() == line
    time = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    for other in (
        dataclasses.replace(key, before=time),
        dataclasses.replace(key, after=time),
        dataclasses.replace(key, former=("1" * 40, "2" * 64)),
        dataclasses.replace(key, former=()),
    ):
        assert parse_keys(other.line()) == [other]


@pytest.mark.parametrize(
    ("options", "after", "before"),
    [
        ("", None, None),
        ('namespaces="git,file"', None, None),
        ('namespaces="g*"', None, None),
        ('valid-before="20260301Z",namespaces="git"', None, (2026, 3, 1)),
        ('namespaces="git",Valid-After=202603010730Z', (2026, 3, 1, 7, 30), None),
        ('valid-after="20260301Z",valid-before="20260401000000Z"', (2026, 3, 1), (2026, 4, 1)),
    ],
)
def test_the_options_of_openssh_count(line: str, options: str, after: tuple[int, ...], before: tuple[int, ...]) -> None:
    (key,) = parse_keys(line.replace('namespaces="git"', options))
    utc = {"after": after, "before": before}
    assert {name: getattr(key, name).timetuple()[: len(time)] for name, time in utc.items() if time} == {
        name: time for name, time in utc.items() if time
    }


@pytest.mark.parametrize(
    "options",
    [
        'namespaces="file"', "namespaces", "cert-authority", 'cert-authority,namespaces="git"', 'valid-before="soon"',
        'valid-before="20261301Z"', "valid-before", 'verify-required,namespaces="git"', 'namespaces="git" "x"',
    ],
)  # fmt: skip
def test_a_line_with_an_option_that_is_not_known_is_ignored(line: str, options: str) -> None:
    assert parse_keys(line.replace('namespaces="git"', options)) == []


@pytest.mark.parametrize("order", [1, -1])
def test_a_key_that_is_there_twice_is_a_former_one_if_one_line_says_so(line: str, order: int) -> None:
    (key,) = parse_keys(line)
    former = dataclasses.replace(key, former=("1" * 40,))
    assert parse_keys("".join([line, former.line()][::order])) == [former]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen here")
def test_for_git_the_line_of_a_former_key_is_a_comment(profiles: ProfilesRepository, tmp_path: Path) -> None:
    old = profiles.commit({"a": "1"})
    (key,) = parse_keys(profiles.allowed_signers.read_text())
    line = generate_key(tmp_path / "new", SERVICE.email)
    profiles.allowed_signers.write_text(dataclasses.replace(key, former=(old,)).line() + line)
    new = profiles.commit({"a": "2"}, signer=Signer(tmp_path / "new"))
    signers = f"gpg.ssh.allowedSignersFile={profiles.allowed_signers}"
    verify = ["git", "-c", "gpg.format=ssh", "-c", signers, "verify-commit"]
    codes = [subprocess.run([*verify, each], cwd=profiles.path, check=False).returncode for each in (old, new)]
    assert [code == 0 for code in codes] == [False, True]


def rotated(profiles: ProfilesRepository, folder: Path, *former: str) -> Signer:
    """Let the repository know a new key; the one of before counts in the history of some commits only, if named."""
    (key,) = parse_keys(profiles.allowed_signers.read_text())
    line = generate_key(folder / "new", SERVICE.email)
    before = dataclasses.replace(key, former=former).line() if former else key.line()
    profiles.repository = type(profiles.repository)(profiles.path, Verifier(line + before))
    return Signer(folder / "new")


def signed(profiles: ProfilesRepository, *commits: str) -> list[bool]:
    return [commit.signed_by is not None for commit in profiles.repository.commits(commits)]


def test_several_keys_count_at_once(profiles: ProfilesRepository, tmp_path: Path) -> None:
    old = profiles.commit({"a": "1"})
    signer = rotated(profiles, tmp_path)
    new, again = profiles.commit({"a": "2"}, signer=signer), profiles.commit({"a": "3"})
    assert signed(profiles, old, new, again) == [True, True, True]


def test_a_stolen_key_counts_only_in_the_history_that_there_was_whatever_date_a_commit_claims(
    profiles: ProfilesRepository, tmp_path: Path
) -> None:
    first, second = profiles.commit({"a": "1"}), profiles.commit({"a": "2"})
    review = profiles.commit({"a": "r"}, branch="refs/heads/reviews/x-1", parents=[])
    late = profiles.commit({"a": "3"})
    thief = profiles.signer
    signer = rotated(profiles, tmp_path, second, review, "f" * 40)
    backdated = profiles.commit({"a": "4"}, signer=thief, time=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    # Beside the history that counts, on top of a commit of it.
    beside = profiles.commit({"a": "5"}, parents=[first], signer=thief, branch="refs/heads/reviews/y-1")
    new = profiles.commit({"a": "6"}, signer=signer)
    found = signed(profiles, first, second, review, late, backdated, beside, new)
    assert found == [True, True, True, False, False, False, True]


def test_what_is_not_here_yet_counts_once_it_is(profiles: ProfilesRepository, tmp_path: Path) -> None:
    first = profiles.commit({"a": "1"})
    commit = profiles.repository.objects([profiles.commit({"a": "2"})])
    ((future, raw),) = commit.items()
    (profiles.path / "objects" / future[:2] / future[2:]).unlink()
    rotated(profiles, tmp_path, future)
    assert signed(profiles, first) == [False]
    subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"], cwd=profiles.path, input=raw, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert signed(profiles, first, future) == [True, True]


def test_a_time_is_that_of_the_commit(profiles: ProfilesRepository) -> None:
    early, late = profiles.commit({"a": "1"}), profiles.commit({"a": "2"})
    (key,) = parse_keys(profiles.allowed_signers.read_text())
    read: Commit = profiles.repository.commits([late])[0]
    limited = dataclasses.replace(key, before=read.time)
    profiles.repository = type(profiles.repository)(profiles.path, Verifier(limited.line()))
    assert signed(profiles, early, late) == [True, False]


# -- the files


@pytest.fixture
def keyring(tmp_path: Path, line: str) -> Keyring:
    (tmp_path / "signers").write_text(line)
    return Keyring(tmp_path / "signers")


def test_keys_are_read_anew_where_their_files_change(keyring: Keyring, tmp_path: Path, line: str) -> None:
    signer = keyring.signer(tmp_path / "key")
    old, before = signer.public, keyring.verifier.fingerprint
    keyring.refresh()
    assert keyring.verifier.fingerprint == before
    new_line = generate_key(tmp_path / "new", "service@x")
    (tmp_path / "signers").write_text(new_line + line)
    keyring.refresh()
    assert signer.public == old
    assert keyring.verifier.fingerprint != before
    (tmp_path / "new").replace(tmp_path / "key")
    keyring.refresh()
    assert signer.public != old
    assert keyring.verifier.verify(b"x", signer.sign(b"x")) is not None


@pytest.mark.parametrize("trouble", ["damaged", "missing", "unknown"])
def test_a_key_that_cannot_be_used_is_not_signed_with(keyring: Keyring, tmp_path: Path, trouble: str) -> None:
    signer = keyring.signer(tmp_path / "key")
    if trouble == "damaged":
        (tmp_path / "key").write_text("-----BEGIN OPENSSH")
    elif trouble == "missing":
        (tmp_path / "key").unlink()
    else:
        generate_key(tmp_path / "new", "service@x")
        (tmp_path / "new").replace(tmp_path / "key")
    keyring.refresh()
    if trouble == "unknown":
        with pytest.raises(GitError):
            signer.sign(b"x")
    else:
        assert keyring.verifier.verify(b"x", signer.sign(b"x")) is not None


def test_nothing_is_signed_with_a_key_from_when_it_is_revoked(keyring: Keyring, tmp_path: Path, line: str) -> None:
    signer = keyring.signer(tmp_path / "key")
    (key,) = parse_keys(line)
    (tmp_path / "signers").write_text(dataclasses.replace(key, former=()).line())
    keyring.refresh()
    with pytest.raises(GitError):
        signer.sign(b"x")


def test_a_service_does_not_start_with_a_key_whose_signatures_would_not_count(keyring: Keyring, tmp_path: Path) -> None:
    generate_key(tmp_path / "other", "service@x")
    with pytest.raises(ValueError, match="signers has no line for it"):
        keyring.signer(tmp_path / "other")


def test_without_a_file_no_signature_counts_until_it_is_there(tmp_path: Path, line: str) -> None:
    keyring = Keyring(tmp_path / "signers")
    public = Signer(tmp_path / "key").public
    assert not keyring.verifier.knows(public)
    (tmp_path / "signers").write_text(line)
    keyring.refresh()
    assert keyring.verifier.knows(public)


def test_a_fingerprint_is_that_of_ssh_keygen(tmp_path: Path, line: str) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen here")
    done = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
    keys: list[PublicKey] = parse_keys(line)
    assert keys[0].fingerprint in done.stdout
