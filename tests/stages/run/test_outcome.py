"""The exit code of a run, out of what its processes said."""
from __future__ import annotations

from typing import Any

import pytest

from tgbulk.engine.error import ExitCode
from tgbulk.stages.archive.video import VideosStated
from tgbulk.stages.collect.status import Measured
from tgbulk.stages.protocol.event import (
    ChatChanged,
    ChatEnded,
    ChatFailed,
    ChatProgress,
    ChatStarted,
    ChatStated,
    Fetched,
    FollowState,
    Stopped,
)
from tgbulk.stages.run.outcome import MOST_KEPT, Outcome
from tgbulk.stages.telegram.medium import MediaStated

DONE, OTHER, GAPS = (ChatEnded(0, 1, 9, 4, 0, 9, gaps=gaps) for gaps in (0, 0, 1))
FAILED = ChatFailed("@a", 0, "why", "", ExitCode.NOTHING)
PARKED = ChatFailed("@b", 0, "a flood", "", ExitCode.PARKED)
NO_NETWORK = ChatFailed("@c", 0, "no answer", "", ExitCode.NETWORK)
STOPPED = Stopped("the disk is full", "make room", ExitCode.STORAGE)
MEDIA, WAITING = MediaStated(1, 1, 1, 0, 0), MediaStated(1, 1, 1, 0, 1)
REFUSED = MediaStated(1, 1, 1, 0, 0, failed={"why": 1})


def heard(*frames: Any, **fields: Any) -> Outcome:
    outcome = Outcome(**fields)
    for frame in frames:
        outcome.receive(frame)
    outcome.check()
    return outcome


def videos(waiting: int) -> VideosStated:
    found = VideosStated()
    found.waiting = waiting
    return found


def test_new_messages_are_those_of_failed_chats_as_well() -> None:
    """In whatever order the events of two processes come, and however often all processes were started again."""
    begun, grown = ChatStarted(3, 7, "one", 90, 10), ChatProgress(3, 30)
    failed = ChatFailed("@a", 7, "why", "", ExitCode.NOTHING)
    assert heard(begun, grown, failed).new_messages == heard(grown, begun, failed).new_messages == 20
    assert heard(begun, grown, failed, ChatStarted(4, 1, "", 9, 5), ChatProgress(4, 9), DONE).new_messages == 24
    outcome = heard(begun, grown)
    outcome.begin_again()
    for frame in (ChatStarted(0, 8, "two", 9, 0), ChatProgress(0, 4), ChatStarted(1, 7, "one", 90, 30), ChatProgress(1, 41)):
        outcome.receive(frame)
    assert outcome.new_messages == 31 + 4


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([], ExitCode.COMPLETE),
        ([DONE], ExitCode.COMPLETE),
        ([DONE, MEDIA, videos(0)], ExitCode.COMPLETE),
        ([DONE, GAPS], ExitCode.PARTIAL),
        ([GAPS], ExitCode.PARTIAL),
        ([DONE, FAILED], ExitCode.PARTIAL),
        ([FAILED, FAILED], ExitCode.NOTHING),
        ([PARKED], ExitCode.PARKED),
        ([PARKED, PARKED], ExitCode.PARKED),
        ([PARKED, NO_NETWORK], ExitCode.NOTHING),
        ([NO_NETWORK], ExitCode.NETWORK),
        ([DONE, NO_NETWORK], ExitCode.PARTIAL),
        ([DONE, WAITING], ExitCode.PARTIAL),
        ([DONE, REFUSED], ExitCode.PARTIAL),
        ([DONE, MEDIA, videos(1)], ExitCode.PARTIAL),
        ([DONE, STOPPED], ExitCode.STORAGE),
        ([FAILED, STOPPED], ExitCode.STORAGE),
    ],
)
def test_a_run_ends_with(frames: list[Any], code: ExitCode) -> None:
    outcome = heard(*frames)
    assert outcome.exit_code is code
    # what only concerns chats or media cut nothing short
    assert outcome.cut_short is (ExitCode.COMPLETE if code in (ExitCode.PARTIAL, ExitCode.NOTHING) else code)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([DONE], ExitCode.COMPLETE),
        ([DONE, Fetched(1, 0)], ExitCode.COMPLETE),
        ([Fetched(0, 1)], ExitCode.INTERRUPTED),
        ([DONE, Fetched(1, 2)], ExitCode.INTERRUPTED),
        ([DONE, Fetched(1, 0), WAITING], ExitCode.INTERRUPTED),
        ([DONE, Fetched(1, 0), videos(1)], ExitCode.INTERRUPTED),
        ([DONE, FAILED, Fetched(1, 0)], ExitCode.PARTIAL),
        ([Fetched(0, 1), STOPPED], ExitCode.STORAGE),
    ],
)
def test_an_interrupted_run_ends_with(frames: list[Any], code: ExitCode) -> None:
    assert heard(*frames, interrupted=True).exit_code is code


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([], ExitCode.COMPLETE),
        ([DONE, Fetched(1, 0), WAITING, videos(1)], ExitCode.COMPLETE),
        ([DONE, Fetched(1, 0), REFUSED], ExitCode.PARTIAL),
        ([DONE, FAILED, Fetched(1, 0), WAITING], ExitCode.PARTIAL),
        ([DONE, STOPPED, WAITING], ExitCode.STORAGE),
    ],
)
def test_a_follower_that_is_stopped_ends_with(frames: list[Any], code: ExitCode) -> None:
    """To be stopped is its end."""
    assert heard(*frames, interrupted=True, follows=True).exit_code is code


