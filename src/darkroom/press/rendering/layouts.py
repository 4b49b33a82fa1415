"""The layouts of the theme: what they can call, and the message when one fails."""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import msgspec
from jinja2.bccache import Bucket
from markupsafe import Markup

from darkroom.core import caches
from darkroom.core.errors import Fault, nearest
from darkroom.core.patterns import lazy_pattern
from darkroom.core.units import duration, size
from darkroom.press.content.addresses import root_of
from darkroom.press.content.numbers import as_html, show
from darkroom.press.limits import TooCostly
from darkroom.press.rendering.context import Context
from darkroom.press.rendering.texts import Texts
from darkroom.press.typeset.typography import full_stop

_SAFE = "/-._~!$&'()*+,;=:@"
_END_OF_SCRIPT = lazy_pattern(r"<(/script|!--)", re.IGNORECASE)  # which would end the element, or hide its end
_END_OF_STYLE = lazy_pattern(r"<(/style)", re.IGNORECASE)
_LOCAL = lazy_pattern(r"url\(([\"']?)(?!#|[a-z][a-z0-9+.-]*:)", re.IGNORECASE)


class Refused(Exception):
    """A fault that ends the rendering of a page."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class Compiled(jinja2.BytecodeCache):
    """Compiled layouts, sealed: they are code."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load the bucket, if its seal is valid."""
        if content := caches.read(self._folder / f"{bucket.key}.cache"):
            bucket.bytecode_from_string(content)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Store the bucket; failing to is ignored."""
        with suppress(OSError):
            caches.write(self._folder / f"{bucket.key}.cache", bucket.bytecode_to_string())


def environment(folders: Sequence[Path], cache: Path) -> jinja2.Environment:
    """Jinja for the layouts of a theme, looked for in *folders* in this order; compiled ones kept in *cache*."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        bytecode_cache=Compiled(cache / "jinja"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        optimized=False,  # which takes a tenth of the time that compiling takes, and gains less
    )
    found.policies["json.dumps_function"] = _as_json
    return found


def _as_json(value: object, **options: Any) -> str:
    """JSON for the filter ``tojson``, also of the layouts of figures."""
    return json.dumps(msgspec.to_builtins(value), **options)


class Layouts:
    """The layouts as one page uses them: addresses are relative to it, and its texts take up their formulas."""

    def __init__(self, jinja: jinja2.Environment, context: Context, texts: Texts, url: str, path: str) -> None:
        self._jinja, self._context, self._texts = jinja, context, texts
        self._root, self._path = root_of(url), path

    def render(self, name: str, **values: object) -> str:
        """The layout *name* filled in.

        Raises:
            Refused: there is none, or it fails.
        """
        try:
            template = self._jinja.get_template(name)
            return template.render(
                **values,
                site=self._context.site,
                root=self._root,
                asset=lambda asset: self._root + quote(self._known(asset, self._context.assets), safe=_SAFE),
                has=lambda asset: asset in self._context.assets,
                inlined=lambda asset: Markup(self._inlined(asset)),
                digest=lambda asset: policy_digest(self._inlined(asset)),
                digest_of=lambda text: policy_digest(str(text)),
                integrity=lambda asset: policy_digest(self._known(asset, self._context.texts)),
                text=lambda value: Markup(self._texts.inline(value)),
                heading_text=lambda value: Markup(self._texts.heading(value)),
                rich=lambda value: Markup(self._texts.rich(value)),
                show=lambda value: Markup(as_html(show(value))),
                full_stop=lambda value: full_stop(str(value)),
                duration=duration,
                size=size,
            ).strip()
        except jinja2.TemplateNotFound as error:
            raise Refused(Fault(self._path, 1, 1, "template", f"templates/{error.name} does not exist")) from None
        except (RecursionError, MemoryError, TooCostly, Refused):
            raise
        except Exception as error:  # of the layout's author
            line = template_line(error)
            message = f"{error} (for {values.get('id', self._path)})"
            raise Refused(Fault(self._shown(name), line, 1, "template", message)) from None

    def _shown(self, name: str) -> str:
        """The path of a layout as messages name it."""
        own = self._context.theme.own
        is_own = own is not None and (own / name).is_file()
        return f"templates/{name}" if is_own else f"{self._context.theme.base}/{name}"

    def _known(self, asset: str, known: Mapping[str, str]) -> str:
        if asset not in known:
            kind = "file" if known is self._context.assets else "style sheet or script"
            raise jinja2.TemplateRuntimeError(f"no {kind} {asset!r} in templates/static{nearest(asset, known)}")
        return known[asset]

    def _inlined(self, asset: str) -> str:
        """The text of a style sheet or script, fit to stand in the page: there addresses begin at the page."""
        text = self._known(asset, self._context.texts).strip()
        if not asset.lower().endswith(".css"):
            return _END_OF_SCRIPT.sub(r"<\\\1", text)
        text = _END_OF_STYLE.sub(r"<\\\1", text)
        folder = posixpath.join("assets", posixpath.dirname(asset), "")
        return _LOCAL.sub(lambda found: f"url({found[1]}{self._root}{folder}", text)


def policy_digest(text: str) -> str:
    """The digest of a script or style sheet as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def template_line(error: Exception) -> int:
    """The line of a template that an error came from."""
    line = getattr(error, "lineno", None)
    trace = error.__traceback__
    while line is None and trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith((".html", "<template>")):
            found = trace.tb_lineno
            trace_after = trace.tb_next
            if trace_after is None or not trace_after.tb_frame.f_code.co_filename.endswith(".html"):
                return found
        trace = trace.tb_next
    return line or 1
