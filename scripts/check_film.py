"""What this machine can do with films: ffmpeg and each render node."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from scripts.check import Check, State
from stages.transcode.capability import Status, VaapiCapabilities
from stages.transcode.config import TranscodeConfig
from stages.transcode.detect import choose, detect
from stages.transcode.main import describe
from stages.transcode.tool import Tools, find_tools

_ENCODERS = ("libx264", "h264_vaapi", "aac")
_LOOKED_FOR = {Status.FORCED_CPU, Status.NO_DEVICE, Status.NO_FFMPEG}


def check_films(config: TranscodeConfig) -> Iterator[Check]:
    """None of this keeps an export from running: films stay as they are."""
    tools = find_tools(config)
    yield _ffmpeg(tools)
    yield _ffprobe(tools)
    tried = list(detect(config, tools))
    for one in tried:
        yield _node(one)
    chosen = choose(tried)
    facts = {"encoder": "h264_vaapi" if chosen.usable else "libx264" if "libx264" in tools.encoders else None}
    line = describe(chosen, tools)
    yield Check("films", State.OK if facts["encoder"] else State.NOTE, line.removeprefix("films "), facts=facts)


def _ffmpeg(tools: Tools) -> Check:
    if not tools.ffmpeg:
        return Check("ffmpeg", State.NOTE, tools.problem, "Install ffmpeg.", facts={"path": None})
    encoders = [name for name in _ENCODERS if name in tools.encoders]
    missing = [name for name in _ENCODERS if name not in tools.encoders]
    facts = {"path": tools.ffmpeg, "version": tools.version, "encoders": encoders, "tone_maps": tools.tone_maps}
    text = f"{tools.version} ({tools.ffmpeg}) with {', '.join(encoders) or 'no encoder of use'}"
    if missing:
        text += f", without {', '.join(missing)}"
    if not tools.tone_maps:
        text += ", without zscale, so that HDR films stay as they are"
    right = {"libx264", "aac"} <= set(encoders) and tools.tone_maps
    hint = "" if right else "Install a build with libx264 and zscale; the distributions' packages have both as a rule."
    return Check("ffmpeg", State.OK if right else State.NOTE, text, hint, facts=facts)


def _ffprobe(tools: Tools) -> Check:
    facts = {"path": tools.ffprobe or None, "version": tools.probe_version or None}
    if tools.ffprobe:
        return Check("ffprobe", State.OK, f"{tools.probe_version} ({tools.ffprobe})", facts=facts)
    text = "it is missing; ffmpeg's own words serve instead, which leave out levels and streams' durations"
    return Check("ffprobe", State.NOTE, text, "Install ffprobe; it comes with ffmpeg's package.", facts=facts)


def _node(found: VaapiCapabilities) -> Check:
    facts = asdict(found) | {"status": str(found.status), "error_class": str(found.error_class)}
    if found.status in _LOOKED_FOR:
        # No GPU is what most servers have; one that is forbidden or not built in may be a mistake.
        state = State.NOTE if found.status is Status.NO_FFMPEG else State.OK
        return Check("GPU", state, f"none is used: {found.reason}", found.hint, facts=facts)
    words = [found.driver or found.driver_name or found.vendor, found.reason]
    if found.usable:
        size = found.size
        words.append(f"{size.min_width}x{size.min_height} to {size.max_width}x{size.max_height}")
        words += [f"rate control {', '.join(found.rate_modes)}"] if found.rate_modes else []
        words += ["low power only"] if found.low_power_only else []
    text = "; ".join(word for word in words if word)
    return Check(f"GPU {found.node}", State.OK if found.usable else State.NOTE, text, found.hint, facts=facts)