@pytest.mark.parametrize(("code", "expected"), [(ExitCode.PARKED, ExitCode.PARKED), (ExitCode.NOTHING, ExitCode.PARTIAL)])
def test_a_chat_whose_messages_are_whole_and_its_annexes_not(code: ExitCode, expected: ExitCode) -> None:
    """In whatever order two processes tell it."""
    frames = DONE, ChatFailed("@d", DONE.marked_id, "its messages are whole, its stories not", "", code)
    for one in (heard(*frames, Fetched(1, 0)), heard(*frames[::-1], Fetched(1, 0))):
        assert (one.exit_code, one.complete, one.failed) == (expected, [], [frames[1]])
    assert heard(*frames, ChatEnded(1, 2, 9, 4, 0, 9), Fetched(2, 0)).exit_code is ExitCode.PARTIAL


@pytest.mark.parametrize(("fetched", "committed"), [(2, 1), (1, 0), (1, 2), (0, 1)])
def test_what_was_fetched_and_not_committed_is_no_complete_run(fetched: int, committed: int) -> None:
    outcome = heard(*[DONE] * committed, Fetched(fetched, 0))
    assert outcome.exit_code is ExitCode.INTERNAL
    assert outcome.stopped is not None
    assert outcome.stopped.reason == f"{fetched} chats were fetched, {committed} were committed"
    assert outcome.stopped.hint


def test_what_stopped_a_run_first_is_what_stopped_it() -> None:
    outcome = heard(STOPPED, Stopped("later", "", ExitCode.INTERNAL), Fetched(3, 0))
    assert outcome.stopped is STOPPED


def test_chats_are_counted_from_what_was_there_before_the_run() -> None:
    """However often its processes started again, and what they said before that does not count."""
    outcome = heard(ChatStarted(0, 1, "Chat", 9, 2), ChatEnded(0, 1, 5, 3, 0, 9), FAILED, Fetched(1, 7), Measured("", ""))
    outcome.begin_again()
    assert (outcome.ended, outcome.failed, outcome.left, outcome.fetched) == ([], [], 0, None)
    assert (outcome.restarts, outcome.measured, outcome.unmeasured) == (1, False, "")
    for frame in (ChatStarted(0, 1, "Chat", 9, 5), ChatEnded(0, 1, 9, 4, 0, 9), ChatEnded(1, 2, 9, 4, 0, 9)):
        outcome.receive(frame)
    assert [chat.new for chat in outcome.complete] == [7, 4]


