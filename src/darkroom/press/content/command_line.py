"""The command line as its parser describes it, handed to the press by who knows the parser."""

from __future__ import annotations

import msgspec


class OptionHelp(msgspec.Struct, frozen=True):
    """An argument or an option: its names or what stands for it, its value as help names it, and what it does."""

    names: tuple[str, ...]
    value: str
    says: str

    @property
    def shown(self) -> str:
        """As it is written."""
        return " ".join([", ".join(self.names), *([self.value] if self.value else [])])


class CommandHelp(msgspec.Struct, frozen=True):
    """A command: its name, "" for the program itself, what it does, a call of it, and what it takes."""

    name: str
    says: str
    call: str
    options: tuple[OptionHelp, ...]


class CommandLine(msgspec.Struct, frozen=True):
    """All commands; ``files`` are those that define them."""

    commands: tuple[CommandHelp, ...] = ()
    files: tuple[str, ...] = ()
