"""Calls that refer, cite, or show source code and its documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from markupsafe import Markup

from darkroom.press.content.addresses import anchor, name_anchor, way
from darkroom.press.content.call_kinds import CallWriter, Facts, Kind
from darkroom.press.content.calls import Choices, Unknown
from darkroom.press.content.docstring_html import DocstringWriter
from darkroom.press.content.documented import DocumentedItem
from darkroom.press.content.listings import NoSource, highlighted, listing_of, source_file, wrong_marks
from darkroom.press.content.mathtext import Target
from darkroom.press.content.outlines import Heading
from darkroom.press.content.references import Index
from darkroom.press.typeset.typography import escape


class RefCall(Kind):
    """A reference to a figure, a picture, a section or a formula."""

    word = "ref"
    choices: ClassVar[Choices] = {"short": str}

    @property
    def mentioned(self) -> str:
        return self.name

    def check(self, url: str, index: Index) -> None:
        index.target(self.name, url)

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        try:
            target = facts.index.target(self.name, url)
            yield repr((target, facts.index.names.get(target[0])))
        except Unknown as problem:
            yield str(problem)

    def html(self, writer: CallWriter) -> str:
        index, short = writer.facts.index, self.options.get("short")
        url, found = index.target(self.name, writer.url)
        suffix = "" if url == writer.url else f" of {writer.inline(index.names[url])}"
        if isinstance(found, Target):
            number = writer.inline(found.number)
            brief = {"ref": number, "eqref": f"({number})"}
            shown, target = brief.get(str(short), f"Equation&nbsp;({number})"), found.anchor
        elif isinstance(found, Heading):
            shown = f"Section&nbsp;{found.number}" if found.number else f"“{escape(found.text)}”"
            shown, target, suffix = (found.number if short == "ref" and found.number else shown), found.anchor, ""
        else:
            shown, target = str(found.number) if short == "ref" else f"Figure&nbsp;{found.number}", anchor(self.name)
        return f'<a class="ref" href="{way(writer.url, url)}#{target}">{shown}{suffix}</a>'


class CiteCall(Kind):
    """Works that are cited."""

    word = "cite"
    takes = (1, 99, "one name")
    choices: ClassVar[Choices] = {"text": bool}

    def check(self, url: str, index: Index) -> None:
        for key in self.names:
            index.entry(key)

    def html(self, writer: CallWriter) -> str:
        in_text = bool(self.options.get("text"))
        links = [writer.cite(writer.facts.index.entry(key), in_text) for key in self.names]
        return ", ".join(links) if in_text else f"({'; '.join(links)})"


class CodeCall(Kind):
    """The source of a function or a class, linked to the commit."""

    word = "code"
    is_block = True
    choices: ClassVar[Choices] = {"mark": str, "caption": str}
    links_to_source = True

    def check(self, url: str, index: Index) -> None:
        try:
            listing = listing_of(self.name, index.root)
        except NoSource as problem:
            raise Unknown(str(problem)) from None
        if wrong := wrong_marks(str(self.options.get("mark", "")), listing.last - listing.first + 1):
            raise Unknown(wrong)

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        path = source_file(self.name, facts.index.root)
        yield f"{facts.commit} {digest(path) if path else ''}"

    def html(self, writer: CallWriter) -> str:
        listing = listing_of(self.name, writer.facts.index.root)
        marks = f" {{{self.options['mark']}}}" if self.options.get("mark") else ""
        repository, commit = writer.facts.site.repository, writer.facts.commit
        lines = f"#L{listing.first}-L{listing.last}"
        is_linked = repository and commit and listing.path
        return writer.layout(
            "listing",
            listing=listing,
            link=f"{repository}/blob/{commit}/{listing.path}{lines}" if is_linked else "",
            caption=Markup(writer.caption),
            content=Markup(highlighted(listing.text + "\n", f"python{marks}")),
        )


class ReferenceCall(Kind):
    """The reference of modules, classes and functions: their signatures and docstrings, linked to the source."""

    word = "reference"
    is_block = True
    takes = (1, 99, "names of modules, classes or functions")
    links_to_source = True

    @property
    def documents(self) -> tuple[str, ...]:
        return self.names

    def check(self, url: str, index: Index) -> None:
        wrong = []
        for name in self.names:
            try:
                found = index.references[name].read(index.root)
            except NoSource as problem:
                raise Unknown(str(problem)) from None
            if not found.items:
                raise Unknown(f"{name} has no public functions or classes; name another module")
            wrong += [each for item in found.items for each in item.faults]
        if wrong:
            raise Unknown("; ".join(wrong))

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        yield facts.commit
        for each in facts.index.references.values():  # those of others are linked
            yield f"{each.name} {each.url}"
            yield from (digest(Path(file)) for file in each.files)

    def html(self, writer: CallWriter) -> str:
        return "\n".join(map(_Reference(writer, writer.level(self.call)).html, self.names))


class _Reference:
    """Writes the reference of modules; names that this or another page has the reference of are links."""

    def __init__(self, writer: CallWriter, level: int) -> None:
        self._writer, self._level, self._index = writer, level, writer.facts.index

    def html(self, name: str) -> str:
        found = self._index.references[name].read(self._index.root)
        return self._writer.layout(
            "reference",
            module=found.name if found.is_module else "",
            anchor=name_anchor(found.name),
            level=self._level,
            doc=Markup(self._doc(found.name, found.file, 1).docstring(found.doc)),
            items=[self._item(each) for each in found.items],
        )

    def _item(self, item: DocumentedItem) -> dict[str, Any]:
        scope = item.home if item.kind == "class" else item.home.rpartition(".")[0]
        repository, commit = self._writer.facts.site.repository, self._writer.facts.commit
        is_linked = repository and commit and item.path
        return {
            "name": item.name,
            "anchor": name_anchor(item.name),
            "short": item.short,
            "kind": item.kind,
            "signature": Markup(highlighted(item.signature + "\n", "python")),
            "link": f"{repository}/blob/{commit}/{item.path}#L{item.first}-L{item.last}" if is_linked else "",
            "doc": Markup(self._doc(scope, item.file, item.first).docstring(item.doc)),
            "members": [self._item(each) for each in item.members],
        }

    def _doc(self, scope: str, file: str, line: int) -> DocstringWriter:
        return DocstringWriter(
            lambda text: self._writer.inline(text, (file, line)), lambda target: self._href(target, scope)
        )

    def _href(self, target: str, scope: str) -> str:
        """Where the reference of a name is that a docstring in *scope*, a module or a class, writes."""
        parts = scope.split(".")
        for count in range(len(parts), -1, -1):
            if href := self._address(".".join([*parts[:count], target])):
                return href
        return ""

    def _address(self, name: str) -> str:
        for known, url in self._known:
            if name in known:
                return f"{way(self._writer.url, url)}#{name_anchor(known[name])}"
        return ""

    @cached_property
    def _known(self) -> list[tuple[Mapping[str, str], str]]:
        """The names that each reference of the site has, and its page."""
        found: list[tuple[Mapping[str, str], str]] = []
        for each in self._index.references.values():
            with suppress(NoSource):  # which is reported where it is called for
                found.append((each.read(self._index.root).known, each.url))
        return found


class CommandLineCall(Kind):
    """Every command of the program with what it takes."""

    word = "command_line"
    is_block = True
    takes = (0, 0, "nothing")
    shows_command_line = True

    def depends(self, url: str, facts: Facts, digest: Callable[[Path], str]) -> Iterator[str]:
        yield repr(facts.command_line.commands)
        yield from (digest(Path(file)) for file in facts.command_line.files)

    def html(self, writer: CallWriter) -> str:
        commands = writer.facts.command_line.commands
        return writer.layout("command_line", commands=commands, level=writer.level(self.call))
