"""A capture: what passed by, message by message, as it was and when it was (docs/captures.md)."""

from khaen.capture.block import CaptureError
from khaen.capture.header import Header
from khaen.capture.parts import Limits, PartWriter, list_parts, megabytes
from khaen.capture.reader import Findings, Reader
from khaen.capture.record import Record, Road
from khaen.capture.writer import CaptureFull, Writer

__all__ = [
    "CaptureError",
    "CaptureFull",
    "Findings",
    "Header",
    "Limits",
    "PartWriter",
    "Reader",
    "Record",
    "Road",
    "Writer",
    "list_parts",
    "megabytes",
]
