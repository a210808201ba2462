"""One run of an export: its processes, started again when fetch, write or the fork server was killed."""
from __future__ import annotations

from tgbulk.engine.error import ExitCode
from tgbulk.engine.restart_policy import RestartPolicy
from tgbulk.stages.protocol.event import Notice, Restarted, Stopped
from tgbulk.stages.run.attempt import Attempt, Setup
from tgbulk.stages.run.outcome import Outcome
from tgbulk.stages.run.watcher import Watcher

#: Starts again within so many seconds; what is killed more often is not killed by chance.
RESTARTS, RESTART_WINDOW = 3, 600.0


class Run:
    """Attempts, until one of them comes to an end of its own."""

    def __init__(self, setup: Setup, watcher: Watcher) -> None:
        self._setup = setup
        self._watcher = watcher
        self._restarts = RestartPolicy(RESTARTS, RESTART_WINDOW, RESTARTS)

    def execute(self) -> Outcome:
        """Run to the end, whichever it is."""
        outcome = Outcome(follows=self._setup.fetch.follow, fed=self._setup.feed is not None)
        while True:
            cause = Attempt(self._setup, outcome, self._watcher).run()
            if cause is None or outcome.stopped or outcome.interrupted:
                break
            if self._restarts.next_delay() is None:
                advice = "What was exported is kept; run the same command again to continue. Is there enough memory?"
                outcome.stopped = Stopped(f"{cause}; it was restarted too often to continue", advice, ExitCode.INTERNAL)
                break
            outcome.begin_again()
            self._watcher.on_event(Restarted(cause))
            self._watcher.on_event(Notice(f"{cause}; restarting from the last commit"))
        outcome.check()
        return outcome
