"""Settings, gathered once at the command line: flags, then the environment, then .env in the working folder, then the
configuration file, then defaults. docs/settings.md lists them."""
from __future__ import annotations

import functools
import os
import stat
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click
import platformdirs
from click.shell_completion import CompletionItem

from tgbulk.engine.error import TgbulkError, UsageError
from tgbulk.engine.modes import how_to_close
from tgbulk.engine.text import printable
from tgbulk.stages.fetch.access import FAMILIES, Access
from tgbulk.stages.fetch.proxy import ProxyError, parse_proxy
from tgbulk.stages.fetch.server import Server, read_server
from tgbulk.stages.fetch.session import list_sessions

Command = TypeVar("Command", bound=Callable[..., Any])
#: name in the configuration file -> name in the environment and in .env
VARIABLES = {
    "api_id": "TELEGRAM_API_ID",
    "api_hash": "TELEGRAM_API_HASH",
    "server": "TGBULK_SERVER",
    "home": "TGBULK_HOME",
    "account": "TGBULK_ACCOUNT",
    "proxy": "TGBULK_PROXY",
    "ip": "TGBULK_IP",
    "force_cpu_transcode": "FORCE_CPU_TRANSCODE",
    "vaapi_device_path": "VAAPI_DEVICE_PATH",
    "store": "TGBULK_STORE",
    "database": "TGBULK_DATABASE",
}
#: The table of the configuration file that has a table for each account, and what such a one can hold.
ACCOUNTS, OF_ACCOUNT = "accounts", ("proxy", "ip")
#: Where other programs look for a proxy; the last place of all.
ALL_PROXY = ("all_proxy", "ALL_PROXY")
#: What a setting that is on or off can be; in the configuration file also true and false.
SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class MissingApiError(UsageError):
    """{0} is not set"""

    advice = "Get an API id and hash at https://my.telegram.org, then set TELEGRAM_API_ID and TELEGRAM_API_HASH."


class NoHomeError(UsageError):
    """this user has no home folder"""

    advice = "Set TGBULK_HOME to a folder for the sessions, or HOME."


@dataclass(frozen=True, slots=True)
class Route:
    """How an account's connections go."""

    #: as it was given: it is read where something is to be reached
    proxy: str | None = field(default=None, repr=False)
    #: one of FAMILIES
    family: str = "auto"


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
    #: those of each account that was named
    routes: tuple[Route, ...] = ()
    #: videos are encoded on the CPU, whatever GPU there is
    force_cpu: bool = False
    #: the only render node to try; None tries all
    vaapi_device: Path | None = None
    #: URL of the store to publish to
    store: str | None = None
    #: URL of the PostgreSQL database of a fleet; it may have a password in it
    database: str | None = field(default=None, repr=False)

    @property
    def account(self) -> str:
        """The account of a command that uses one; UsageError where more were named."""
        if len(self.accounts) > 1:
            raise UsageError("this command takes one account; give --account once")
        return self.accounts[0]

    @property
    def access(self) -> Access:
        """What it takes to talk to the server; MissingApiError without an API id and hash."""
        return self.access_of(self.account)

    @property
    def accesses(self) -> list[Access]:
        """The same for each account that was named."""
        return [self.access_of(account) for account in self.accounts]

    def access_of(self, account: str) -> Access:
        """The same for one of them."""
        if self.api_id is None:
            raise MissingApiError(VARIABLES["api_id"])
        if self.api_hash is None:
            raise MissingApiError(VARIABLES["api_hash"])
        route = self.routes[self.accounts.index(account)]
        proxy = parse_proxy(route.proxy) if route.proxy else None
        return Access(
            self.api_id, self.api_hash, self.server, self.home, account, self.verbose, proxy, route.family
        )


