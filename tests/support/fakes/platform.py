"""A service without its web server: real git, real rules, and a hub that is asked over HTTP but answers from memory."""

import atexit
import copy
import datetime as dt
import functools
import json
import shutil
import tempfile
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from allotment_hub.errors import ServiceError
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.forges.pull_requests.forge import Forge
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.browse.data_roles import DataRoles
from allotment_hub.services.browse.history import History
from allotment_hub.services.browse.profiles import Profiles
from allotment_hub.services.browse.teams import Teams
from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.hub_api import Directory
from allotment_hub.services.identities import Identities
from allotment_hub.services.judging.checking import WORK_SECONDS, ChangeChecker
from allotment_hub.services.judging.judges import Judges
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.proposing import Submissions
from allotment_hub.services.proposals.reviewing import Reviews
from allotment_hub.services.proposals.rights import Actor
from allotment_hub.services.pull_requests.following import Following, Windows
from allotment_hub.services.pull_requests.showing import ForgePlace
from allotment_hub.services.quarantine import Quarantine
from allotment_hub.services.sign_ins import SignIns
from allotment_hub.services.stops import Stops
from allotment_hub.services.trials.following import TrialFollower
from allotment_hub.services.trials.hub_trials import HubTrials
from allotment_hub.services.trials.trying import Trials
from allotment_profiles.access import deployments
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.people import User
from allotment_profiles.events import Events
from allotment_profiles.git.commits import Person
from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.remotes import Remote
from allotment_profiles.git.repository import MAIN, NO_OBJECT, RefUpdate, Repository
from allotment_profiles.git.signatures import Keyring, Signer, generate_key
from allotment_profiles.records.chain import SERVICE
from allotment_profiles.store.history import fold_history
from allotment_profiles.store.provenance import HistoryEntry
from allotment_profiles.store.watcher import CatalogWatcher

POLICY = b"""\
format: 1
ceilings: {cpu: 16, memory: 64 GiB}
registries: [quay.io/*]
prices: {cpu_hour: 0.02, memory_gib_hour: 0.01}
"""
HOUSING = b"""\
title: Housing
members: {groups: [/housing]}
leads: {groups: [/housing/leads]}
envelope: {cpu: 4, memory: 16 GiB, images: [quay.io/jupyter/*]}
"""
TRANSPORT = HOUSING.replace(b"Housing", b"Transport").replace(b"/housing", b"/transport")
DATA = HOUSING.replace(b"Housing", b"Open data").replace(b"/housing", b"/data")
NOTEBOOK = b"""\
title: Notebook
purpose: Counting houses
app: jupyterlab
image: quay.io/jupyter/scipy-notebook:1
resources:
  cpu: {limit: 2}
  memory: {limit: 4 GiB}
"""
PRICES = b"""\
title: House prices
owner: open-data
purpose: Reading house prices
sensitivity: public
granted_to:
  housing: {until: 2999-12-31}
binding:
  volume: {claim: open-data, sub_path: housing}
"""
NOTEBOOK_PATH = "teams/housing/profiles/notebook.yaml"
PRICES_PATH = "data-roles/prices.yaml"
FILES = {
    "policy.yaml": POLICY,
    "teams/housing/team.yaml": HOUSING,
    "teams/transport/team.yaml": TRANSPORT,
    "teams/open-data/team.yaml": DATA,
    NOTEBOOK_PATH: NOTEBOOK,
    PRICES_PATH: PRICES,
}
JUDGES = Judges()
"""Processes for the checks of all platforms, as starting one takes a second."""
atexit.register(JUDGES.close)


@functools.cache
def _first_state() -> Path:
    """Return a folder that each platform copies: git makes it only once in a process."""
    folder = Path(tempfile.mkdtemp(prefix="allotment-platform-"))
    atexit.register(shutil.rmtree, folder)
    (folder / "signers").write_text(generate_key(folder / "key", "allotment"))
    repository = Repository.create(folder / "profiles.git")
    _push(repository, FILES, "Set up the profiles", "somebody", Signer(folder / "key"))
    return folder