def test_what_is_known_of_chats_and_of_the_metrics() -> None:
    outcome = heard(ChatStated(0, 1, {"count": 9}), Measured("telegram", ""))
    assert (outcome.statements, outcome.measured, outcome.bottleneck) == ({1: {"count": 9}}, True, "telegram")
    assert outcome.unmeasured == ""
    failed = heard(Measured("", "no room"))
    assert (failed.measured, failed.unmeasured) == (False, "no room")
    failed.begin_again()
    assert failed.unmeasured == ""
    assert heard().unmeasured == "collect did not finish"


def test_a_feed_keeps_the_newest_ends_and_counts_the_others() -> None:
    outcome = Outcome(fed=True)
    for number in range(1, MOST_KEPT + 6):
        outcome.receive(ChatStarted(number, number, "one", 9, 2))
        outcome.receive(ChatProgress(number, 9))
        outcome.receive(ChatStated(number, number, {}))
        outcome.receive(ChatEnded(number, number, 9, 7, 0, 9))
        outcome.receive(ChatFailed(f"@a{number}", 0, "why", "", ExitCode.NOTHING))
    outcome.check()
    assert (outcome.unlisted.complete, outcome.unlisted.failed) == (5, 5)
    assert len(outcome.complete) == len(outcome.failed) == len(outcome.statements) == MOST_KEPT
    assert (outcome.messages, outcome.new_messages) == ((MOST_KEPT + 5) * 9, (MOST_KEPT + 5) * 7)
    assert outcome.before == outcome.now == {}
    assert outcome.exit_code is ExitCode.PARTIAL


def test_of_ends_that_are_not_kept_those_count_that_did_not_fail_afterwards() -> None:
    outcome = Outcome(fed=True)
    for number in range(1, MOST_KEPT + 6):
        outcome.receive(ChatEnded(number, number, 9, 7, 0, 9))
        if number == MOST_KEPT:
            for failed in (3, -8, 10**9):
                outcome.receive(ChatFailed(f"@a{failed}", failed, "its comments", "", ExitCode.NOTHING))
    assert (outcome.unlisted.complete, outcome.unlisted.messages, outcome.unlisted.new) == (4, 4 * 9, 5 * 7)


def test_in_a_feed_the_same_chat_may_end_again() -> None:
    """Its beginning may come after its end, since two processes tell of them."""
    outcome = Outcome(fed=True)
    outcome.receive(ChatEnded(0, 1, 9, 4, 0, 9))
    outcome.receive(ChatStarted(0, 1, "one", 9, 5))
    outcome.receive(ChatStarted(1, 1, "one", 9, 9))
    outcome.receive(ChatEnded(1, 1, 10, 1, 0, 10))
    assert [one.new for one in outcome.complete] == [4, 1]
    assert not outcome.before


def test_a_follower_s_failure_is_over_when_a_turn_ends_without_it() -> None:
    """Also of a name that led to no chat, which no end of a chat takes back."""
    outcome = Outcome(follows=True)
    state = [FollowState(1, 0, 0, 0, 0, turn) for turn in range(4)]
    outcome.receive(ChatFailed("@away", 0, "this account may not read it", "", 4))
    for now in (state[1], state[1]):
        outcome.receive(now)
        assert [one.name for one in outcome.failed] == ["@away"]
    outcome.receive(ChatFailed("@away", 0, "this account may not read it", "", 4))
    outcome.receive(state[2])
    assert [one.name for one in outcome.failed] == ["@away"]
    outcome.receive(state[3])
    assert outcome.failed == []


def test_of_a_followed_chat_the_last_end_counts_and_what_failed_before_it_does_not() -> None:
    ends = [ChatEnded(0, chat, messages, 1, 0, 9) for chat, messages in ((1, 9), (2, 5), (1, 11))]
    failed = [ChatFailed(f"@{chat}", chat, "why", "", ExitCode.NOTHING) for chat in (1, 3)]
    outcome = heard(*failed, *ends, follows=True)
    assert [(one.marked_id, one.messages) for one in outcome.ended] == [(2, 5), (1, 11)]
    assert [one.marked_id for one in outcome.failed] == [3]
    assert [one.marked_id for one in heard(*failed, *ends).ended] == [1, 2, 1]


