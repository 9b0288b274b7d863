"""Nobody's judgements stand in the way of anybody else's."""

import asyncio

import pytest

from allotment_hub.errors import ServiceError
from allotment_hub.services.judging.turns import MAXIMUM_PAGES_WAITING, MAXIMUM_WAITING, Purpose, Turns


class Work:
    """Work that ends when it is let."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.running: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.let = {name: asyncio.Event() for name in ("a1", "a2", "a3", "b1")}

    async def ask(self, name: str, purpose: Purpose = "page") -> None:
        """Begin to wait for the turn of the user whom the name begins with."""
        self.tasks[name] = asyncio.create_task(self._do(name, purpose))
        await self.settled()

    async def _do(self, name: str, purpose: Purpose) -> None:
        async with self.turns.of(name[0], purpose):
            self.running.append(name)
            await self.let[name].wait()
            self.running.remove(name)

    async def settled(self) -> None:
        """Let everything run that can."""
        for _ in range(20):
            await asyncio.sleep(0)


async def test_one_piece_of_work_of_a_user_runs_and_another_user_comes_before_the_next() -> None:
    for judges, then in ((1, ["a1"]), (2, ["a1", "b1"])):
        work = Work(Turns(judges))
        for name in ("a1", "a2", "a3", "b1"):
            await work.ask(name)
        assert work.running == then
        work.let["a1"].set()
        await work.settled()
        assert work.running == (["b1"] if judges == 1 else ["b1", "a2"])
        for name in work.let:
            work.let[name].set()
        await asyncio.gather(*work.tasks.values())


@pytest.mark.parametrize(("purpose", "maximum"), [("check", MAXIMUM_WAITING), ("page", MAXIMUM_PAGES_WAITING)])
async def test_too_many_are_refused_and_the_places_of_those_that_have_ended_are_free(
    purpose: Purpose, maximum: int
) -> None:
    turns = Turns(4)

    async def wait(user: str) -> None:
        async with turns.of(user, purpose):
            await asyncio.Event().wait()

    waiting = [asyncio.create_task(wait("a")) for _ in range(maximum + 1)]
    await asyncio.sleep(0)
    with pytest.raises(ServiceError) as caught:
        async with turns.of("a", purpose):
            pass
    assert (caught.value.refusal.status, caught.value.refusal.code) == (429, "checks-many")
    async with turns.of("b", purpose):
        pass
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    async with turns.of("a", purpose):
        pass


async def test_waiting_pages_refuse_no_check() -> None:
    turns = Turns(1)
    async with turns.of("a", "page"):
        check = turns.of("a", "check")
        asked = asyncio.create_task(check.__aenter__())
        await asyncio.sleep(0)
    await asked
    await check.__aexit__(None, None, None)
