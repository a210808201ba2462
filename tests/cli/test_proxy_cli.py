"""Through real proxies, and to nobody else: the simulated data centre lets in only what comes from theirs."""
from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import Tgbulk, at_home
from support.exporter import wrong
from support.proxies import KINDS, PASSWORD, SECRET, SOURCE, USER, RunningProxy
from tgbulk.perf.simdc.launcher import SimDC


@pytest.fixture(scope="module")
def dc() -> Iterator[SimDC]:
    with SimDC("--files=few=5x3000") as running:
        yield running


@pytest.fixture(scope="module")
def home(dc: SimDC, tmp_path_factory: pytest.TempPathFactory) -> Tgbulk:
    tgbulk = at_home(dc, tmp_path_factory.mktemp("home"))
    with RunningProxy("http", dc) as proxy:
        dc.control("set", only_from=SOURCE)
        assert tgbulk.login(0, "--proxy", proxy.url).returncode == 0
    return tgbulk


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_account_through_a_proxy(home: Tgbulk, tmp_path: Path, kind: str) -> None:
    dc, archive = home.dc, tmp_path / "archive"
    dc.control("truth", folder=str(tmp_path / "truth"), account=0)
    dc.control("reset")
    with RunningProxy(kind, dc) as proxy:
        words = ["export", "--all", "-o", str(archive), "--quiet", "--media", "document", "--max-size", "4k"]
        done = home(*words, TGBULK_PROXY=proxy.url)
    assert done.returncode == 0, done.stderr
    chats = [int(folder.name) for folder in (archive / "chats").iterdir()]
    assert len(chats) > 10
    assert wrong(archive, tmp_path / "truth" / "0", chats) == {}
    assert len(list((archive / "media").rglob("*.*"))) >= 5
    assert dc.counters()["strangers"] == 0
    assert not leaks(archive, done.stdout + done.stderr)


def leaks(archive: Path, said: str) -> list[str]:
    """Where a secret of a proxy stands."""
    words = [word.encode() for word in (USER, PASSWORD, PASSWORD.replace(":", "%3A"), SECRET)]
    texts = {str(path): path.read_bytes() for path in archive.rglob("*") if path.is_file()} | {"said": said.encode()}
    return [name for name, text in texts.items() if any(word in text for word in words)]


def test_a_proxy_that_fails_is_never_passed_by(home: Tgbulk, tmp_path: Path) -> None:
    home.dc.control("reset")
    with RunningProxy("socks5", home.dc) as proxy:
        url = proxy.url
        bad = home("export", "@sim_few", "-o", str(tmp_path / "a"), "--proxy", url.replace("s3cret", "other"))
        assert bad.returncode == 7, bad.stderr
        assert "the proxy gives no connection" in bad.stderr
    gone = home("export", "@sim_few", "-o", str(tmp_path / "a"), "--proxy", url)
    assert gone.returncode == 7, gone.stderr
    assert "Could not connect to proxy" in gone.stderr
    assert USER not in bad.stderr + gone.stderr
    assert home.dc.counters()["strangers"] == 0


def test_a_run_is_repeated_through_the_same_proxy_or_not_at_all(home: Tgbulk, tmp_path: Path) -> None:
    with RunningProxy("socks4", home.dc) as proxy:
        first = home("export", "@sim_few", "-o", str(tmp_path / "open"), "--quiet", "--proxy", proxy.url)
        assert first.returncode == 0, first.stderr
        home.dc.control("reset")
        again = home("export", str(tmp_path / "open"), "--again", "--quiet")
        assert again.returncode == 0, again.stderr
    with RunningProxy("http", home.dc) as proxy:
        job = tmp_path / "job.toml"
        job.write_text(f'chats = ["@sim_few"]\nproxy = "${{MY_PROXY}}"\noutput = "{tmp_path / "secret"}"\n')
        first = home("export", "--job", str(job), "--quiet", MY_PROXY=proxy.url)
        assert first.returncode == 0, first.stderr
        again = home("export", str(tmp_path / "secret"), "--again", "--quiet")
        assert again.returncode == 2
        assert "give --proxy again" in again.stderr
        shown = home("job", "show", str(job), MY_PROXY=proxy.url)
        assert json.loads(shown.stdout)["proxy"].startswith("http://***@")
        bad = home("job", "check", str(job), MY_PROXY="gopher://someone@h")
        assert bad.returncode == 2
        assert f"{job}, line 2, column 1" in bad.stderr
        assert USER not in bad.stderr
    assert home.dc.counters()["strangers"] == 0


def test_each_account_by_its_own_proxy(home: Tgbulk, tmp_path: Path) -> None:
    """config.toml beside the sessions; ALL_PROXY is the last place."""
    with RunningProxy("socks5", home.dc) as proxy:
        config = home.home / "config.toml"
        config.touch(0o600)
        config.write_text(f'proxy = "socks5://127.0.0.1:1"\n[accounts.main]\nproxy = "{proxy.url}"\n')
        try:
            done = home("doctor", "--online", "--json", ALL_PROXY="socks5://127.0.0.1:2")
            found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}["server"]
            assert found["state"] == "ok", found
            assert found["facts"]["proxy"] == f"socks5://***@127.0.0.1:{proxy.port}"
            assert abs(found["facts"]["skew"]) < 25
            other = home("doctor", "--online", "--account", "other")
            assert "through socks5://127.0.0.1:1 cannot be used: the proxy gives no connection" in other.stdout
        finally:
            config.unlink()
        done = home("doctor", "--online", ALL_PROXY=proxy.url)
        assert "answers in" in done.stdout
        assert done.returncode == 0, done.stdout
        # nobody has to be logged in to see whether there is a way
        nobody = home("doctor", "--online", "--account", "nobody", TGBULK_PROXY=proxy.url)
        assert "answers in" in nobody.stdout


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="this machine has no IPv6")
@pytest.mark.parametrize("listening", ["4", "6", "both"])
def test_families_of_addresses(tmp_path: Path, listening: str) -> None:
    with SimDC("--ip", listening, "--files=few=5x3000") as dc:
        tgbulk = at_home(dc, tmp_path)
        assert tgbulk.login().returncode == 0
        if listening != "both":
            other = "4" if listening == "6" else "6"
            done = tgbulk("doctor", "--online", "--ip", other)
            assert done.returncode == 7, done.stdout
            assert f"has only IPv{listening} addresses, and --ip {other} allows no other" in done.stdout
        media = ("@sim_few", "--media", "all", "--quiet")
        done = tgbulk("export", *media, "-o", str(tmp_path / "a"), TGBULK_IP="6" if listening == "both" else listening)
        assert done.returncode == 0, done.stderr
        if listening == "both":
            dc.control("set", listed="4")
            # The files' data centre is known by IPv4 alone.
            done = tgbulk("export", *media, "-o", str(tmp_path / "short"), "--ip", "6")
            assert done.returncode in (3, 7), done.stderr
            assert "data centre 4 of" in done.stderr
            assert "--ip 6 allows no other" in done.stderr
