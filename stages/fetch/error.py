"""What Telegram and its sessions add to the error tree.

    TgbulkError
      UsageError
        AccountNameError, AccountInUseError
      AuthNeededError              no login, or one that has ended
      LoginError                   a login that Telegram refuses
      UnsafeSessionError           (StorageError) others could read or replace the session
      ServerFileError              (NetworkError)
      UnreachableError             (NetworkError)
      TroubledError                (NetworkError) one request that the server keeps failing at
      FloodParkedError             a flood wait too long to sit out
      TakeoutDelayedError
      RefusedError                 an answer that nothing above covers
      ChatError                    one chat that cannot be exported; the others can

No message holds an API hash, a code, a password or a session string.
"""
from __future__ import annotations

from engine.error import ExitCode, NetworkError, StorageError, TgbulkError, UsageError


def first(error: BaseException) -> BaseException:
    """The first error in a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class AccountNameError(UsageError):
    """{0!r} is no account name"""

    advice = "Use letters, digits, dots, dashes and underscores, first a letter, digit or underscore; at most 64."


class AccountInUseError(UsageError):
    """account {0} is already logged in as {1}"""

    advice = "Choose another name with --account, log out first, or give --force to replace the login."


class AuthNeededError(TgbulkError):
    """account {0} is not logged in: {1}"""

    exit_code = ExitCode.AUTH
    advice = "Run: tgbulk login --account {0}"


class LoginError(TgbulkError):
    """login failed: {0}"""

    exit_code = ExitCode.AUTH


class UnsafeSessionError(StorageError):
    """{0} is not safe: {1}"""

    advice = "Make it private: {2}"


class DamagedSessionError(StorageError):
    """the session of account {0}: {1}"""

    advice = "Run: tgbulk login --account {0} --force"


class ServerFileError(NetworkError):
    """server file {0}: {1}"""

    advice = "It is TOML with dc_id, host, port and public_key (PEM, PKCS#1)."


class UnreachableError(NetworkError):
    """{0} cannot be used: {1}"""

    advice = "Check the network and that the server runs, then try again."


class TroubledError(NetworkError):
    """{0} keeps answering {1} to {2}"""

    advice = "Try again later."


class FloodParkedError(TgbulkError):
    """Telegram asks to wait {0} seconds before the next {1}"""

    exit_code = ExitCode.PARKED
    advice = "Try again after that time; trying sooner can make the wait longer."


class TakeoutDelayedError(TgbulkError):
    """Telegram allows the takeout of account {0} only in {1} seconds"""

    exit_code = ExitCode.DELAYED
    advice = "Confirm it in the chat with Telegram on another device, or run the command again after that time."


class RefusedError(TgbulkError):
    """Telegram refuses {0}: {1}"""


class ChatError(TgbulkError):
    """{0}: {1}"""

    exit_code = ExitCode.NOTHING
    advice = "{2}"
