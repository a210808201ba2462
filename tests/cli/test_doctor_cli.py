from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.command import Tgbulk
from tgbulk.engine.error import ExitCode


def checks(tgbulk: Tgbulk, *options: str, code: ExitCode = ExitCode.COMPLETE, **variables: str) -> dict[str, Any]:
    """Name -> check, as programs get them."""
    ended = tgbulk("doctor", "--json", *options, **variables)
    assert ended.returncode == code, ended
    answer = json.loads(ended.stdout)
    assert (answer["ready"], answer["exit_code"]) == (code == 0, code)
    assert {check["state"] for check in answer["checks"]} <= {"ok", "note", "bad"}
    return {check["name"]: check for check in answer["checks"]}


@pytest.mark.usefixtures("logged_in")
def test_a_machine_that_can_export(tgbulk: Tgbulk) -> None:
    found = checks(tgbulk)
    assert {name for name, check in found.items() if check["state"] == "bad"} == set()
    assert found["account main"]["facts"]["user_id"] > 0
    machine = {"versions", "cryptg", "cores", "memory", "shared memory", "open files", "disk", "clock"}
    assert machine | {"ffmpeg", "ffprobe", "videos"} <= set(found)
    assert any(name.startswith("GPU") for name in found)
    assert "server" not in found
    ended = tgbulk("doctor")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("\nAn export can run.\n")


def test_the_server_is_asked_on_request(tgbulk: Tgbulk) -> None:
    tgbulk.login()
    server = checks(tgbulk, "--online")["server"]
    assert (server["state"], abs(server["facts"]["skew"]) < 5) == ("ok", True)
    path, stale = tgbulk.session, tgbulk.session.read_bytes()
    tgbulk("logout")
    path.touch(0o600)
    path.write_bytes(stale)
    assert checks(tgbulk)["account main"]["state"] == "ok"  # a file cannot know that its login has ended
    assert checks(tgbulk, "--online", code=ExitCode.AUTH)["server"]["code"] == ExitCode.AUTH


def test_no_session(tgbulk: Tgbulk) -> None:
    account = checks(tgbulk, code=ExitCode.AUTH)["account main"]
    assert (account["state"], account["hint"]) == ("bad", "tgbulk login")
    ended = tgbulk("doctor")
    assert ended.stdout.splitlines()[-1].startswith("An export cannot run. account main: there is no session in ")


@pytest.mark.usefixtures("logged_in")
def test_a_session_that_others_can_read(tgbulk: Tgbulk) -> None:
    tgbulk.session.chmod(0o644)
    account = checks(tgbulk, code=ExitCode.STORAGE)["account main"]
    assert "others can read it (mode 0644)" in account["text"]
    assert "chmod 600 " in account["hint"]


def test_no_api_id(tgbulk: Tgbulk) -> None:
    found = checks(tgbulk, code=ExitCode.USAGE, TGBULK_SERVER="")
    assert found["API id"]["text"] == "TELEGRAM_API_ID and TELEGRAM_API_HASH not set"


@pytest.mark.usefixtures("logged_in")
def test_a_folder_that_cannot_take_an_archive(tgbulk: Tgbulk) -> None:
    (tgbulk.home / "file").touch()
    assert checks(tgbulk, "-o", "file/x", code=ExitCode.STORAGE)["disk"]["text"].endswith(" is no folder")
    assert checks(tgbulk, "-o", "new/archive")["disk"]["facts"]["folder"] == str(tgbulk.home)


@pytest.mark.usefixtures("logged_in")
def test_no_ffmpeg_at_all(tgbulk: Tgbulk, tmp_path: Path) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "ffmpeg").write_text("#!/bin/sh\necho 'ffmpeg: error while loading shared libraries: x' >&2; exit 127\n")
    (broken / "ffmpeg").chmod(0o755)
    found = checks(tgbulk, PATH=str(broken))
    assert (found["ffmpeg"]["state"], found["ffprobe"]["state"], found["GPU"]["state"]) == ("note", "note", "note")
    assert "does not run: ffmpeg ended with status 127" in found["ffmpeg"]["text"]
    assert found["videos"]["text"].startswith("stay as they are: ")


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs the system's ffmpeg, which has VA-API")
@pytest.mark.usefixtures("logged_in")
def test_the_gpu_that_was_named(tgbulk: Tgbulk) -> None:
    found = checks(tgbulk, VAAPI_DEVICE_PATH="/dev/dri/renderD200")
    node = found["GPU /dev/dri/renderD200"]
    assert (node["state"], node["facts"]["status"], node["facts"]["error_class"]) == ("note", "error", "no_device")
    assert node["text"] == "there is no such device (ENOENT)"
    assert node["hint"].startswith("Is there a GPU")
    assert found["videos"]["text"] == "are encoded on the CPU: there is no such device (ENOENT) (/dev/dri/renderD200)"
    flag = checks(tgbulk, "--vaapi-device", "/dev/null/x", VAAPI_DEVICE_PATH="/dev/dri/renderD200")
    assert "GPU /dev/null/x" in flag
    forced = checks(tgbulk, FORCE_CPU_TRANSCODE="yes", VAAPI_DEVICE_PATH="/dev/dri/renderD200")
    assert forced["GPU"]["text"] == "none is used: FORCE_CPU_TRANSCODE is set"
    assert tgbulk("doctor", FORCE_CPU_TRANSCODE="perhaps").returncode == ExitCode.USAGE
