"""A job file: what to export, and how, in TOML. Every option of `tgbulk export` stands there under its own name.

Keys above the first [[export]] hold for all parts; a part's own key wins. ${NAME} in a text is the environment's NAME.
"""
from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from tgbulk.engine.error import UsageError

#: The array of parts, and options that say something about the command rather than the work.
PARTS = "export"
NOT_OF_A_JOB = frozenset({"job", "again", "retry-failed", "feed", "help", "verbose"})
#: Bytes of a job file, and parts, at most.
LARGEST, MOST_PARTS = 1 << 20, 1000
_VARIABLE = re.compile(r"\$\{(\w*)\}", re.ASCII)


class JobError(UsageError):
    """{0}: {1}"""

    advice = "Its schema: tgbulk job schema"


@dataclass(frozen=True, slots=True)
class JobFile:
    """A job file that was read; its values are not checked yet."""

    path: str
    text: str
    #: option's name -> value, as the command line would have them, a part each
    parts: list[dict[str, Any]]
    #: the keys that stand in the part itself, and not above all parts
    own: list[frozenset[str]]

    def error(self, part: int, key: str, message: str) -> JobError:
        """A mistake in this key of this part, from 1 on, with line and column."""
        where = part if part and key.replace("_", "-") in self.own[part - 1] else 0
        return JobError(f"{self.path}{_place(self.text, where, key)}", message)


def long_name(param: click.Parameter) -> str:
    """The name of an option in a job file and, in capitals, in the environment: that of the command line."""
    names = [name for name in param.opts if name.startswith("--")]
    return names[0].removeprefix("--") if names else str(param.name)


def job_params(command: click.Command) -> dict[str, click.Parameter]:
    """Every option that a job file can hold, and the chats."""
    return {name: param for param in command.params if (name := long_name(param)) not in NOT_OF_A_JOB}


def read_job(source: str, command: click.Command) -> JobFile:
    """JobError, with line and column, for a file that is no job."""
    try:
        with Path(source).open("rb") as stream:
            data = stream.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise JobError(source, f"it has more than {LARGEST >> 20} MiB")
        text = data.decode("utf-8-sig")
        document = tomllib.loads(text)
    except OSError as error:
        raise JobError(source, error.strerror) from error
    except UnicodeDecodeError as error:
        raise JobError(source, "it is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise _syntax(source, text, str(error)) from error
    parts = document.pop(PARTS, [{}])
    job = JobFile(source, text, [], [])
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise job.error(0, PARTS, "it is written [[export]], once for each part")
    if not 0 < len(parts) <= MOST_PARTS:
        raise JobError(source, f"it has {len(parts)} parts; 1 to {MOST_PARTS} are possible")
    params = job_params(command)
    for number, part in enumerate(parts, 1):
        made = {}
        job.own.append(frozenset(key.replace("_", "-") for key in part))
        for key, value in (document | part).items():
            param = params.get(key.replace("_", "-"))
            if param is None:
                near = get_close_matches(key.replace("_", "-"), params, 1)
                raise job.error(number, key, f"there is no option {key!r}" + (f"; is {near[0]!r} meant?" if near else ""))
            try:
                made[key.replace("_", "-")] = _value(param, value)
            except ValueError as error:
                raise job.error(number, key, f"{key}: {error}") from None
        job.parts.append(made)
    return job


def schema(command: click.Command) -> dict[str, Any]:
    """JSON Schema (2020-12) of a job file."""
    options = {name: _type(param) for name, param in job_params(command).items()}
    part = {"type": "object", "properties": options, "additionalProperties": False}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tgbulk job",
        "type": "object",
        "properties": {**options, PARTS: {"type": "array", "items": part, "minItems": 1, "maxItems": MOST_PARTS}},
        "additionalProperties": False,
    }


def _type(param: click.Parameter) -> dict[str, Any]:
    about = {"description": param.help} if isinstance(param, click.Option) and param.help else {}
    if isinstance(param, click.Option) and param.is_flag:
        return {"type": "boolean", **about}
    if isinstance(param.type, click.Choice):
        return {"enum": list(param.type.choices), **about}
    if isinstance(param.type, click.types.IntParamType):
        return {"type": "integer", **about}
    if isinstance(param.type, click.types.FloatParamType):
        return {"type": "number", **about}
    text = {"type": ["string", "integer"]}
    many = {"type": "array", "items": text}
    return {"anyOf": [text, many], **about} if isinstance(param, click.Option) else {**many, **about}


def _value(param: click.Parameter, value: Any) -> Any:
    """As the command line would have it; ValueError."""
    many = param.nargs == -1 or bool(getattr(param, "multiple", False))
    if isinstance(value, list):
        texts = [_text(one) for one in value]
        return texts if many else ",".join(texts)
    if isinstance(value, bool):
        if not (isinstance(param, click.Option) and param.is_flag):
            raise ValueError("it is not on or off")
        return value
    if isinstance(param, click.Option) and param.is_flag:
        raise ValueError("it is true or false")
    return [_text(value)] if many else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool | dict | list):
        raise ValueError("a text or a number is wanted")
    if not isinstance(value, str):
        return value.isoformat() if hasattr(value, "isoformat") else str(value)

    def replace(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise ValueError(f"the environment has no {found[1] or 'name'}")
        return os.environ[found[1]]

    return _VARIABLE.sub(replace, value)


def _syntax(source: str, text: str, said: str) -> JobError:
    """tomllib ends its sentence with the place."""
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", said, re.DOTALL)
    if found is None:
        return JobError(f"{source}, line {text.count(chr(10)) + 1}, column 1", said)
    return JobError(f"{source}, line {found[2]}, column {found[3]}", found[1])


def _place(text: str, part: int, key: str) -> str:
    """Where a key stands, in the part of this number, 0 for what is above all parts; "" where it is written otherwise."""
    seen = 0
    name = "[-_]".join(map(re.escape, re.split("[-_]", key)))
    wanted = re.compile(rf"\s*(?:\[*\s*)?(?P<key>[\"']?{name}[\"']?)\s*[=\]]")
    for number, line in enumerate(text.splitlines(), 1):
        seen += bool(re.match(r"\s*\[\[\s*export\s*\]\]", line))
        found = wanted.match(line)
        if found and (seen == part or key == PARTS):
            return f", line {number}, column {found.start('key') + 1}"
    return ""
