"""A stand-in for ffmpeg that does what a test tells it, for what real ffmpeg cannot be made to do at will."""
from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from tgbulk.stages.transcode.detection import LOOK_BYTES
from tgbulk.stages.transcode.ffmpeg import TRIAL_FRAMES

_SCRIPT = '''
import json, os, shutil, signal, subprocess, sys, time
folder, looks = {folder!r}, {looks}
argv = sys.argv[1:]
say = lambda text: os.write(2, text.encode() + b"\\n")
if "-version" in argv:
    print("ffmpeg version 5.1.9-standin")
elif "-encoders" in argv:
    print(" V..... h264_vaapi x\\n V..... libx264 x")
elif "-filters" in argv:
    print(" ... zscale V->V x\\n ... tonemap V->V x")
elif argv[-2] == "-i":
    os.execv({real!r}, argv)  # a question about a file
if argv[-1] in ("-version", "-encoders", "-filters"):
    sys.exit()
if argv[-1] == "pipe:1":
    os.write(1, b"\\x80" * looks)
    sys.exit()
hardware, trial = "-init_hw_device" in argv, "lavfi" in argv
if hardware:
    assert "-filter_hw_device" in argv and "hwupload" in argv[argv.index("-vf") + 1] and "-preset" not in argv
kind = ("tiny" if "s=16x16" in " ".join(argv) else "trial") if trial else "hardware" if hardware else "cpu"
kind = "copy" if "-c:v" in argv and argv[argv.index("-c:v") + 1] == "copy" else kind
kind = "decode" if "-hwaccel" in argv else kind
with open(folder + "/calls", "a+") as file:
    file.seek(0)
    before = sum(json.loads(line)[0] == kind for line in file)
    file.write(json.dumps([kind, argv]) + "\\n")
scenario = json.load(open(folder + "/scenario")).get(kind, ["ok"])
what, _, text = scenario[min(before, len(scenario) - 1)].partition(":")
output = argv[-1].removeprefix("file:")
progress = lambda frame, end="continue": print(f"frame={{frame}}\\nout_time_us=N/A\\nprogress={{end}}", flush=True)
progress(1)
if what == "hang":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("will not stop")
    while True:
        time.sleep(60)
if what == "slow":
    for frame in range(2, 200):
        progress(frame)
        time.sleep(0.05)
if what in ("half", "full"):
    shutil.copyfile(folder + "/good.mp4", output)
    os.truncate(output, 1000)
if what in ("say", "half", "full"):
    say(text)
    sys.exit(1)
if what == "abort":
    os.abort()
if what == "flood":
    for _ in range(160):
        say("x" * 65536)
if what == "child":
    child = subprocess.Popen(["sleep", "1000"])
    open(folder + "/child", "w").write(str(child.pid))
if what == "index":
    for number in range(40):
        open(output, "ab").write(b"x")
        time.sleep(0.05)
if what == "empty":
    open(output, "w").close()
elif what != "nothing":
    shutil.copyfile(folder + ("/short.mp4" if what == "short" else "/good.mp4"), output)
progress(10, "end")
'''


class Standin:
    """`real`: ffmpeg itself; `good`: what a job that goes well makes; `short`: what one of half a video makes."""

    def __init__(self, folder: Path, real: str, good: Path, short: Path) -> None:
        self.folder = folder
        shutil.copyfile(good, folder / "good.mp4")
        shutil.copyfile(short, folder / "short.mp4")
        self.ffmpeg = folder / "ffmpeg"
        script = _SCRIPT.format(folder=str(folder), real=real, looks=LOOK_BYTES * TRIAL_FRAMES)
        self.ffmpeg.write_text(f"#!{sys.executable} -S\n{script}")
        self.ffmpeg.chmod(0o755)
        self.will()

    def will(self, **scenario: str | list[str]) -> None:
        """trial, tiny, hardware, decode, cpu, copy: what each call of that kind does; the last goes on."""
        steps = {kind: [what] if isinstance(what, str) else what for kind, what in scenario.items()}
        (self.folder / "scenario").write_text(json.dumps(steps))

    @property
    def kinds(self) -> list[str]:
        """What it was called for, so far."""
        calls = self.folder / "calls"
        return [json.loads(line)[0] for line in calls.read_text().splitlines()] if calls.exists() else []
