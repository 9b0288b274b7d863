"""Keys that are replaced, lost or stolen while the service runs: what counts then, and what administrators do."""

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_ssh_private_key
from support.command_line import allotment
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, Platform, code_of
from support.fakes.web_service import WebService
from support.servers.git_server import git

from allotment_hub.forges import record_log
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.forges.record_log import RecordsBrokenError
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.git.commits import Person
from allotment_profiles.git.repository import MAIN, RECORDS, RefUpdate, Repository
from allotment_profiles.git.signatures import Signer, Verifier
from allotment_profiles.records.chain import SERVICE, Links, read
from allotment_profiles.records.record import Record

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
LARGEST = NOTEBOOK.replace(b"4 GiB", b"12 GiB")
HOLD = POLICY + b"direct_push: hold\n"


@pytest.fixture
def keys(tmp_path: Path, platform: Platform) -> Path:
    """The folder of the platform's keys, as the command knows it."""
    folder = tmp_path / "keys"
    folder.mkdir()
    for name, own in (("service", "key"), ("allowed_signers", "signers")):
        shutil.move(tmp_path / own, folder / name)
        (tmp_path / own).symlink_to(folder / name)
    return folder


def run(*arguments: str | Path) -> str:
    code, output = allotment("key", *arguments)
    assert code == 0, output
    return output


async def merged_with_it(platform: Platform, content: bytes = LARGER) -> StoredProposal:
    return await platform.merged(await platform.proposed({NOTEBOOK_PATH: content}))


def reviewed(platform: Platform, path: str = NOTEBOOK_PATH) -> bool:
    landing = platform.watcher.provenance.last(path)
    assert landing is not None
    return landing.reviewed


def memory(platform: Platform) -> int:
    """Return the GiB of the profile that applies."""
    return int(platform.watcher.catalog.profiles["housing/notebook"].value.resources.memory.limit) // 2**30


