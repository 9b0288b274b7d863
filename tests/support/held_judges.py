"""Judges that can be held up."""

import threading

from allotment_hub.services.judging.judges import Judges
from allotment_hub.services.judging.worker import Result, Task


class HeldJudges(Judges):
    """Judges that answer nothing until they may, as where very much is to be checked."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = threading.Event()
        self.mains: list[str] = []

    def run(self, task: Task) -> Result:
        """Run a task when it may be run."""
        self.mains.append(task.main)
        self.may_answer.wait()
        return super().run(task)
