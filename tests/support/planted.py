"""A repository with planted values: each stands in one place, and is for some readers alone.

The readers cover everybody that a rule tells apart. `Planted.seen_by` says who may see a value at all, whatever they
ask for; what nobody may see but administrators has no readers.
"""

from dataclasses import dataclass, field

from support.fakes.platform import (
    DATA,
    HOUSING,
    NOTEBOOK,
    NOTEBOOK_PATH,
    POLICY,
    PRICES,
    PRICES_PATH,
    TRANSPORT,
    Platform,
)

from allotment_hub.services.drafts.grants import Ask, with_grant

GROUPS = {
    "olaf": [],
    "ben": ["/housing"],
    "ana": ["/housing"],
    "lena": ["/housing", "/housing/leads"],
    "dan": [],
    "max": [],
    "dora": ["/data", "/data/leads"],
    "dina": ["/data"],
    "tom": ["/transport"],
    "tess": ["/transport", "/transport/leads"],
    "adam": [],
}
"""Nobody's colleague; members, a lead, a deputy and a maintainer of housing; a lead and a member of the team that owns
the data; somebody who proposed for files of others, and their lead; an administrator."""
MEMBERS = frozenset({"ana", "ben", "lena", "dan", "adam"})
DECIDE = frozenset({"lena", "dan", "adam"})
SKETCHERS = DECIDE | {"max"}
OWNERS = frozenset({"dora", "dina", "adam"})
PLANNERS = frozenset({"tom", "tess", "adam"})
ADMINISTRATOR = frozenset({"adam"})
LOST = b"planted-lost-title"
"""The title of a hidden profile that was removed: no page shows it any more."""
NUMBER = b"4711000117"
"""A value of a variable that is no text, which the message about it quotes."""
EVERYBODY = frozenset(GROUPS)

SKETCH_PATH, GONE_PATH = "teams/housing/profiles/sketch.yaml", "teams/housing/profiles/gone.yaml"
LOST_PATH, OPEN_PATH = "teams/housing/profiles/lost.yaml", "teams/housing/profiles/opening.yaml"
ODD_PATH, PLAN_PATH = "teams/housing/profiles/odd.yaml", "teams/transport/profiles/plan.yaml"
RAIL_PATH, DESK_PATH = "teams/transport/profiles/rail.yaml", "teams/housing/profiles/desk.yaml"
RENTS_PATH, SOLD_PATH, BAD_PATH = "data-roles/rents.yaml", "data-roles/sold.yaml", "data-roles/bad.yaml"
HELD_PATH, MOVED_PATH = "data-roles/held.yaml", "data-roles/moved.yaml"


@dataclass
class Planted:
    """The values, and what to ask for."""

    seen_by: dict[str, frozenset[str]] = field(default_factory=dict)
    listed_for: dict[str, frozenset[str]] = field(default_factory=dict)
    """With `listing: own`: who may see what everybody may see otherwise."""
    proposals: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    drafts: list[str] = field(default_factory=list)
    """Those of an assistant of the administrator."""

    def value(self, name: str, readers: frozenset[str]) -> bytes:
        """Return a value to plant."""
        text = f"planted-{name}"
        self.seen_by[text] = readers
        return text.encode()

    def public(self, name: str, own: frozenset[str]) -> bytes:
        """Return a value that everybody may see, and with `listing: own` a few."""
        text = self.value(name, EVERYBODY)
        self.listed_for[text.decode()] = own
        return text

    def readers(self, value: str, listing: str) -> frozenset[str]:
        """Return who may see a value."""
        return self.listed_for.get(value, self.seen_by[value]) if listing == "own" else self.seen_by[value]


async def planted(platform: Platform, listing: str) -> Planted:
    """Plant values in a repository, and have history, proposals and held changes made of them."""
    plant = Planted({LOST.decode(): frozenset()})
    platform.people.groups = {name: list(groups) for name, groups in GROUPS.items()}
    platform.people.admins = {"adam"}
    await _applying(platform, plant, listing)
    await _proposals(platform, plant)
    await _removed_and_pushed(platform, plant)
    await platform.watcher.refresh()
    return plant


