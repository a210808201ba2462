"""help.getConfig, getNearestDc, getAppConfig."""
from __future__ import annotations

from datetime import UTC, datetime, timedelta

from telethon.tl import types
from telethon.tl.functions.help import GetAppConfigRequest, GetConfigRequest, GetNearestDcRequest

from tgbulk.perf.simdc.call import Call, serves

#: Files that may be loaded at once, below and above 20 MB.
SMALL_QUEUE, LARGE_QUEUE = 5, 2


@serves(GetConfigRequest, anonymous=True)
def get_config(call: Call, request: GetConfigRequest) -> types.Config:
    """Where the data centres are; the other numbers are those of a fresh account."""
    now = datetime.now(UTC)
    return types.Config(
        date=now, expires=now + timedelta(hours=1), test_mode=False, this_dc=call.dc_id,
        dc_options=_options(call),
        dc_txt_domain_name="", chat_size_max=200, megagroup_size_max=200_000, forwarded_count_max=100,
        online_update_period_ms=210_000, offline_blur_timeout_ms=5_000, offline_idle_timeout_ms=30_000,
        online_cloud_timeout_ms=300_000, notify_cloud_delay_ms=30_000, notify_default_delay_ms=1_500,
        push_chat_period_ms=60_000, push_chat_limit=2, edit_time_limit=172_800, revoke_time_limit=2**31 - 1,
        revoke_pm_time_limit=2**31 - 1, rating_e_decay=2_419_200, stickers_recent_limit=200,
        channels_read_media_period=604_800, call_receive_timeout_ms=20_000, call_ring_timeout_ms=90_000,
        call_connect_timeout_ms=30_000, call_packet_timeout_ms=10_000, me_url_prefix="https://t.me/",
        caption_length_max=1_024, message_length_max=4_096, webfile_dc_id=call.dc_id,
    )


def _options(call: Call) -> list[types.DcOption]:
    ledger, listed = call.ledger, call.ledger.listed
    found = [(dc_id, *place) for places in (ledger.addresses, ledger.addresses6) for dc_id, place in places.items()]
    options = [types.DcOption(dc_id, host, port, ipv6=":" in host) for dc_id, host, port in found]
    return [option for option in options if not listed or option.ipv6 == (listed == "6")]


@serves(GetNearestDcRequest, anonymous=True)
def get_nearest_dc(call: Call, request: GetNearestDcRequest) -> types.NearestDc:
    """This one."""
    return types.NearestDc("ZZ", call.dc_id, call.dc_id)


@serves(GetAppConfigRequest, anonymous=True)
def get_app_config(call: Call, request: GetAppConfigRequest) -> types.help.AppConfig:
    """What bounds downloads."""
    numbers = {
        "small_queue_max_active_operations_count": SMALL_QUEUE,
        "large_queue_max_active_operations_count": LARGE_QUEUE,
        "upload_premium_speedup_download": 10,
    }
    values = [types.JsonObjectValue(name, types.JsonNumber(float(number))) for name, number in numbers.items()]
    return types.help.AppConfig(1, types.JsonObject(values))
