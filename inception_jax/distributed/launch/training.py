"""What is launched, whatever it is launched on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
      arguments: of the program `inception-jax`.
      name: of jobs and machines, fit for DNS.
    """

    arguments: tuple[str, ...]
    name: str

    @property
    def command(self) -> tuple[str, ...]:
        """The program and its arguments."""
        return ("inception-jax", *self.arguments)


def name_of(workdir: PurePath) -> str:
    """A name fit for DNS, at most 40 letters, digits and hyphens, from the last part of `workdir`."""
    name = re.sub("[^a-z0-9]+", "-", workdir.name.lower()).strip("-")[:40].strip("-")
    return name if name[:1].isalpha() else f"run-{name}".strip("-")
