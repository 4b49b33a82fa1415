"""What published files of figures say in their metadata: the experiment, its key and commit, and the address of the figure.

A file is stamped when a page is rendered that it was not in before; what came of it is remembered with the page. The bytes
of small files are kept until they are written, so that they are read once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from darkroom.core import containers
from darkroom.core.manifest import FIGURES, Manifest, StoredFile
from darkroom.core.paths import read_file
from darkroom.core.stamp import SHORT, VERSION, Stamp, written
from darkroom.press.content.addresses import anchor, encoded
from darkroom.press.content.catalogue import Catalogue
from darkroom.press.content.references import Spot
from darkroom.press.rendering.captions import FileUse, target_of

STAMPED = frozenset({"png", "gif", "webp", "svg", "jpg", "jpeg", "mp4", "avif"})
_KEPT = 64 << 20  # bytes of files that are kept until they are written
_SMALL = 64 << 10  # bytes of one that is


class Stamps:
    """The stamps of a site's files.

    Args:
        outputs: the folder of outputs.
        catalogue: of the experiments in it.
        spots: where pages show figures, by name.
        base_url: the site's address, or "".
        rule: a digest of the code that puts stamps in.
        known: the files of pages by their addresses, as the last build published them.
    """

    def __init__(
        self,
        outputs: Path,
        catalogue: Catalogue,
        spots: Mapping[str, Sequence[Spot]],
        base_url: str,
        rule: str,
        known: Mapping[str, Sequence[FileUse]],
    ) -> None:
        self._outputs, self._catalogue, self._spots, self._base_url = os.fspath(outputs), catalogue, spots, base_url
        self._rule, self._known = rule, known
        self._uses: dict[tuple[str, str], FileUse] = {}  # by path among the outputs, and stamp
        self._taken: set[str] = set()  # pages whose files are among them
        self._texts: dict[tuple[str, str], str] = {}  # of each figure, for a file that is still to be named
        self._addresses: dict[str, str] = {}  # of pages
        self._kept: dict[str, bytes] = {}
        self._room = _KEPT

    def keep(self, made: Mapping[str, bytes]) -> None:
        """Keep files, by their paths among the outputs, until they are written, as long as there is room."""
        for source, content in made.items():
            if len(content) <= self._room:
                self._room -= len(content)
                self._kept[source] = content

    def hand_over(self) -> dict[str, bytes]:
        """What is kept, for the process that writes it."""
        kept, self._kept, self._room = self._kept, {}, _KEPT
        return kept

    def content(self, source: str) -> bytes:
        """A file of the outputs with its stamp, as it is published.

        Raises:
            OSError: it cannot be read.
        """
        if source in self._kept:
            return self._kept.pop(source)
        identity, _, rest = source.partition(f"/{FIGURES}/")
        name = rest.partition("/")[0]
        experiment = self._catalogue.experiments[identity]
        figure = experiment.drawn(name)
        assert experiment.manifest
        assert figure
        path = source.removeprefix(f"{identity}/")
        [file] = [each for each in figure.files if each.path == path]
        return containers.put(self._read(source, file.bytes), self._text(experiment.manifest, name, file))

    def text(self, name: str) -> str:
        """The stamp of something that is made for the site of the figure called *name*; "" where it is not drawn."""
        found = self._catalogue.figure(name)
        if found is None or found[0].manifest is None:
            return ""
        return self.made_of(found[0].manifest, found[1])

    def made_of(self, manifest: Manifest, name: str, over: str = "") -> str:
        """The stamp of something that is made for the site of a figure of an experiment; "" where it is not drawn.

        *over* is the parameter over which it shows means of several runs, of which this is the first.
        """
        figure = manifest.figures.get(name)
        return self._written(manifest, name, drawing=figure.key[:SHORT], over=over) if figure else ""

    def use(self, page: str, manifest: Manifest, name: str, file: StoredFile) -> FileUse:
        """A file of the figure called *name*, as the page at the address *page* uses it."""
        if page not in self._taken:
            self._taken.add(page)
            self._uses |= {(use.source, use.stamp): use for use in self._known.get(page, ())}
        source = f"{manifest.experiment}/{file.path}"
        if file.path.rpartition(".")[2].lower() not in STAMPED:
            return FileUse(
                source, target_of(manifest.experiment, name, file.path, file.sha256), file.sha256, file.bytes
            )
        text = self._text(manifest, name, file)
        stamp = sha256(f"{self._rule} {VERSION} {file.sha256} {text}".encode()).hexdigest()[:SHORT]
        use = self._uses.get((source, stamp))
        if use is None:
            content = containers.put(self._read(source, file.bytes), text)
            digest, size = sha256(content).hexdigest(), len(content)
            self.keep({source: content} if size <= _SMALL else {})
            target = target_of(manifest.experiment, name, file.path, digest)
            use = self._uses[source, stamp] = FileUse(source, target, digest, size, stamp, size - file.bytes)
        return use

    def _text(self, manifest: Manifest, name: str, file: StoredFile) -> str:
        figure = (manifest.experiment, name)
        if figure not in self._texts:
            self._texts[figure] = self._written(manifest, name, file="?")
        return self._texts[figure].replace('"file":"?"', f'"file":"{file.sha256[:SHORT]}"')

    def _written(self, manifest: Manifest, name: str, *, file: str = "", drawing: str = "", over: str = "") -> str:
        made = manifest.provenance
        return written(
            Stamp(
                darkroom=VERSION,
                experiment=manifest.experiment,
                figure=name,
                key=manifest.key,
                commit=made.commit,
                modified=not made.clean,
                file=file,
                drawing=drawing,
                over=over,
                page=self._page(f"{manifest.experiment.partition('@')[0]}/{name}"),
            )
        )

    def _page(self, figure: str) -> str:
        """The address of a figure: where the first page that shows it does; the site's where none does."""
        spots = self._spots.get(figure)
        if not spots:
            return self._base_url
        url = spots[0].url
        if url not in self._addresses:
            self._addresses[url] = f"{self._base_url}{encoded(url)}"
        return f"{self._addresses[url]}#{anchor(figure)}"

    def _read(self, source: str, size: int) -> bytes:
        return read_file(f"{self._outputs}/{source}", size)
