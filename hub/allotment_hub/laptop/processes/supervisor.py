"""Start programs, restart those that exit, and stop all of them in order."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from time import monotonic

from allotment_hub.laptop.folder import LaptopError
from allotment_hub.laptop.processes.program import Program
from allotment_profiles.backoff import retry_delay

# After this many seconds a program counts as stable, and its next exit as the first of a row.
_STABLE_SECONDS = 30.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
# After this many exits in a row the end of the log is printed; during the start, the start fails.
_EXITS_IN_A_ROW = 3


class Supervisor:
    """Starts programs in the order given, restarts them when they exit, and stops them in the opposite order."""

    def __init__(self, programs: Sequence[Program], report: Callable[[str], None]) -> None:
        self._programs = programs
        self._report = report
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stop_requested = asyncio.Event()
        self._kill_requested = asyncio.Event()
        self._failure: LaptopError | None = None
        self._started = False

    def request_stop(self) -> None:
        """Stop in order; a second request kills what still runs."""
        if self._stop_requested.is_set():
            self._kill_requested.set()
        self._stop_requested.set()

    @property
    def stop_requested(self) -> bool:
        """Whether a stop was requested."""
        return self._stop_requested.is_set()

    async def start(self, patience: float = 90.0) -> None:
        """Start every program and return when all of them answer, or when a stop is requested.

        Raise `LaptopError` when a program keeps exiting or does not answer in time.
        """
        deadline = monotonic() + patience
        for program in self._programs:
            # The hub needs the proxy when it starts: wait until the proxy, the first program, answers.
            self._keepers.append(asyncio.create_task(self._keep_running(program), name=program.name))
            if program is self._programs[0]:
                await self._wait_until_ready(program, deadline)
        for program in self._programs[1:]:
            await self._wait_until_ready(program, deadline)
        self._started = True

    async def wait(self) -> None:
        """Return when a stop is requested."""
        await self._stop_requested.wait()

    async def stop(self) -> None:
        """Stop every program, the last one first."""
        self._stop_requested.set()
        for program in reversed(self._programs):
            process = self._running.get(program.name)
            if process is not None:
                await self._stop_program(program, process)
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _wait_until_ready(self, program: Program, deadline: float) -> None:
        while not self._stop_requested.is_set():
            if self._failure is not None:
                raise self._failure
            if await program.ready():
                self._report(f"The {program.name} answers.")
                return
            if monotonic() > deadline:
                raise LaptopError(
                    f"The {program.name} does not answer. Its log, {program.log}, ends:\n{program.log_tail()}"
                )
            await asyncio.sleep(0.05)

    async def _keep_running(self, program: Program) -> None:
        exits = 0
        while not self._stop_requested.is_set():
            began = monotonic()
            process = await program.start()
            self._running[program.name] = process
            if self._stop_requested.is_set():
                process.kill()  # started after stop() had listed the running programs; it has done nothing yet
            code = await process.wait()
            del self._running[program.name]
            program.pid_file.unlink(missing_ok=True)
            if self._stop_requested.is_set():
                return
            exits = 1 if monotonic() - began > _STABLE_SECONDS else exits + 1
            what = f"The {program.name} exited unexpectedly ({_cause(code)})"
            if exits % _EXITS_IN_A_ROW == 0:
                message = f"{what}, {exits} times in a row. Its log, {program.log}, ends:\n{program.log_tail()}"
                if not self._started:
                    self._failure = LaptopError(message)
                    return
                self._report(message)
            else:
                self._report(f"{what}: starting it again.")
            pause = retry_delay(exits, first=_SHORTEST_PAUSE, longest=_LONGEST_PAUSE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop_requested.wait(), pause)

    async def _stop_program(self, program: Program, process: asyncio.subprocess.Process) -> None:
        kill_requested = asyncio.create_task(self._kill_requested.wait())
        exited = asyncio.create_task(process.wait())
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait({kill_requested, exited}, timeout=program.patience, return_when=asyncio.FIRST_COMPLETED)
        kill_requested.cancel()
        if not exited.done():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await exited


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
