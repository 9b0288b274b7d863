"""What the channel of a team hears, and what may name one."""

from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, POLICY, Platform
from support.notifications import LARGER, Told


async def test_a_channel_hears_what_everybody_may_see(platform: Platform, told: Told) -> None:
    platform.push({"teams/housing/team.yaml": HOUSING + b"channel: team-channel\n"}, signed=True)
    await platform.watcher.refresh()
    await told.look()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    heard = await told.look()
    assert "ana proposed" in heard["#"]
    assert "It waits for your approval" not in heard["#"]
    await platform.submissions.comment(platform.people.actor("ben"), stored.id, "A question")
    assert "#" not in await told.look()
    hidden = NOTEBOOK + b"visibility: draft\n"
    await platform.proposed({"teams/housing/profiles/secret.yaml": hidden}, by="lena")
    assert (await told.look()).keys() == {"leo"}  # not the administrators, who may stand in
    platform.push({"policy.yaml": POLICY + b"listing: own\n"}, signed=True)
    await platform.watcher.refresh()
    await told.look()
    await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)
    assert "#" not in await told.look()


async def test_a_team_names_a_channel_and_never_an_address(platform: Platform, told: Told) -> None:
    for channel in ("users", "unknown"):
        platform.push({"teams/housing/team.yaml": HOUSING + f"channel: {channel}\n".encode()}, signed=True)
        await platform.watcher.refresh()
        await told.look()
        await platform.proposed({f"teams/housing/profiles/{channel}.yaml": NOTEBOOK})
        assert (await told.look()).keys() == {"lena", "leo"}, channel
    for channel in ("json://127.0.0.1/x", "a b", "../x", "{name}"):
        platform.push({"teams/housing/team.yaml": HOUSING + f"channel: '{channel}'\n".encode()}, signed=True)
        await platform.watcher.refresh()
        assert "teams/housing/team.yaml" in {problem.path for problem in platform.watcher.catalog.problems}, channel


async def test_a_channel_that_is_not_set_up_is_an_advice(platform: Platform, told: Told) -> None:
    platform.proposals.channels = told.addresses.read_channels
    for channel, expected in (("team-channel", []), ("other", ["channel-unknown"]), ("users", ["channel-unknown"])):
        files = {"teams/housing/team.yaml": HOUSING + f"channel: {channel}\n".encode()}
        check = await platform.submissions.check(platform.people.actor("lena"), files)
        assert [problem.code for problem in check.problems if problem.field == "channel"] == expected
        assert [each.key for each in check.requirements] == ["lead:housing"]
    stored = await platform.proposed({"teams/housing/team.yaml": HOUSING + b"channel: other\n"}, by="lena")
    view = await platform.proposals.view(stored, platform.people.actor("leo"))
    assert "channel-unknown" in [problem.code for problem in view.check.problems]
    assert not view.check.errors
