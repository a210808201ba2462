"""One run of an export: its processes, started again when fetch, write or the fork server was killed."""
from __future__ import annotations

from engine.budget import Budget
from engine.error import ExitCode
from engine.lock import Lock
from engine.supervisor import PATIENCE
from scripts.attempt import Attempt, Setup, Watcher
from scripts.outcome import Outcome
from stages.collect.config import CollectConfig
from stages.event import Notice, Restarted, Stopped
from stages.fetch.config import FetchConfig
from stages.transcode.config import TranscodeConfig
from stages.write.config import WriteConfig

#: Starts again within so many seconds; what is killed more often is not killed by chance.
RESTARTS, RESTART_WINDOW = 3, 600.0


class Run:
    """Attempts, until one of them comes to an end of its own."""

    def __init__(
        self,
        fetch: FetchConfig,
        write: WriteConfig,
        collect: CollectConfig,
        session_locks: list[Lock],
        archive_lock: Lock,
        workers: int,
        watcher: Watcher,
        patience: float = PATIENCE,
        films: TranscodeConfig | None = None,
    ) -> None:
        """The locks are held. patience: seconds without a sign of life after which a process hangs.
        films: None makes none."""
        self._setup = Setup(fetch, write, collect, session_locks, archive_lock, workers, patience, films)
        self._watcher = watcher
        self._budget = Budget(RESTARTS, RESTART_WINDOW, RESTARTS)

    def execute(self) -> Outcome:
        """Run to the end, whichever it is."""
        outcome = Outcome()
        while True:
            cause = Attempt(self._setup, outcome, self._watcher).run()
            if cause is None or outcome.stopped or outcome.interrupted:
                break
            if self._budget.spend() is None:
                advice = "What was exported is kept; run the same command again to go on. Is there enough memory?"
                outcome.stopped = Stopped(f"{cause}, once too often to go on", advice, ExitCode.INTERNAL)
                break
            outcome.begin_again()
            self._watcher.told(Restarted(cause))
            self._watcher.told(Notice(f"{cause}; going on from what is committed"))
        outcome.check()
        return outcome
