"""Settings, gathered once at the command line: flags, then the environment, then .env in the working folder, then the
configuration file, then defaults. docs/settings.md lists them."""
from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click
import platformdirs
from dotenv.parser import parse_stream

from engine.error import UsageError
from stages.fetch.access import Access
from stages.fetch.server import Server, read_server

Command = TypeVar("Command", bound=Callable[..., Any])
#: name in the configuration file -> name in the environment and in .env
VARIABLES = {
    "api_id": "TELEGRAM_API_ID",
    "api_hash": "TELEGRAM_API_HASH",
    "server": "TGBULK_SERVER",
    "home": "TGBULK_HOME",
    "account": "TGBULK_ACCOUNT",
    "force_cpu_transcode": "FORCE_CPU_TRANSCODE",
    "vaapi_device_path": "VAAPI_DEVICE_PATH",
}
#: What a setting that is on or off can be; in the configuration file also true and false.
SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class MissingApiError(UsageError):
    """{0} is not set"""

    advice = "Get an API id and hash at https://my.telegram.org, then set TELEGRAM_API_ID and TELEGRAM_API_HASH."


@dataclass(frozen=True, slots=True)
class Setting:
    """What every command starts from."""

    api_id: int | None
    api_hash: str | None = field(repr=False)
    #: None is Telegram itself
    server: Server | None
    #: the folder of the sessions' folder
    home: Path
    #: at least one
    accounts: tuple[str, ...]
    verbose: bool = False
    #: films are encoded on the CPU, whatever GPU there is
    force_cpu: bool = False
    #: the only render node to try; None tries all
    vaapi_device: Path | None = None

    @property
    def account(self) -> str:
        """The account of a command that uses one; UsageError where more were named."""
        if len(self.accounts) > 1:
            raise UsageError("this command uses one account; give --account once")
        return self.accounts[0]

    @property
    def access(self) -> Access:
        """What it takes to talk to the server; MissingApiError without an API id and hash."""
        return self._access(self.account)

    @property
    def accesses(self) -> list[Access]:
        """The same for each account that was named."""
        return [self._access(account) for account in self.accounts]

    def _access(self, account: str) -> Access:
        if self.api_id is None:
            raise MissingApiError(VARIABLES["api_id"])
        if self.api_hash is None:
            raise MissingApiError(VARIABLES["api_hash"])
        return Access(self.api_id, self.api_hash, self.server, self.home, account, self.verbose)


def read_setting(server: str | None = None, accounts: tuple[str, ...] = (), verbose: bool = False) -> Setting:
    """The settings, with these flags above all; UsageError or ServerFileError names the first mistake."""
    values = _read_config() | _read_variables()
    if server is not None:
        values["server"] = server
    chosen = read_server(Path(values["server"]).expanduser()) if values.get("server") else None
    if chosen is not None:
        values = {"api_id": chosen.api_id, "api_hash": chosen.api_hash} | values
    home = values.get("home") or platformdirs.user_data_path("tgbulk", appauthor=False)
    return Setting(
        api_id=_read_api_id(values.get("api_id")),
        api_hash=values.get("api_hash") or None,
        server=chosen,
        home=Path(home).expanduser().absolute(),
        accounts=tuple(dict.fromkeys(accounts)) or (values.get("account") or "main",),
        verbose=verbose,
        force_cpu=_read_switch("force_cpu_transcode", values.get("force_cpu_transcode", False)),
        vaapi_device=Path(values["vaapi_device_path"]).expanduser() if values.get("vaapi_device_path") else None,
    )


def with_setting(command: Command) -> Command:
    """Give a click command --server, --account and --verbose, and their outcome as its `setting`."""

    @click.option("--server", metavar="FILE", help="Use the server that this TOML file describes, not Telegram.")
    @click.option(
        "--account", "accounts", multiple=True, metavar="NAME", help='Logged-in account ("main"); export takes several.'
    )
    @click.option("--verbose", is_flag=True, help="Show tracebacks and the log of the connection.")
    @functools.wraps(command)
    def wrapped(*, server: str | None, accounts: tuple[str, ...], verbose: bool, **options: Any) -> Any:
        root = click.get_current_context().find_root()
        root.params["verbose"] = verbose = verbose or root.params.get("verbose", False)
        return command(setting=read_setting(server, accounts, verbose), **options)

    return wrapped  # type: ignore[return-value]


def _read_variables() -> dict[str, Any]:
    """Only what is set and not empty."""
    file = _read_dotenv()
    values = {name: os.environ.get(variable) or file.get(variable) for name, variable in VARIABLES.items()}
    return {name: value for name, value in values.items() if value}


def _read_dotenv() -> dict[str, str | None]:
    """Lines that set nothing are told and passed over: other programs may read the file too."""
    try:
        with open(".env", encoding="utf-8") as stream:
            lines = list(parse_stream(stream))
    except (FileNotFoundError, IsADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f".env cannot be read: {error}") from error
    for line in lines:
        if line.error:
            text = line.original.string  # with the empty lines above it
            number = line.original.line + text[: len(text) - len(text.lstrip())].count("\n")
            click.echo(f"tgbulk: warning: .env: line {number} is not NAME=value and is passed over", err=True)
    return {line.key: line.value for line in lines if line.key is not None}


def _read_config() -> dict[str, Any]:
    path = platformdirs.user_config_path("tgbulk", appauthor=False) / "config.toml"
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    for name, value in values.items():
        if name not in VARIABLES:
            raise UsageError(f"{path}: there is no setting {name!r}; it can hold {', '.join(VARIABLES)}")
        other = {"api_id": int, "force_cpu_transcode": bool}.get(name, str)
        if not isinstance(value, str) and type(value) is not other:
            raise UsageError(f"{path}: {name} is not a string")
    return values


def _read_switch(name: str, value: Any) -> bool:
    found = value if isinstance(value, bool) else SWITCHES.get(value.strip().lower())
    if found is None:
        raise UsageError(f"{VARIABLES[name]} is {value!r}; it can be 1 or 0, true or false, yes or no, on or off")
    return found


def _read_api_id(value: Any) -> int | None:
    if value is None:
        return None
    try:
        number = int(value)
    except ValueError:
        number = 0
    if not 0 < number < 2**31:
        raise UsageError(f"{VARIABLES['api_id']} is not a number that Telegram gives out")
    return number
