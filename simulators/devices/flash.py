"""What simulated devices keep between two runs, as a file: counters and nonces, no keys.

A network server refuses a DevNonce or a frame counter that it saw; so would it a simulation that
began again from nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from khaen.errors import SettingsError
from khaen.ids import DevEui
from khaen.site.model import DevEuiField
from simulators.mac import Memory


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Device(_Part):
    dev_nonce: int = Field(ge=0, le=0x1_0000)
    f_cnt: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
    f_cnt_down: Annotated[int, Field(ge=0, le=0x1_0000_0000)]


class _Flash(_Part):
    v: Literal[1] = 1
    devices: dict[DevEuiField, _Device]


def read_memories(path: Path) -> dict[DevEui, Memory]:
    """What an earlier run left; nothing where there is no file.

    Raises SettingsError for a file that is none of ours, OSError where it cannot be read.
    """
    try:
        flash = _Flash.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise SettingsError(
            f"{path} does not hold the counters of simulated devices; "
            "delete it to begin anew, with other keys or a network server that forgets too"
        ) from error
    return {
        dev_eui: Memory(
            dev_nonce=device.dev_nonce, f_cnt=device.f_cnt, f_cnt_down=device.f_cnt_down
        )
        for dev_eui, device in flash.devices.items()
    }


def write_memories(path: Path, memories: Mapping[DevEui, Memory]) -> None:
    """Write the file whole or not at all. Raises OSError."""
    flash = _Flash(
        devices={
            dev_eui: _Device(
                dev_nonce=memory.dev_nonce, f_cnt=memory.f_cnt, f_cnt_down=memory.f_cnt_down
            )
            for dev_eui, memory in memories.items()
        }
    )
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(flash.model_dump_json(), encoding="ascii")
    scratch.replace(path)
