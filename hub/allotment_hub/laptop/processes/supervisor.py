"""Keeping processes running until told to stop, and then ending them in order."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from time import monotonic

from allotment_hub.laptop.errors import LaptopError
from allotment_hub.laptop.processes.program import Program
from allotment_profiles.backoff import retry_delay

# A process that lived this long was well: its next end counts as the first.
_WELL_AFTER = 30.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
# So many ends in a row, and it is said with the last lines of the log; during the start it is the end of the attempt.
_ENDS_IN_A_ROW = 3


class Supervisor:
    """Starts programs in the order given, starts them again when they end, and ends them in the opposite order."""

    def __init__(self, programs: Sequence[Program], say: Callable[[str], None]) -> None:
        self._programs = programs
        self._say = say
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stop_asked = asyncio.Event()
        self._at_once = asyncio.Event()
        self._failure: LaptopError | None = None
        self._started = False

    def ask_to_stop(self) -> None:
        """Stop in order; asked a second time, at once."""
        if self._stop_asked.is_set():
            self._at_once.set()
        self._stop_asked.set()

    @property
    def stop_asked(self) -> bool:
        """Whether somebody wants it to end."""
        return self._stop_asked.is_set()

    async def start(self, patience: float = 90.0) -> None:
        """Start everything and come back when everything answers, or when a stop is asked for.

        Raises `LaptopError` when a program keeps ending or does not answer in time.
        """
        deadline = monotonic() + patience
        for program in self._programs:
            # The proxy first, alone: it takes a moment, and the hub asks for it at once.
            self._keepers.append(asyncio.create_task(self._keep(program), name=program.name))
            if program is self._programs[0]:
                await self._answers(program, deadline)
        for program in self._programs[1:]:
            await self._answers(program, deadline)
        self._started = True

    async def wait(self) -> None:
        """Come back when a stop is asked for."""
        await self._stop_asked.wait()

    async def stop(self) -> None:
        """End everything, the program that was started last first."""
        self._stop_asked.set()
        for program in reversed(self._programs):
            process = self._running.get(program.name)
            if process is not None:
                await self._end(program, process)
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _answers(self, program: Program, deadline: float) -> None:
        while not self._stop_asked.is_set():
            if self._failure is not None:
                raise self._failure
            if await program.ready():
                self._say(f"The {program.name} answers.")
                return
            if monotonic() > deadline:
                raise LaptopError(
                    f"The {program.name} does not answer. Its log, {program.log}, ends:\n{program.last_words()}"
                )
            await asyncio.sleep(0.05)

    async def _keep(self, program: Program) -> None:
        ends = 0
        while not self._stop_asked.is_set():
            began = monotonic()
            process = await program.start()
            self._running[program.name] = process
            if self._stop_asked.is_set():
                process.kill()  # it was born too late for the orderly end, and has done nothing yet
            code = await process.wait()
            del self._running[program.name]
            program.pid_file.unlink(missing_ok=True)
            if self._stop_asked.is_set():
                return
            ends = 1 if monotonic() - began > _WELL_AFTER else ends + 1
            what = f"The {program.name} ended unexpectedly ({_cause(code)})"
            if ends % _ENDS_IN_A_ROW == 0:
                words = f"{what}, {ends} times in a row. Its log, {program.log}, ends:\n{program.last_words()}"
                if not self._started:
                    self._failure = LaptopError(words)
                    return
                self._say(words)
            else:
                self._say(f"{what}: starting it again.")
            pause = retry_delay(ends, first=_SHORTEST_PAUSE, longest=_LONGEST_PAUSE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop_asked.wait(), pause)

    async def _end(self, program: Program, process: asyncio.subprocess.Process) -> None:
        at_once = asyncio.create_task(self._at_once.wait())
        ended = asyncio.create_task(process.wait())
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait({at_once, ended}, timeout=program.patience, return_when=asyncio.FIRST_COMPLETED)
        at_once.cancel()
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await ended


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
