"""What a case has at hand: how large, how often, and the means to run programs side by side."""
from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.error import BenchError, NotRunnableError
from tgbulk.perf.bench.exporter import Exporter
from tgbulk.perf.bench.measure import Launch, Usage, run
from tgbulk.perf.bench.row import Row
from tgbulk.perf.bench.server import Server, Traffic

#: Seconds that a program may take, and seconds more for each message and each file.
RUN_LIMIT = 120.0
MESSAGE_LIMIT = 0.003
FILE_LIMIT = 0.3
#: Characters of a failed program's last words that are shown.
LAST_WORDS = 600


class Scale(Enum):
    """A minute, the real thing, and what takes very long besides."""

    QUICK = "quick"
    NORMAL = "normal"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one program. `output` is given where the case looks at it afterwards; it may exist from a run before."""

    server: Server
    exporter: Exporter
    chats: Sequence[Chat]
    output: Path | None = None

    @property
    def home(self) -> Path:
        """Where the program is logged in on this server."""
        return self.server.home(self.exporter.name, self.exporter.prepare)

    @property
    def messages(self) -> int:
        """How many it has to export."""
        return sum(chat.messages for chat in self.chats)

    @property
    def has_files(self) -> bool:
        return any(chat.file_size for chat in self.chats)


@dataclass(slots=True)
class Result:
    """What a run took, and what the server saw of it."""

    messages: int
    usage: Usage
    traffic: Traffic


@dataclass(slots=True)
class Bench:
    """Handed to every case; `folder` is its own and is removed after it."""

    scale: Scale
    runs: int
    folder: Path
    #: every run, for the JSON file
    log: list[dict[str, Any]] = field(default_factory=list)
    #: baseline -> why it is left out
    skipped: dict[str, str] = field(default_factory=dict)
    _outputs: int = 0

    def server(self, chats: Sequence[Chat], **options: Any) -> Server:
        """A simulated data centre, to be entered; the options are Server's."""
        return Server(chats, self.folder, **options)

    def run(self, job: Job, *, watch_memory: bool = False) -> Result | None:
        """One run by itself; None for a baseline that is left out."""
        return self.run_all([job], watch_memory=watch_memory)[0]

    def need(self, job: Job, *, watch_memory: bool = False) -> Result:
        """One run of a program that is never left out."""
        result = self.run(job, watch_memory=watch_memory)
        assert result is not None
        return result

    def run_all(self, jobs: Sequence[Job], *, watch_memory: bool = False) -> list[Result | None]:
        """Run side by side programs that have a server each; None in the place of a baseline that is left out.

        Raises BenchError when tgbulk itself, or the loop that every goal leans on, does not export everything.
        """
        launches = [self._launch(job) for job in jobs]
        for job in jobs:
            job.server.begin()
        programs = max((launch.programs for launch in launches if launch is not None), default=1)
        limit = RUN_LIMIT * programs + max(job.messages * (FILE_LIMIT if job.has_files else MESSAGE_LIMIT) for job in jobs)
        usages = iter(run([launch for launch in launches if launch is not None], limit, watch_memory=watch_memory))
        return [
            None if launch is None else self._finish(job, launch, next(usages))
            for job, launch in zip(jobs, launches, strict=True)
        ]

    def _launch(self, job: Job) -> Launch | None:
        if job.exporter.name in self.skipped:
            return None
        self._outputs += 1
        output = job.output or self.folder / f"output-{self._outputs}"
        output.mkdir(exist_ok=True)
        try:
            return job.exporter.launch(job.server, job.home, job.chats, output)
        except NotRunnableError as error:
            self._skip(job.exporter.name, str(error))
            return None

    def _finish(self, job: Job, launch: Launch, usage: Usage) -> Result | None:
        traffic = job.server.traffic()
        messages = job.exporter.count(job.home, launch.folder) if usage.exit_code == 0 else 0
        problem = self._problem(job, launch, usage, messages)
        result = Result(messages, usage, traffic)
        names = [chat.name for chat in job.chats]
        self.log.append({"exporter": job.exporter.name, "chats": names, "problem": problem, **asdict(result)})
        say(f"    {job.exporter.name}: {messages:,} messages, {usage.seconds:.1f} s, {usage.cpu:.1f} s CPU")
        if job.output is None:
            shutil.rmtree(launch.folder)
        if problem is None:
            return result
        if not job.exporter.is_peer:
            raise BenchError(f"{job.exporter.name}: {problem}")
        self._skip(job.exporter.name, problem)
        return None

    def _problem(self, job: Job, launch: Launch, usage: Usage, messages: int) -> str | None:
        if usage.exit_code or usage.killed:
            words = (launch.folder / "stderr").read_text(errors="replace").strip()[-LAST_WORDS:]
            exit_status = "had to be killed" if usage.killed else f"ended with exit code {usage.exit_code}"
            return f"{exit_status}: {words}"
        return None if messages == job.messages else f"wrote {messages:,} of {job.messages:,} messages"

    def _skip(self, name: str, reason: str) -> None:
        self.skipped[name] = reason
        say(f"bench: {name} is left out: {reason}")


#: A case runs its programs and tells what came out.
Case = Callable[[Bench], list[Row]]


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)