async def test_a_replaced_key_stops_nothing_and_what_it_signed_counts(
    platform: Platform, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def counting(repository: Repository, found: Links) -> Iterator[list[tuple[str, Record | None]]]:
        counts.append(len(found.ids))
        return read(repository, found)

    monkeypatch.setattr(record_log, "read", counting)
    await merged_with_it(platform)
    open_one = await platform.proposed({NOTEBOOK_PATH: LARGEST})
    await platform.approved(open_one)
    before = platform.signer.public
    run("rotate", keys)
    await platform.watcher.refresh()
    assert platform.signer.public != before
    assert reviewed(platform)
    assert await platform.approvers(open_one) == ["lena"]
    await platform.reviews.merge(platform.people.actor("leo"), open_one.id, open_one.head)
    assert reviewed(platform)
    assert max(counts) <= 2, "the log is not read anew"
    listed = run("list", keys, "--repository", platform.repository.path).splitlines()
    assert [line.split("  ")[2] for line in listed] == ["signs now", "counts, signs no more"]
    assert [line.split("  ")[3][:9] for line in listed] == ["1 commits", "2 commits"]


async def test_after_a_theft_what_there_was_counts_and_nothing_that_the_thief_signs(
    platform: Platform, keys: Path
) -> None:
    await merged_with_it(platform)
    open_one = await platform.proposed({NOTEBOOK_PATH: LARGEST})
    shutil.copy(keys / "service", keys.parent / "stolen")
    run("rotate", keys, "--stolen", "--repository", platform.repository.path)
    await platform.watcher.refresh()
    assert reviewed(platform)
    thief = Signer(keys.parent / "stolen")
    # An approval that nobody gave, in an open proposal.
    forged = PlainGitForge(platform.repository, thief)
    digest = (await platform.proposals.case(open_one, platform.people.actor("lena").user)).judgement.digest
    forged.record(open_one, "approved", by="lena", digest=digest)
    stored = await platform.proposals.stored(open_one.id)
    assert await platform.approvers(stored) == []
    leo = platform.people.actor("leo")
    assert await code_of(platform.reviews.merge(leo, stored.id, stored.head)) == "approvals-missing"
    # Nothing is decided on top of that. The service goes on once the log is put back.
    with pytest.raises(RecordsBrokenError):
        await platform.approved(stored)
    there = platform.repository.resolve(RECORDS)
    assert there
    platform.repository.update_references([RefUpdate(RECORDS, stored.tip, there)])
    await platform.approved(stored)
    assert await platform.approvers(await platform.proposals.stored(stored.id)) == ["lena"]
    # A proposal in another's name.
    main = forged.main()
    with pytest.raises(Exception, match="is gone"):
        forged.open("forged", main, {NOTEBOOK_PATH: LARGEST}, by="ana", title="Forged", reason="None")
    assert await code_of(platform.proposals.stored("forged-1")) == "proposal-unknown"
    # A merge, with the date of yesterday.
    forge_merge(platform, thief, LARGEST)
    await platform.watcher.refresh()
    assert memory(platform) == 12
    assert not reviewed(platform)


def forge_merge(platform: Platform, signer: Signer, content: bytes) -> str:
    repository, main = platform.repository, platform.forge.main()
    commit = repository.write_commit(
        repository.write_tree(main, {NOTEBOOK_PATH: content}), [main], "Merge x\n\nApproved-by: lena\n",
        author=Person("ana", ""), committer=SERVICE, time=dt.datetime.now(dt.UTC) - dt.timedelta(days=1), signer=signer,
    )  # fmt: skip
    repository.update_references([RefUpdate(MAIN, commit, main)])
    return commit


async def test_a_copy_from_before_the_theft_says_what_counts(platform: Platform, keys: Path) -> None:
    platform.push({"policy.yaml": HOLD}, "Merge the policy", signed=True)
    await merged_with_it(platform)
    copy = keys.parent / "copy.git"
    git(keys.parent, "clone", "--quiet", "--mirror", str(platform.repository.path), str(copy))
    # From here on the thief has the key; what is merged until it is noticed is signed with it as well.
    commit = forge_merge(platform, platform.signer, LARGEST)
    await platform.watcher.refresh()
    assert memory(platform) == 12
    run("rotate", keys, "--stolen", "--repository", copy)
    await platform.watcher.refresh()
    assert memory(platform) == 8
    assert [each.commit for each in platform.watcher.catalog.quarantined] == [commit]
    (held,) = await platform.quarantine.seen_by(platform.people.actor("adam").user)
    assert not held.known_makers


async def test_a_lost_key_is_replaced_and_its_history_counts_by_the_public_key(platform: Platform, keys: Path) -> None:
    await merged_with_it(platform)
    (keys / "service").unlink()
    run("rotate", keys)
    await platform.watcher.refresh()
    assert reviewed(platform)
    await merged_with_it(platform, LARGEST)
    assert reviewed(platform)


async def test_if_the_public_key_is_lost_too_its_history_is_unknown_until_it_is_recovered(
    platform: Platform, keys: Path
) -> None:
    platform.push({"policy.yaml": HOLD}, "Merge the policy", signed=True)
    await merged_with_it(platform)
    note = run("list", keys).split()[0]
    (keys / "service").unlink()
    (keys / "allowed_signers").write_text("")
    run("rotate", keys)
    await platform.watcher.refresh()
    assert not reviewed(platform)
    assert memory(platform) == 4, "a push that nobody reviewed is quarantined"
    unknown = [line.split() for line in run("list", keys, "--repository", platform.repository.path).splitlines()]
    assert [line[:2] for line in unknown[1:]] == [[note, "unknown"]]
    run("recover", note, keys, "--repository", platform.repository.path)
    await platform.watcher.refresh()
    assert reviewed(platform)
    assert memory(platform) == 8
    assert platform.repository.references(RECORDS)
    assert [stored.open for stored in list(platform.forge.newest())] == [False]


async def test_nothing_is_recorded_while_the_key_does_not_count(
    platform: Platform, keys: Path, service: WebService
) -> None:
    before = platform.repository.references("refs/")
    public = (keys / "allowed_signers").read_text()
    (keys / "allowed_signers").write_text("# none")
    await platform.watcher.refresh()
    body = {"files": [{"path": NOTEBOOK_PATH, "content": LARGEST.decode()}], "reason": "It is needed"}
    answer = await service.program("ben").post("api/v1/proposals", json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "signing-key")
    assert answer.json()["decides"], "who makes another key"
    assert "again in a moment" not in answer.json()["remedy"]
    assert platform.repository.references("refs/") == before
    (keys / "allowed_signers").write_text(public)
    await platform.watcher.refresh()
    assert (await service.program("ben").post("api/v1/proposals", json=body)).status_code == 201


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rotate", "--stolen"], "--repository"),
        (["recover", "SHA256:x"], "--repository"),
        (["recover", "SHA256:x", "--repository", "profiles.git"], "No unknown key"),
        (["list", "--repository", "empty.git"], "no branch main"),
        (["list", "--repository", "keys"], "no branch main"),
        (["rotate", "--stolen", "--repository", "keys"], "no branch main"),
    ],
)
async def test_what_the_command_cannot_do_it_says(
    platform: Platform, keys: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(keys.parent)
    git(keys.parent, "init", "--quiet", "--bare", "empty.git")
    position = 2 if words[0] == "recover" else 1
    code, output = allotment("key", *words[:position], keys, *words[position:])
    assert code != 0
    assert said in output
    assert Signer(keys / "service").public == platform.signer.public


def test_a_folder_without_keys_is_a_usage_error(tmp_path: Path) -> None:
    assert allotment("key", "rotate", tmp_path)[0] == 2


async def test_the_secret_of_the_chart_is_rotated_in_the_same_way(platform: Platform, keys: Path) -> None:
    secret = keys.parent / "secret"
    secret.mkdir()
    shutil.copy(keys / "service", secret / "tls.key")
    shutil.copy(keys / "allowed_signers", secret / "tls.crt")
    # As the chart has made it: a certificate. Lines of others stay, of whatever kind they are.
    key = Signer(secret / "tls.key")
    certificate = certified(secret / "tls.key")
    foreign = "# ours\nsomebody@x ssh-rsa AAAA\n"
    (secret / "tls.crt").write_text(certificate + foreign)
    run("rotate", secret)
    verifier = Verifier((secret / "tls.crt").read_text())
    assert (verifier.knows(key.public), verifier.knows(Signer(secret / "tls.key").public)) == (True, True)
    assert (secret / "tls.crt").read_text().endswith(certificate + foreign)
    run("rotate", secret, "--stolen", "--repository", platform.repository.path)
    text = (secret / "tls.crt").read_text()
    verifier = Verifier(text)
    assert (verifier.knows(key.public), verifier.knows(Signer(secret / "tls.key").public)) == (False, True)
    assert ("CERTIFICATE" in text, text.count("#former"), text.endswith(foreign)) == (False, 2, True)


def certified(private: Path) -> str:
    key = load_ssh_private_key(private.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "allotment")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    return builder.sign(key, None).public_bytes(Encoding.PEM).decode()
