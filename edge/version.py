"""Which Khaen this is."""

from importlib import metadata


def find_version() -> str:
    """The installed version of Khaen."""
    try:
        return metadata.version("khaen")
    except metadata.PackageNotFoundError:
        return "unknown"
