"""The peer cache: what it keeps, what it forgets, and a file that was spoilt."""
from __future__ import annotations

from pathlib import Path

import pytest

from tgbulk.stages.fetch import peer_cache
from tgbulk.stages.fetch.peer_cache import FREE_SECONDS, LINKS_SECONDS, USERNAME_SECONDS, Links, PeerCache
from tgbulk.stages.telegram.peer import PeerSummary

LOGIN = b"12345678"
NEWS = -1001234567890
GROUP = -1009876543210


def peer_summary(marked: int, *usernames: str, access_hash: int = 77, title: str = "News") -> PeerSummary:
    return PeerSummary(marked, access_hash, "channel", title, list(usernames), None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time, to be moved by hand: waiting a day for a mapping to age is no test."""
    now = [1_800_000_000]
    monkeypatch.setattr(peer_cache, "_now", lambda: now[0])
    return now


def filled(path: Path) -> PeerCache:
    cache = PeerCache(path, LOGIN)
    cache.learn([peer_summary(NEWS, "news", "NewsToday"), peer_summary(GROUP, access_hash=-5, title="Gruppe \N{OWL}")])
    cache.learn_links(NEWS, Links(None, None, GROUP))
    cache.learn_free("nobody")
    cache.save()
    return cache


def test_survives_a_restart(tmp_path: Path) -> None:
    filled(tmp_path / "main.peers")
    cache = PeerCache(tmp_path / "main.peers", LOGIN)
    news = cache.by_username("NEWSTODAY")
    assert news is not None
    assert (news.marked_id, news.access_hash, news.title) == (NEWS, 77, "News")
    assert cache.links(news) == Links(None, None, GROUP)
    group = cache.by_id(GROUP)
    assert group is not None
    assert (group.access_hash, group.title) == (-5, "Gruppe \N{OWL}")
    assert cache.is_free("Nobody")
    assert (cache.hits, cache.misses, cache.negative_hits) == (2, 0, 1)
    assert (tmp_path / "main.peers").stat().st_mode & 0o777 == 0o600


def test_another_login_begins_anew(tmp_path: Path) -> None:
    filled(tmp_path / "main.peers")
    cache = PeerCache(tmp_path / "main.peers", b"another!")
    assert len(cache) == 0
    assert cache.cold == ""


def test_a_username_that_moved_belongs_to_the_newest(tmp_path: Path) -> None:
    cache = filled(tmp_path / "main.peers")
    cache.learn([peer_summary(GROUP, "news")])
    moved = cache.by_username("news")
    assert moved is not None
    assert moved.marked_id == GROUP
    assert not cache.has_username(GROUP, "newstoday")


def test_a_username_given_up_is_not_found(tmp_path: Path) -> None:
    cache = filled(tmp_path / "main.peers")
    cache.learn([peer_summary(NEWS, "renamed")])
    assert cache.by_username("news") is None
    assert cache.by_username("renamed") is not None
    assert not cache.has_username(NEWS, "news")


def test_a_mapping_ages_and_a_hash_does_not(tmp_path: Path, clock: list[int]) -> None:
    cache = filled(tmp_path / "main.peers")
    clock[0] += USERNAME_SECONDS
    assert cache.by_username("news") is None
    assert cache.by_id(NEWS) is not None
    cache.learn([peer_summary(NEWS, "news")])
    assert cache.by_username("news") is not None


def test_a_free_name_is_asked_for_again_after_an_hour(tmp_path: Path, clock: list[int]) -> None:
    cache = filled(tmp_path / "main.peers")
    assert cache.is_free("nobody")
    clock[0] += FREE_SECONDS
    assert not cache.is_free("nobody")


def test_a_free_name_that_was_taken_is_not_free(tmp_path: Path) -> None:
    cache = filled(tmp_path / "main.peers")
    cache.learn([peer_summary(GROUP, "Nobody")])
    assert not cache.is_free("nobody")


def test_links_age(tmp_path: Path, clock: list[int]) -> None:
    cache = filled(tmp_path / "main.peers")
    clock[0] += LINKS_SECONDS
    news = cache.by_id(NEWS)
    assert news is not None
    assert cache.links(news) is None


def test_forgotten_is_gone_with_its_names(tmp_path: Path) -> None:
    cache = filled(tmp_path / "main.peers")
    cache.forget(NEWS)
    assert cache.by_id(NEWS) is None
    assert cache.by_username("news") is None


def test_size_is_bounded_and_the_newest_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_cache, "MOST", 10)
    cache = PeerCache(tmp_path / "main.peers", LOGIN)
    cache.learn(peer_summary(number, f"name{number}") for number in range(1, 31))
    cache.learn([peer_summary(21, "name21")])
    cache.learn(peer_summary(number) for number in range(31, 34))
    assert len(cache) == 10
    assert cache.evictions == 23
    assert cache.by_id(21) is not None
    assert cache.by_username("name1") is None


def test_cut_at_any_byte_it_is_cold(tmp_path: Path) -> None:
    filled(tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    for length in range(len(whole)):
        path = tmp_path / "cut"
        path.write_bytes(whole[:length])
        cache = PeerCache(path, LOGIN)
        assert cache.cold
        assert len(cache) == 0
        assert cache.by_id(NEWS) is None


def test_any_flipped_byte_makes_it_cold(tmp_path: Path) -> None:
    filled(tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    for place in range(len(whole)):
        path = tmp_path / "flipped"
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        cache = PeerCache(path, LOGIN)
        assert cache.cold
        assert len(cache) == 0