async def _applying(platform: Platform, plant: Planted, listing: str) -> None:
    # Those who give data know to whom.
    team = HOUSING.replace(b"Housing", plant.public("team-title", MEMBERS | {"max"} | OWNERS | PLANNERS))
    draft = b"visibility: draft\nmaintainers: {users: [max, %s]}\n" % plant.value("maintainer", SKETCHERS)
    desk = NOTEBOOK.replace(b"Notebook", plant.public("desk-title", MEMBERS)).replace(b"{limit: 2}", b"{limit: 12}")
    desk += b"accepted: {cpu-envelope: {reason: %s}}\n" % plant.public("accepted-reason", MEMBERS)
    sketch = NOTEBOOK.replace(b"Notebook", plant.value("draft-title", SKETCHERS))
    sketch = sketch.replace(b"scipy-notebook:1", plant.value("draft-image", SKETCHERS) + b":1") + draft
    files = {
        "policy.yaml": POLICY + f"listing: {listing}\ndirect_push: hold\n".encode(),
        "teams/housing/team.yaml": team
        + b"deputies: {users: [dan]}\ndescription: %s\n" % plant.public("team-text", MEMBERS),
        "teams/transport/team.yaml": TRANSPORT,
        "teams/open-data/team.yaml": DATA,
        NOTEBOOK_PATH: NOTEBOOK
        + b"# %s\nmaintainers: {users: [max]}\nenvironment: {BUCKET: %s}\n"
        % (plant.value("comment", MEMBERS), plant.value("variable", MEMBERS)),
        DESK_PATH: desk,
        SKETCH_PATH: sketch + b"description: %s\ndata_roles: [rents]\n" % plant.value("draft-text", SKETCHERS),
        OPEN_PATH: NOTEBOOK.replace(b"Notebook", plant.value("opening-title", SKETCHERS)) + draft,
        LOST_PATH: NOTEBOOK.replace(b"Notebook", LOST) + draft,
        GONE_PATH: NOTEBOOK + b"environment: {BUCKET: %s}\n" % plant.value("gone-variable", MEMBERS),
        RAIL_PATH: NOTEBOOK + b"data_roles: [prices]\n",
        RENTS_PATH: _role(plant.value("binding", OWNERS)),
        SOLD_PATH: _role(plant.value("sold-binding", OWNERS)),
        MOVED_PATH: _role(plant.value("former-binding", ADMINISTRATOR)),
        PRICES_PATH: PRICES.replace(b"  housing:", b"  transport:"),
    }
    # Before everybody could see it, somebody broke it while it was hidden.
    reason = f"Set up a draft\n\nReason: {plant.value('draft-reason', DECIDE).decode()}\n"
    platform.push({DESK_PATH: NOTEBOOK + b"visibility: draft\n"}, "Set up a draft", signed=True)
    platform.push({DESK_PATH: b"title: [\n"}, reason, signed=True)
    platform.push(dict(files), "Set up the planted files", signed=True)
    # What the former owner bound is not for the new one, and what the new one binds is not for the former.
    moved = _role(plant.value("moved-binding", PLANNERS)).replace(b"owner: open-data", b"owner: transport")
    platform.push({MOVED_PATH: moved}, "Set up another owner", signed=True)
    await platform.watcher.refresh()


def _role(sub_path: bytes) -> bytes:
    return PRICES.replace(b"sub_path: housing", b"sub_path: " + sub_path)


async def _proposals(platform: Platform, plant: Planted) -> None:
    on_main = {path: platform.main_file(path) or b"" for path in (NOTEBOOK_PATH, OPEN_PATH, RAIL_PATH, GONE_PATH)}
    variable = on_main[NOTEBOOK_PATH].replace(b"planted-variable", plant.value("new-variable", MEMBERS))
    opened = (
        on_main[OPEN_PATH]
        .replace(b"visibility: draft\n", b"")
        .replace(b"planted-opening-title", plant.value("opened-title", SKETCHERS))
    )
    plan = NOTEBOOK.replace(b"Notebook", plant.value("plan-title", PLANNERS - {"tom"})) + b"visibility: draft\n"
    larger = on_main[RAIL_PATH].replace(b"4 GiB", b"5 GiB")
    catalog, ask = platform.watcher.catalog, Ask("2999-12-31", "It is needed")
    of_path = {}
    for by, files in (
        ("ana", {NOTEBOOK_PATH: variable}),
        ("lena", {OPEN_PATH: opened}),
        ("tess", {PLAN_PATH: plan, RAIL_PATH: larger}),
        ("tom", {RENTS_PATH: with_grant(catalog, "rents", "transport", ask)}),
        ("tom", {SOLD_PATH: with_grant(catalog, "sold", "transport", ask)}),
        ("max" if catalog.policy and catalog.policy.value.listing == "all" else "ana", {GONE_PATH: NOTEBOOK}),
    ):
        of_path[next(iter(files))] = (await platform.proposed(dict(files), by=by)).id
    plant.proposals += of_path.values()
    words = plant.value("plan-comment", PLANNERS - {"tom"}).decode()
    await platform.submissions.comment(platform.people.actor("tess"), of_path[PLAN_PATH], words)


async def _removed_and_pushed(platform: Platform, plant: Planted) -> None:
    platform.push(dict.fromkeys((GONE_PATH, LOST_PATH, SOLD_PATH)), "Set up without them", signed=True)
    # What does not read came before pushes were held.
    odd = NOTEBOOK + b"environment: {BUCKET: %s}\n" % NUMBER
    plant.seen_by[NUMBER.decode()] = DECIDE
    odd += b"%s: 1\n" % plant.value("odd-key", DECIDE)
    bad = PRICES.replace(
        b"volume: {claim: open-data, sub_path: housing}", b"secret: {name: hub-%s}" % plant.value("bad", ADMINISTRATOR)
    )
    platform.push({ODD_PATH: odd, BAD_PATH: bad}, "Set up what does not read", signed=True)
    notebook = (platform.main_file(NOTEBOOK_PATH) or b"").replace(
        b"planted-variable", plant.value("held-variable", MEMBERS)
    )
    role = _role(plant.value("held-binding", OWNERS))
    subject = plant.value("held-subject", MEMBERS).decode()
    plant.commits.append(platform.push({NOTEBOOK_PATH: notebook, HELD_PATH: role}, subject, by="mallory"))
    await platform.watcher.refresh()
    # The file is on main and does not apply: to those who propose for its path, it is a new one.
    binding = b'binding: {aws_role: "arn:aws:iam::000000000000:role/x"}\n'
    proposed = PRICES.partition(b"binding:")[0].replace(b"  housing:", b"  transport:") + binding
    plant.proposals.append((await platform.proposed({HELD_PATH: proposed}, by="tom")).id)
