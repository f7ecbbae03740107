"""Logs: one line per event, its name in the past tense, then fields (logfmt).

`uplink_committed dev_eui=… f_cnt=…`. Payloads, keys and people's data are never fields.
"""

from __future__ import annotations

import logging
import sys

import structlog

Logger = structlog.stdlib.BoundLogger


def configure(*, level: str = "INFO", program: str) -> None:
    """Set up logging of a program on standard error, once, at start."""
    shared: list[structlog.typing.Processor] = [
        _name(program),
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
    ]
    render = structlog.processors.LogfmtRenderer(
        key_order=["at", "level", "program", "event"],
        drop_missing=True,
        bool_as_flag=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)
    # It tells of each look at the ledger's shape, at the start of every program.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def set_level(level: str) -> None:
    """Leave out what is below `level`, from now on, in every module."""
    logging.getLogger().setLevel(level)


def _name(program: str) -> structlog.typing.Processor:
    def add(
        _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["program"] = program
        return event

    return add


def logger() -> Logger:
    """The logger of a module."""
    return structlog.stdlib.get_logger()
