"""What every kind of call has, and what calls are given of a site and of the page that is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from darkroom.press.content.calls import Call, PageCall
from darkroom.press.content.catalogue import Catalogue, StoredExperiment
from darkroom.press.content.command_line import CommandLine
from darkroom.press.content.references import Index
from darkroom.press.content.settings import SiteSettings
from darkroom.press.content.works import Entry

if TYPE_CHECKING:
    from darkroom.press.content.deliverables import AssessedList


class Facts(Protocol):
    """What is known of a site when its pages are rendered.

    ``damaged`` says what is wrong with figures, and with the records of experiments, by name; ``raw`` are the addresses
    of result files; ``commit`` is that of the project, or "".
    """

    @property
    def site(self) -> SiteSettings: ...
    @property
    def index(self) -> Index: ...
    @property
    def damaged(self) -> Mapping[str, str]: ...
    @property
    def raw(self) -> Mapping[str, str]: ...
    @property
    def commit(self) -> str: ...
    @property
    def deliverables(self) -> Sequence[AssessedList]: ...
    @property
    def command_line(self) -> CommandLine: ...


class Figures(Protocol):
    """The figures, pictures and records of a page, as HTML; *shown* is the ``FigureCall`` or ``PictureCall``."""

    def figure(self, shown: Any) -> str: ...
    def picture(self, shown: Any, caption: str) -> str: ...
    def records(self, shown: Iterable[StoredExperiment]) -> str: ...


class CallWriter(Protocol):
    """The writer of a page; *caption* is that of the call being written, as HTML.

    ``inline`` is a short text with formulas, which stands at *place*, a file and a line, if that is not the page;
    ``level`` is that of a heading that a call writes, below the section that it is in.
    """

    url: str
    caption: str

    @property
    def facts(self) -> Facts: ...
    @property
    def figures(self) -> Figures: ...
    def inline(self, text: str, place: tuple[str, int] | None = None) -> str: ...
    def level(self, call: Call) -> int: ...
    def cite(self, entry: Entry, in_text: bool) -> str: ...
    def layout(self, name: str, **values: Any) -> str: ...


class Kind(PageCall):
    """What every kind of call has."""

    is_value: ClassVar[bool] = False
    """Whether it shows a number of an experiment."""
    links_to_source: ClassVar[bool] = False
    """Whether what it shows is linked to the source at a commit."""
    shows_command_line: ClassVar[bool] = False
    """Whether it shows the commands and options of the program."""

    @property
    def shown(self) -> str:
        """The figure or picture that it shows, or ""."""
        return ""

    @property
    def mentioned(self) -> str:
        """The figure that it refers to, or ""."""
        return ""

    @property
    def documents(self) -> tuple[str, ...]:
        """The modules, classes and functions that it is the reference of."""
        return ()

    def experiment(self, catalogue: Catalogue) -> StoredExperiment | None:
        """The experiment whose outputs it shows."""
        return None

    def experiments(self, catalogue: Catalogue) -> tuple[StoredExperiment, ...]:
        """Every experiment on whose outputs it depends."""
        found = self.experiment(catalogue)
        return (found,) if found else ()

    def check(self, url: str, index: Index) -> None:
        """Check that what it names exists; *url* is the address of its page.

        Raises:
            Unknown: it is not; the message has the nearest that is.
            NotRun: it waits for an experiment.
        """

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        """All that its HTML depends on, as text; *digest* gives the sha256 of a file."""
        yield from ()

    def html(self, writer: CallWriter) -> str:
        """What it becomes.

        Raises:
            Unknown: what it names is not there.
        """
        raise NotImplementedError
