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
        UnansweredError            or that it never answers
      UnusableAnswerError          (NetworkError) an answer that is none to what was asked
      FloodParkedError             a flood wait too long to wait for
      TakeoutDelayedError
      StandstillError              nothing moves, and nothing says why
      DialogListError              (PartialError) a list of dialogs that does not come to its end
      RefusedError                 an answer that nothing above covers
      ChatError                    one chat that cannot be exported; the others can

No message holds an API hash, a code, a password or a session string.
"""
from __future__ import annotations

from tgbulk.engine.error import ExitCode, NetworkError, PartialError, StorageError, TgbulkError, UsageError


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

    kind = "account"
    exit_code = ExitCode.AUTH
    advice = "Run: tgbulk login --account {0}"


class LoginError(TgbulkError):
    """login failed: {0}"""

    kind = "account"
    exit_code = ExitCode.AUTH


class UnsafeSessionError(StorageError):
    """{0} is not safe: {1}"""

    advice = "Make it private: {2}"


class DamagedSessionError(StorageError):
    """the session of account {0}: {1}"""

    advice = "Run: tgbulk login --account {0} --force"


class ServerFileError(NetworkError):
    """server file {0}: {1}"""

    retryable = False
    advice = "It is TOML with dc_id, host, port and public_key (PEM, PKCS#1)."


class UnreachableError(NetworkError):
    """{0} cannot be used: {1}"""

    advice = "Check the network and that the server runs, then try again."


#: What takes one account out of a run, in which the others continue.
ACCOUNT_LOST = (AuthNeededError, UnreachableError)


class TroubledError(NetworkError):
    """{0} keeps answering {1} to {2}"""

    advice = "Try again later."


class UnansweredError(TroubledError):
    """{0} does not answer {1}"""


class UnusableAnswerError(NetworkError):
    """{0} does not answer {1} as it should: {2}"""

    advice = "Try again later; if it stays so, a newer tgbulk may know this answer."


class FloodParkedError(TgbulkError):
    """Telegram asks to wait {0} seconds before the next {1}"""

    kind = "flood"
    retryable = True
    exit_code = ExitCode.PARKED
    advice = "Try again after that time; trying sooner can make the wait longer."


    @property
    def retry_after(self) -> int:
        return int(self.args[0])


class TakeoutDelayedError(TgbulkError):
    """Telegram allows the takeout of account {0} only in {1} seconds"""

    kind = "takeout"
    retryable = True
    exit_code = ExitCode.DELAYED
    advice = "Confirm it in the chat with Telegram on another device, or run the command again after that time."


    @property
    def retry_after(self) -> int:
        return int(self.args[1])


class RefusedError(TgbulkError):
    """Telegram refuses {0}: {1}"""

    kind = "refused"


class StandstillError(TgbulkError):
    """nothing has moved for {0} s, and nothing says why; what everybody waited for is in the run's folder"""

    advice = "Run the same command again; please report this, with the file hang-fetch-*.txt."


class DialogListError(PartialError):
    """Telegram's list of chats does not end as it should: {0} chats were listed, it says there are {1}"""

    advice = "Try again later; a chat that is missing can be named by its @username."


class ChatError(TgbulkError):
    """{0}: {1}"""

    exit_code = ExitCode.NOTHING
    advice = "{2}"

    def __init__(self, name: str, reason: str, hint: str, kind: str = "refused", telegram: str = "") -> None:
        """kind: not_found, forbidden, storage or refused; telegram: the text of its error."""
        super().__init__(name, reason, hint)
        self.kind = kind
        self.telegram = telegram

    def __reduce__(self) -> tuple[type[ChatError], tuple[str, ...]]:
        return type(self), (*self.args, self.kind, self.telegram)
