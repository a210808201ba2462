"""Is an output what it should be? An exit code of 0 does not say so: half a film is copied and encoded without complaint."""
from __future__ import annotations

from stages.transcode.failure import Failure
from stages.transcode.media import Media
from stages.transcode.policy import PIXEL_FORMATS, Action, Plan

#: Seconds, and share of the whole, by which an output may be shorter or longer.
TOLERANCE_SECONDS, TOLERANCE_SHARE = 0.5, 0.02


def verify(source: Media, plan: Plan, action: Action, output: Media) -> tuple[Failure, str] | None:
    """None when the output is right; else (kind, what is wrong)."""
    video = output.video
    assert source.video is not None
    assert plan.picture is not None
    if video is None or video.codec != "h264" or output.others:
        return Failure.RUNTIME, "the output is not one film in H.264"
    if video.pix_fmt not in PIXEL_FORMATS:
        return Failure.RUNTIME, f"the output has pixels in {video.pix_fmt}"
    wanted = (source.video.width, source.video.height)
    if action is Action.TRANSCODE:
        wanted = (plan.picture.width, plan.picture.height)
    if (video.width, video.height) != wanted:
        return Failure.RUNTIME, f"the output is {video.width}x{video.height}, not {wanted[0]}x{wanted[1]}"
    if (output.audio is None) != (plan.sound is None):
        return Failure.DAMAGED, "the output has no sound" if plan.sound else "the output has sound, the original has none"
    if not source.lengths or any(
        abs(output.seconds - length) <= max(TOLERANCE_SECONDS, TOLERANCE_SHARE * length) for length in source.lengths
    ):
        return None  # where nothing says how long it should be, anything is right
    return Failure.DAMAGED, f"the source is damaged: {output.seconds:.1f} s of {source.seconds:.1f} s could be read"
