"""The commands that README.md tells people to type, so that tests type the same."""

import re

from tests.support.programs import ROOT


def shell_blocks() -> list[str]:
    """The shell blocks, in order."""
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)


def block_with(words: str) -> str:
    """The one block that holds these words."""
    (found,) = (block for block in shell_blocks() if words in block)
    return found
