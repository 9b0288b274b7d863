"""Kernels that were killed, where no control group counts what the system ends for lack of memory, as on a laptop."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager


class Kernels:
    """Counts the kernels that ended by SIGKILL while they were expected to run."""

    def __init__(self, manager: MappingKernelManager) -> None:
        self._manager = manager
        self._watched: set[str] = set()
        self._killed = 0

    def killed(self) -> int:
        """Return how many there were. Kernels are watched from the first call after their start on."""
        for number in set(self._manager.list_kernel_ids()) - self._watched:
            self._watch(number)
        return self._killed

    def _watch(self, number: str) -> None:
        # One that has ended meanwhile, or a kernel on another machine, of which its end is not known.
        with contextlib.suppress(AttributeError, KeyError, NotImplementedError):
            self._manager.add_restart_callback(number, lambda: self._died(number))
        self._watched.add(number)

    def _died(self, number: str) -> None:
        """Look how a kernel has ended, before Jupyter starts it again. What its user ends is not started again."""
        with contextlib.suppress(KeyError):
            process = getattr(self._manager.get_kernel(number).provisioner, "process", None)
            self._killed += getattr(process, "returncode", None) == -signal.SIGKILL
