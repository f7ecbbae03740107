"""The names that expectations may use of what the house raises and sets aside."""

from __future__ import annotations

from typing import Final

from khaen import plugins

TECHNICAL_RULES: Final = frozenset(
    {
        "channel",
        "clock",
        "conflict",
        "origin",
        "outbox",
        "pipeline",
        "replay",
        "unreachable",
        "unreadable_call",
        "vouching",
    }
)
"""Alarms that ingest and the alarm program raise by themselves; a test holds this to their code."""
QUARANTINE_REASONS: Final = frozenset(
    {
        "bad_envelope",
        "bad_eui",
        "bad_event",
        "bad_gone",
        "bad_mic",
        "bad_status",
        "device_mismatch",
        "encrypted",
        "frame_failed",
        "gateway_mismatch",
        "newer_version",
        "not_its_device",
        "not_json",
        "not_lorawan",
        "not_protobuf",
        "origin_refused",
        "other_frame",
        "reading_failed",
        "replay_suspected",
        "unknown_address",
        "unknown_device",
        "unknown_event",
        "unknown_sender",
        "unknown_topic",
    }
)
"""Why ingest sets messages aside; a test holds this to its code."""


def care_rules() -> frozenset[str]:
    """The rules that can be added to: modules of alarms.rules, none of them imported."""
    return frozenset(plugins.names("alarms.rules"))