def _push(
    repository: Repository, files: Mapping[str, bytes | None], message: str, by: str, signer: Signer | None
) -> str:
    head = repository.resolve(MAIN)
    commit = repository.write_commit(
        repository.write_tree(head, files),
        [head] if head else [],
        message,
        author=Person(by, f"{by}@example.org"),
        committer=SERVICE if signer else Person(by, ""),
        time=dt.datetime.now(dt.UTC),
        signer=signer,
    )
    repository.update_references([RefUpdate(MAIN, commit, head or NO_OBJECT)])
    return commit


class People:
    """The hub's users: what its API says of them, to be changed at will."""

    def __init__(self) -> None:
        self.groups: dict[str, list[str]] = {
            "ana": ["/housing"],
            "ben": ["/housing"],
            "lena": ["/housing", "/housing/leads"],
            "leo": ["/housing/leads"],
            "dora": ["/data", "/data/leads"],
            "adam": [],
            "anne": [],
        }
        self.admins = {"adam", "anne"}
        self.away = False
        self.sign_ins: dict[tuple[str, str], float] = {}
        """User and id of a sign-in → how many seconds ago it was."""
        self.records_sign_ins = True
        self.sessions: list[dict[str, Any]] = []
        """What the hub answers about sessions, whatever is asked for."""
        self.place: list[str] | None = None
        """The kind and host of the provider with which people sign in."""
        self.identities: dict[str, dict[str, Any]] = {}
        """User → what the hub answers about the identity provider, if not that it confirmed the user now."""
        self.asked: list[str] = []
        """Whom the identity provider was asked about."""
        self.user_tokens: dict[str, str] = {}
        """User → their own token of the forge, which the hub gives to the service."""
        self.stops: list[dict[str, Any]] = []
        """The orders to stop sessions."""
        self.trials: dict[str, dict[str, Any]] = {}
        """User → their trial, as the hub names it."""
        self.asked_trials: list[dict[str, Any]] = []
        """What the hub was asked to start."""
        self.refused_trial: dict[str, Any] | None = None
        """The refusal that the hub answers where a trial is to start."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer as the hub does."""
        if self.away:
            raise httpx.ConnectError("nobody there", request=request)
        if request.url.path.endswith("/allotment/sign-ins"):
            asked = json.loads(request.content)
            seconds = self.sign_ins.get((asked["user"], asked["session"]))
            return httpx.Response(200, json={"seconds": seconds, "recorded": self.records_sign_ins})
        if "/allotment/" in request.url.path:
            return self._ours(request)
        names = sorted(self.groups)
        if request.url.path.endswith("/users"):
            return httpx.Response(200, json=[self._model(name) for name in names])
        name = request.url.path.rpartition("/")[2]
        if name not in names:
            return httpx.Response(404, json={"status": 404, "message": "Not Found"})
        return httpx.Response(200, json=self._model(name))

    def _ours(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/allotment/identities"):
            return self._identity(json.loads(request.content))
        if request.url.path.endswith("/allotment/user-tokens"):
            return httpx.Response(200, json={"token": self.user_tokens.get(json.loads(request.content)["user"], "")})
        if request.url.path.endswith("/allotment/accounts"):
            return self._users_of(dict(request.url.params))
        if request.url.path.endswith("/allotment/trials"):
            return self._trials(request)
        return self._stops(request)

    def _trials(self, request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            given = request.url.params
            ended = self.trials.get(given["user"])
            if ended and ended["state"] != "ended":
                ended.update(state="ended", why=given["why"], url="")
            return httpx.Response(204)
        if request.method == "POST":
            if self.refused_trial:
                return httpx.Response(409, json={"refusal": self.refused_trial})
            asked = json.loads(request.content)
            self.asked_trials.append(asked)
            self.trials[asked["user"]] = {
                "user": asked["user"], "profile": asked["profile"], "state": "running", "why": "", "code": "",
                "trial": {"proposal": asked["proposal"], "head": asked["head"]}, "seconds": 41.0,
                "began": dt.datetime.now(dt.UTC).isoformat(), "url": f"/user/{asked['user']}/trial/",
            }  # fmt: skip
            return httpx.Response(202, json={})
        return httpx.Response(200, json={"trials": list(self.trials.values())})

    def _identity(self, asked: dict[str, Any]) -> httpx.Response:
        name = asked["user"]
        if name not in self.groups:
            return httpx.Response(404, json={"status": 404, "message": "There is no such user."})
        if asked.get("ask", True):
            self.asked.append(name)
        said = {"answer": "confirmed", "seconds": 0.0, "maximum": 3600, "reason": "", "unusable": [], "account": None}
        return httpx.Response(200, json={**self._model(name), **said, **self.identities.get(name, {})})

    def _users_of(self, account: Mapping[str, str]) -> httpx.Response:
        accounts = {name: said.get("account") or {} for name, said in self.identities.items()}
        users = [name for name, has in accounts.items() if all(has.get(key) == account[key] for key in account)]
        return httpx.Response(200, json={"users": users, "place": self.place})

    def _stops(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.stops.append(json.loads(request.content))
        sessions = [{"result": "stopped", **session} for session in self.sessions]
        return httpx.Response(200, json={"order": "c0ffee", "sessions": sessions, "undecided": 0})

    def _model(self, name: str) -> dict[str, object]:
        return {"name": name, "groups": self.groups[name], "admin": name in self.admins}

    def actor(self, name: str, *, session: bool = False, sign_in: str = "") -> Actor:
        """Return somebody at the page, or their session's token."""
        user = User(name, frozenset(self.groups[name]), name in self.admins)
        return Actor(user, not session, sign_in)


class Platform:
    """Everything that proposing and reviewing need, over a fresh repository."""

    now: dt.datetime | None = None
    """The time that the services see; None for the real time."""
    remote: Remote | None = None
    """The git server with the repository; None where this is the only one."""
    service = SERVICE
    """Who the service commits as."""
    work_seconds: float = WORK_SECONDS
    """Processor time for the check of a merge."""
    list_seconds: float = 60
    """How long lists wait for checks: as long as it takes, so that they show the same on a busy machine."""
    adopting_seconds: float = 60
    """How long a look waits for what it adopts: as long as it takes, for the same reason."""
    capabilities: Capabilities = deployments.cluster()
    """What the deployment can do for a trial."""
    judges: Judges = JUDGES
    """The processes that make the checks."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(_first_state(), folder, dirs_exist_ok=True)
        self._open(folder)

    @classmethod
    def opened(cls, folder: Path) -> "Platform":
        """Return the services over the repository that another one has left in a folder."""
        platform = cls.__new__(cls)
        platform._open(folder)
        return platform

    def _open(self, folder: Path) -> None:
        self.keyring = Keyring(folder / "signers")
        self.verifier, self.signer = self.keyring.verifier, self.keyring.signer(folder / "key")
        self.repository = Repository(folder / "profiles.git", self.verifier)
        self.people = People()
        self.build(folder)

    def build(self, folder: Path) -> None:
        """Build the services anew, as after a restart."""
        self.mirror = Mirror(self.repository, self.remote) if self.remote else None
        self.watcher = CatalogWatcher(self.repository, keyring=self.keyring, mirror=self.mirror, fetch_seconds=3600)
        self.checking = ChangeChecker(
            self.watcher.tracker, self.clock, self.judges, self.work_seconds, self.list_seconds
        )
        self.forge = PlainGitForge(self.repository, self.signer, self.mirror, folder / "records.sqlite")
        client = httpx.AsyncClient(base_url="http://hub/hub/api/", transport=httpx.MockTransport(self.people.answer))
        self.directory = Directory(client)
        self.sign_ins = SignIns(client)
        self.events = Events(f"sqlite:///{folder}/events.sqlite")
        self.proposals = Proposals(self.forge, self.checking, self.directory, self.watcher, EventReader(self.events))
        self.submissions = Submissions(self.proposals, self.checking)
        self.identities = Identities(client)
        self.reviews = Reviews(self.proposals, self.watcher, self.sign_ins, self.identities)
        self.quarantine = Quarantine(
            self.forge, self.checking, self.watcher, self.directory, self.sign_ins, self.identities
        )
        self.stops = Stops(self.watcher, client)
        self.hub_trials = HubTrials(client)
        self.trials = Trials(
            self.proposals, self.submissions, self.directory, self.hub_trials, lambda: self.capabilities
        )
        self.follower = TrialFollower(self.proposals, self.submissions, self.trials)
        self.history = History(self.repository, self.watcher, self.forge)
        self.profiles = Profiles(self.watcher, self.directory, self.forge, deployments.laptop)
        self.teams = Teams(self.watcher, self.forge)
        self.data_roles = DataRoles(self.watcher, self.directory, self.forge)

    def clock(self) -> dt.datetime:
        """Return the time that the services see."""
        return self.now or dt.datetime.now(dt.UTC)

    def beside(self, folder: Path) -> "Platform":
        """Return another service over the same repository, as while one takes the place of the other."""
        other = copy.copy(self)
        other.build(folder)
        return other

    async def proposed(
        self, files: Mapping[str, bytes | None], by: str = "ana", update: str | None = None
    ) -> StoredProposal:
        """Propose files, and return the proposal."""
        done = await self.submissions.propose(self.people.actor(by), files, "It is needed", update=update)
        return done.proposal

    async def approved(self, stored: StoredProposal, by: str = "lena") -> None:
        """Let somebody approve a proposal."""
        await self.reviews.approve(self.people.actor(by), stored.id, stored.head)

    async def approvers(self, stored: StoredProposal) -> list[str]:
        """Return who has approved what a proposal does now."""
        case = await self.proposals.case(await self.proposals.stored(stored.id), self.people.actor("lena").user)
        return [record.by for record in case.approvals]

    async def merged(self, stored: StoredProposal) -> StoredProposal:
        """Let one lead approve a proposal and the other merge it."""
        await self.reviews.approve(self.people.actor("lena"), stored.id, stored.head)
        return await self.reviews.merge(self.people.actor("leo"), stored.id, stored.head)

    def followed(self, forge: Forge, place: ForgePlace, state: Path | None = None) -> Following:
        """Return what follows the pull requests of a forge, with a file that keeps what was shown."""
        self.forge.merged_branches_stay = True
        decide = self.proposals, self.submissions, self.reviews, self.identities
        windows = Windows.built(forge, *decide, place, state)
        return Following(forge, self.proposals, windows, self.adopting_seconds)

    async def close(self) -> None:
        """Give up connections."""
        await self.directory.close()
        self.forge.close()
        self.events.close()

    def push(
        self, files: dict[str, bytes | None], message: str = "Pushed", *, signed: bool = False, by: str = "somebody"
    ) -> str:
        """Commit files to main past the page."""
        return _push(self.repository, files, message, by, self.signer if signed else None)

    def main_file(self, path: str) -> bytes | None:
        """Give a file as it is on main."""
        head = self.repository.resolve(MAIN)
        return self.repository.file(head, path) if head else None

    def landing(self, path: str) -> HistoryEntry:
        """Return what the history of main says of the last change of a file."""
        found = fold_history(self.repository, self.forge.main()).provenance.last(path)
        assert found
        return found


async def refusal_of(action: Awaitable[object]) -> ServiceError:
    """Return what an action is refused with."""
    with pytest.raises(ServiceError) as caught:
        await action
    return caught.value


async def code_of(action: Awaitable[object]) -> str:
    """Return the code of what an action is refused with; the refusal says what is refused and why."""
    refusal = (await refusal_of(action)).refusal
    assert refusal.what
    assert refusal.why or refusal.status == 404
    return refusal.code