def read_setting(
    server: str | None = None, accounts: tuple[str, ...] = (), verbose: bool = False, proxy: str | None = None,
    family: str | None = None,
) -> Setting:  # fmt: skip
    """The settings, with these flags above all; UsageError or ServerFileError names the first mistake."""
    config = _read_config()
    own = config.pop(ACCOUNTS, {})
    given = _read_variables()
    given |= {name: value for name, value in (("server", server), ("proxy", proxy), ("ip", family)) if value is not None}
    values = config | given
    chosen = read_server(_expanded(values["server"])) if values.get("server") else None
    if chosen is not None:
        values = {"api_id": chosen.api_id, "api_hash": chosen.api_hash} | values
    home = _expanded(values["home"]) if values.get("home") else _data_folder()
    named = tuple(dict.fromkeys(accounts)) or (values.get("account") or "main",)
    return Setting(
        api_id=_read_api_id(values.get("api_id")),
        api_hash=values.get("api_hash") or None,
        server=chosen,
        home=home.absolute(),
        accounts=named,
        verbose=verbose,
        routes=tuple(_route(config | own.get(account, {}) | given) for account in named),
        force_cpu=_read_switch("force_cpu_transcode", values.get("force_cpu_transcode", False)),
        vaapi_device=Path(values["vaapi_device_path"]).expanduser() if values.get("vaapi_device_path") else None,
        store=values.get("store") or None,
        database=values.get("database") or None,
    )


def complete_accounts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Logged-in accounts."""
    names: list[str] = []
    with suppress(TgbulkError, OSError):  # nobody is helped by an error while typing
        names = [session.account for session in list_sessions(read_setting().home)]
    return [CompletionItem(name) for name in sorted(set(names)) if name.startswith(incomplete)]


def with_setting(command: Command) -> Command:
    """Give a click command --server, --account and --verbose, and their outcome as its `setting`."""

    @click.option("--server", metavar="FILE", help="Use the server that this TOML file describes, not Telegram.")
    @click.option(
        "--account", "accounts", multiple=True, metavar="NAME", shell_complete=complete_accounts,
        help='Logged-in account ("main"); export takes several.',
    )
    @click.option(
        "--proxy", metavar="URL", callback=_check_proxy,
        help="Reach the server through this proxy alone: socks5, socks4, http, mtproxy; none for none.",
    )
    @click.option("--ip", "family", type=click.Choice(FAMILIES), default=None, help="Connect by IPv4 or IPv6 alone (auto).")
    @click.option("--verbose", is_flag=True, help="Show tracebacks and the log of the connection.")
    @functools.wraps(command)
    def wrapped(
        *, server: str | None, accounts: tuple[str, ...], verbose: bool, proxy: str | None, family: str | None,
        **options: Any,
    ) -> Any:  # fmt: skip
        root = click.get_current_context().find_root()
        root.params["verbose"] = verbose = verbose or root.params.get("verbose", False)
        return command(setting=read_setting(server, accounts, verbose, proxy, family), **options)

    return wrapped  # type: ignore[return-value]


def _check_proxy(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A mistake is told before anything begins, and where it stands in a job file."""
    try:
        if value is not None:
            parse_proxy(value)
    except ProxyError as error:
        raise click.BadParameter(f"{error}. {error.hint}") from None
    return value


def _route(values: dict[str, Any]) -> Route:
    """Of one account. UsageError."""
    text = values.get("proxy") or next((found for name in ALL_PROXY if (found := os.environ.get(name))), None)
    family = str(values.get("ip") or "auto")
    if family not in FAMILIES:
        raise UsageError(f"{VARIABLES['ip']} is {family!r}; it can be {', '.join(FAMILIES)}")
    return Route(text or None, family)


def _expanded(path: str | Path) -> Path:
    """With the home folder for ~. NoHomeError where there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise NoHomeError from error


def _data_folder() -> Path:
    """The user's own. NoHomeError where there is none."""
    try:
        found = platformdirs.user_data_path("tgbulk", appauthor=False)
    except RuntimeError as error:
        raise NoHomeError from error
    if not found.is_absolute():
        raise NoHomeError
    return found