def test_what_a_feed_learnt_of_changes_is_counted_of_all_its_chats() -> None:
    told = [(ChatChanged(chat, 0, 2, 3, 4), ChatEnded(0, chat, 9, 1, 0, 9)) for chat in (1, 2, 1)]
    gone = heard(*(frame for pair in told for frame in pair), fed=True).unlisted
    assert (gone.edited, gone.deleted, gone.restored) == (6, 9, 12)


def test_what_was_learnt_of_chats_counts_once_whether_they_came_to_their_end_or_not() -> None:
    """What was told to be new of one that is opened later, too."""
    told = [ChatChanged(chat, 3, 5, 7, 9) for chat in (1, 1, 2)]
    outcome = heard(*told)
    assert (outcome.new_messages, outcome.edited, outcome.deleted, outcome.restored) == (9, 15, 21, 27)
    for frame in (ChatStarted(0, 1, "one", 20, 12), ChatProgress(0, 20), ChatEnded(0, 1, 20, 8, 0, 20)):
        outcome.receive(frame)
    assert (outcome.new_messages, outcome.edited, outcome.deleted, outcome.restored) == (17, 15, 21, 27)
    (ended,) = outcome.ended
    assert (ended.new, ended.edited, ended.deleted, ended.restored) == (14, 10, 14, 18)


def test_of_a_chat_of_a_feed_nothing_is_kept_but_its_end() -> None:
    outcome = Outcome(fed=True)
    for number in (1, 2):
        outcome.receive(ChatStarted(0, number, "one", 9, 2))
        assert outcome.new_messages == (number - 1) * 8
        outcome.receive(ChatChanged(number, 1, 2, 3, 4))
        outcome.receive(ChatProgress(0, 9))
        assert outcome.new_messages == number * 8
        outcome.receive(ChatEnded(0, number, 9, 7, 0, 9))
        assert outcome.new_messages == number * 8
        assert (outcome.edited, outcome.deleted, outcome.restored) == (number * 2, number * 3, number * 4)
        assert (outcome.before, outcome.now, outcome.changed) == ({}, {}, {})


def test_what_processes_said_of_their_numbers_ends_with_them() -> None:
    """Numbers of chats begin anew in those that are started after them; what is durable stays."""
    outcome = heard(ChatStarted(3, 7, "one", 90, 10), ChatProgress(3, 30))
    outcome.begin_again()
    assert outcome.new_messages == 20
    outcome.receive(ChatStarted(3, 8, "two", 9, 0))
    assert outcome.new_messages == 20
    outcome.receive(ChatProgress(3, 5))
    assert outcome.new_messages == 25
    outcome.begin_again()
    outcome.receive(ChatProgress(3, 6))
    assert outcome.new_messages == 25
    outcome.receive(ChatStarted(3, 9, "three", 9, 2))
    assert outcome.new_messages == 29


@pytest.mark.parametrize("again", [True, False])
def test_a_beginning_that_came_late_is_forgotten(again: bool) -> None:
    """The next chat of that number has its own, in the same processes or in others."""
    outcome = Outcome(fed=True)
    outcome.receive(ChatEnded(0, 1, 9, 4, 0, 9))
    if again:
        outcome.begin_again()
    else:
        outcome.receive(ChatStarted(0, 1, "one", 9, 5))
    outcome.receive(ChatStarted(0, 2, "two", 9, 5))
    outcome.receive(ChatEnded(0, 2, 9, 1, 0, 9))
    assert [one.new for one in outcome.ended] == [4, 4]


