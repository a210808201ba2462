"""The Dockerfile's steps without Docker: `python -m support.dockerfile` (make image-test), as root, with the network.

Each stage gets this machine's own files as its base, under an overlay that is thrown away: what a step writes is seen by the
next one and by nobody else. It stands in for an image where none can be had; steps run with no variables but the stage's.
"""
from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
#: As the base image has it. Package registries of this machine, if it names some, stay in use.
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
KEPT = ("PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_CERT", "PIP_FIND_LINKS", "HTTPS_PROXY", "HTTP_PROXY")


@dataclass(slots=True)
class Stage:
    """One FROM and what follows."""

    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)


def read(path: Path) -> list[Stage]:
    """Stages of (instruction, its text), continued lines joined, without comments."""
    text = re.sub(r"(?m)^\s*#.*\n", "", path.read_text())
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            stages.append(Stage(rest.partition(" AS ")[2]))
        elif word:
            stages[-1].steps.append((word, rest))
    return stages


class Machine:
    """An overlay over this machine's files, in a mount namespace of our own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        for name in ("upper", "work", "root"):
            (folder / name).mkdir(parents=True)
        options = f"lowerdir=/,upperdir={folder / 'upper'},workdir={folder / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], check=True)
        for name in ("dev", "proc"):
            subprocess.run(["mount", "--rbind", f"/{name}", self.root / name], check=True)
        self.environment = {"PATH": PATH, "HOME": "/root"}
        self.place, self.user = "/", ""
        # The image's user has to be free, and python to be there by that name for everybody.
        self.run("if id 1000; then userdel -f $(id -nu 1000); fi; ln -sf /usr/bin/python3 /usr/local/bin/python")

    def run(self, script: str | list[str], code: int = 0, variables: Mapping[str, str] = MappingProxyType({})) -> str:
        words = ["sh", "-c", script] if isinstance(script, str) else script
        who = ["setpriv", "--reuid", self.user, "--regid", self.user, "--clear-groups"] if self.user else []
        given = [f"{name}={value}" for name, value in {**self.environment, **variables}.items()]
        inside = ["env", "-i", "-C", self.place, *given, *who, *words]
        done = subprocess.run(["chroot", self.root, *inside], capture_output=True, text=True, check=False)
        if done.returncode != code:
            sys.exit(f"{shlex.join(words)}: {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr


def build(stages: list[Stage], folder: Path, kept: Mapping[str, str]) -> tuple[Machine, dict[str, str]]:
    """The last stage's machine, and its instructions about how it runs."""
    made: dict[str, Machine] = {}
    about: dict[str, str] = {}
    for number, stage in enumerate(stages):
        machine = made[stage.name or str(number)] = Machine(folder / f"stage{number}")
        for word, rest in stage.steps:
            print(word, rest, flush=True)
            if word == "WORKDIR":
                (Path(f"{machine.root}{rest}")).mkdir(parents=True, exist_ok=True)
                machine.place = rest
            elif word == "COPY" and rest.startswith("--from="):
                name, source, target = rest.removeprefix("--from=").split()
                subprocess.run(["cp", "-a", f"{made[name].root}{source}", f"{machine.root}{target}"], check=True)
            elif word == "COPY":
                archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
                subprocess.run(["tar", "-x", "-C", f"{machine.root}{machine.place}"], input=archive, check=True)
            elif word == "ENV":
                for one in shlex.split(rest):
                    name, _, value = one.partition("=")
                    machine.environment[name] = value.replace("$PATH", machine.environment["PATH"])
            elif word == "USER":
                machine.user = rest
                machine.environment["HOME"] = "/"
            elif word == "RUN":
                machine.run(rest, variables=kept)
            else:
                about[word] = rest
    return machine, about


def main() -> None:
    if "--inside" not in sys.argv:
        os.execvp("unshare", ["unshare", "--mount", sys.executable, "-m", "support.dockerfile", "--inside"])
    with tempfile.TemporaryDirectory(prefix="tgbulk-image-") as scratch:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", scratch], check=True)
        try:
            kept = {name: os.environ[name] for name in KEPT if name in os.environ}
            machine, about = build(read(ROOT / "Dockerfile"), Path(scratch), kept)
            entry, words = json.loads(about["ENTRYPOINT"]), json.loads(about["CMD"])
            assert "Export Telegram chats in bulk." in machine.run(entry + words)
            assert machine.run(["id", "-u"]) == "1000\n"
            check = json.loads(about["HEALTHCHECK"].partition(" CMD ")[2])
            assert "Traceback" not in machine.run(check, code=1)  # without API id and session nothing can run
            assert "are equal to what the data centre holds" in machine.run([*entry, "demo", "-o", "/data/demo"])
            print(machine.run(["ls", "-la", "/data"]))
        finally:
            subprocess.run(["umount", "--lazy", "--recursive", scratch], check=True)


if __name__ == "__main__":
    main()