def _read_variables() -> dict[str, Any]:
    """Only what is set and not empty."""
    file = _read_dotenv(Path(".env"))
    values = {name: os.environ.get(variable) or file.get(variable) for name, variable in VARIABLES.items()}
    return {name: value for name, value in values.items() if value}


def _read_dotenv(path: Path) -> dict[str, str | None]:
    """Lines that set nothing are told and passed over: other programs may read the file too."""
    try:
        with open(path, encoding="utf-8", opener=_open) as stream:
            if not _is_trusted(path, stream.fileno()):
                return {}
            from dotenv.parser import parse_stream

            lines = list(parse_stream(stream))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    for line in lines:
        if line.error:
            text = line.original.string  # with the empty lines above it
            number = line.original.line + text[: len(text) - len(text.lstrip())].count("\n")
            click.echo(f"tgbulk: warning: {path}: line {number} is not NAME=value and is ignored", err=True)
    return {line.key: line.value for line in lines if line.key is not None}


def _open(path: str, flags: int) -> int:
    """Who opens a pipe waits for somebody else."""
    return os.open(path, flags | os.O_NONBLOCK)


def _is_trusted(path: Path, descriptor: int) -> bool:
    """Whether nobody else can have written a file of settings, which says which server gets a phone number and a code; where
    somebody can, that is told, and the file is ignored."""
    for what, mode, status in ((path, 0o600, os.fstat(descriptor)), (path.parent.absolute(), 0o700, os.stat(path.parent))):
        # A group with the number of its user has nobody else in it.
        others = 0o002 if status.st_gid == status.st_uid else 0o022
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            reason = f"{what} is not a file of its own"
        elif status.st_uid not in (0, os.geteuid()):
            reason = f"{what} belongs to another user"
        elif stat.S_IMODE(status.st_mode) & others:
            reason = f"others can write to {what} ({how_to_close(what, mode)})"
        else:
            continue
        click.echo(printable(f"tgbulk: warning: {path} is ignored: {reason}"), err=True)
        return False
    return True


def _read_config() -> dict[str, Any]:
    """The user's configuration file; below it, beside the sessions, another one and .env, which are there under cron and
    systemd as well."""
    found: dict[str, Any] = {}
    with suppress(RuntimeError):  # this user has no home
        home = os.environ.get("TGBULK_HOME") or platformdirs.user_data_path("tgbulk", appauthor=False)
        beside = Path(home).expanduser()
        here = os.path.realpath("/proc/self/cwd")  # also where it was removed
        if beside.is_absolute() and os.path.realpath(beside) != here:  # else it was read
            file = _read_dotenv(beside / ".env")
            found |= {name: file[variable] for name, variable in VARIABLES.items() if file.get(variable)}
        found |= _read_toml(beside / "config.toml")
    with suppress(RuntimeError):
        found |= _read_toml(platformdirs.user_config_path("tgbulk", appauthor=False) / "config.toml")
    return found


def _read_toml(path: Path) -> dict[str, Any]:
    if not path.is_absolute():
        return {}
    try:
        with open(path, encoding="utf-8", opener=_open) as stream:
            if not _is_trusted(path, stream.fileno()):
                return {}
            values = tomllib.loads(stream.read())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    _check_config(path, {name: value for name, value in values.items() if name != ACCOUNTS}, tuple(VARIABLES))
    tables = values.get(ACCOUNTS, {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise UsageError(f"{path}: {ACCOUNTS} is written [{ACCOUNTS}.NAME], once for each account")
    for table in tables.values():
        _check_config(path, table, OF_ACCOUNT)
    return values


def _check_config(path: Path, values: dict[str, Any], known: tuple[str, ...]) -> None:
    for name, value in values.items():
        if name not in known:
            raise UsageError(f"{path}: there is no setting {name!r}; it can hold {', '.join(known)}")
        other = {"api_id": int, "ip": int, "force_cpu_transcode": bool}.get(name, str)
        if not isinstance(value, str) and type(value) is not other:
            raise UsageError(f"{path}: {name} is not a string")


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