@pytest.mark.parametrize("fed", [True, False])
def test_processes_that_start_again_tell_of_chats_again_where_nothing_else_knows_them(fed: bool) -> None:
    outcome = Outcome(fed=fed)
    for frame in (DONE, FAILED):
        outcome.receive(frame)
    outcome.begin_again()
    assert (outcome.ended, outcome.failed) == (([DONE], [FAILED]) if fed else ([], []))


@pytest.mark.parametrize(("gaps", "short", "code"), [(1, 0, 3), (0, 1, 3), (0, 0, 0)])
def test_gaps_of_a_chat_that_is_not_kept_count(gaps: int, short: int, code: int) -> None:
    outcome = Outcome(fed=True)
    outcome.receive(ChatEnded(0, 1, 9, 4, 0, 9, gaps=gaps, short=short))
    for number in range(2, MOST_KEPT + 4):
        outcome.receive(ChatEnded(0, number, 9, 4, 0, 9))
    assert outcome.exit_code == code
    assert (outcome.ended[0].marked_id, outcome.ended[-1].marked_id) == (4, MOST_KEPT + 3)


def test_of_failures_the_newest_are_kept_and_the_codes_of_all() -> None:
    outcome = Outcome(fed=True)
    for number in range(MOST_KEPT):
        outcome.receive(ChatFailed(f"@{number}", 0, "a flood", "", ExitCode.PARKED))
    assert (outcome.unlisted.failed, outcome.exit_code) == (0, ExitCode.PARKED)
    for number in range(MOST_KEPT, 2 * MOST_KEPT):
        outcome.receive(ChatFailed(f"@{number}", 0, "no answer", "", ExitCode.NETWORK))
        assert len(outcome.failed) == MOST_KEPT
        assert outcome.failed[0].name == f"@{number - MOST_KEPT + 1}"
        assert outcome.exit_code is ExitCode.NOTHING
    assert outcome.unlisted.failed == MOST_KEPT


@pytest.mark.parametrize("step", [1, -1, 0])
def test_a_statement_is_kept_as_long_as_an_end_of_its_chat(step: int) -> None:
    outcome = Outcome(fed=True)
    chats = [MOST_KEPT + 1 + step * number for number in range(MOST_KEPT + 1)]
    for chat in chats:
        outcome.receive(ChatStated(0, chat, {}))
        outcome.receive(ChatEnded(0, chat, 9, 4, 0, 9))
    assert set(outcome.statements) == set(chats[1:])


def test_a_name_that_fails_again_has_failed_once_in_a_follower_and_twice_elsewhere() -> None:
    frames = FAILED, PARKED, ChatFailed("@a", 0, "why else", "", ExitCode.NOTHING)
    assert heard(*frames, follows=True).failed == [PARKED, frames[2]]
    assert heard(*frames).failed == list(frames)


def test_what_limited_a_run() -> None:
    assert [heard(Measured(what, "")).limited for what in ("Telegram's limit: for 84% of the time", "the disk", "")] == [
        True, False, False,
    ]


@pytest.mark.parametrize("again", [1, 2, 3])
def test_a_follower_forgets_of_a_chat_or_name_what_was_before_and_of_no_other(again: int) -> None:
    failed = [ChatFailed(f"@{number}", number + 10, "why", "", ExitCode.NOTHING) for number in (1, 2, 3)]
    ends = [ChatEnded(0, number + 20, 9, 1, 0, 9) for number in (1, 2, 3)]
    other = {1, 2, 3} - {again}
    twice = ChatFailed(f"@{again}", 99, "why", "", 4), ChatEnded(0, again + 20, 9, 1, 0, 9)
    outcome = heard(*failed, *ends, *twice, follows=True)
    assert [one.marked_id for one in outcome.failed] == [*(one + 10 for one in sorted(other)), 99]
    assert [one.marked_id for one in outcome.ended] == [*(one + 20 for one in sorted(other)), again + 20]
    outcome.receive(ChatEnded(0, 10 + max(other), 9, 1, 0, 9))
    assert [one.marked_id for one in outcome.failed] == [10 + min(other), 99]
