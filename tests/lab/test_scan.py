"""What a module's record says: which names its code refers to, what they are bound to, what has effects."""

from __future__ import annotations

import pytest

from darkroom.lab.source.fingerprint import Fingerprints
from darkroom.lab.source.scan import module_record

NAMES = {
    "a global": ("def f(): return g(SCALE)", {"SCALE", "g"}),
    "a chain": ("def f(): return np.linalg.norm(x.y).z", {"np.linalg.norm", "x.y"}),
    "a parameter shadows": ("def f(g, *h, i=1, **j): return g.a + h + i + j.b", set()),
    "an assigned name shadows": ("def f():\n    g = 1\n    return g.x", set()),
    "a default is read outside": ("def f(a=g, *, b=h): pass", {"g", "h"}),
    "a lambda's default": ("def f(): return lambda a=g: a + h", {"g", "h"}),
    "a lambda's parameter shadows": ("def f(): return lambda g: g.x", set()),
    "a comprehension has names of its own": ("def f(): return [g for g in h], g", {"h", "g"}),
    "the first iterable is read outside": ("def f(): return [g for g in g]", {"g"}),
    "later iterables and conditions": ("def f(): return {a: b for a in x for b in a.y if c}", {"x", "c"}),
    "a walrus in a comprehension binds outside it": ("def f(): return [g := h for i in j], g.x", {"h", "j"}),
    "an outer function's name": ("def f(g):\n    def inner(): return g.x + h\n    return inner", {"h"}),
    "an inner function's name is not the outer's": ("def f():\n    def inner():\n        g = 1\n    return g", {"g"}),
    "global": ("def f():\n    global g\n    g = 1\n    return g", {"g"}),
    "nonlocal": ("def f():\n    g = 1\n    def inner():\n        nonlocal g\n        g = 2\n    return inner", set()),
    "for, with, except, del": (
        ("def f():\n    for a, (b, *c) in x: pass\n    with y as d: pass\n    try: pass\n    except E as e: pass\n"
        "    return a, b, c, d, e"),
        {"x", "y", "E"},
    ),
    "match": (
        "def f(v):\n    match v:\n        case [a, *b] | {'k': c, **d} | K(z=e) as g: return a, b, c, d, e, g",
        {"K"},
    ),
    "a class within sees the module": (
        "def f():\n    class C(B):\n        a = g\n        def m(self): return h\n    return C",
        {"B", "g", "h"},
    ),
    "annotations": ("def f(a: A, *b: B) -> C:\n    d: D = e\n    return d", {"e"}),
    "annotations under a decorator that may read them": ("@read\ndef f(a: A) -> C: pass", {"read", "A", "C"}),
    "decorators": ("@np.vectorize(g)\n@no_grad()\ndef f(): pass", {"np.vectorize", "g", "no_grad"}),
    "f-strings": ("def f(): return f'{g:{h}} {i!r}'", {"g", "h", "i"}),
    "a class": (
        "class f(A, metaclass=M):\n    x: T = g\n    y = x\n    def m(self): return self.x + h",
        {"A", "M", "T", "g", "h", "x"},
    ),
    "a constant": ("f = g(h) + 1", {"g", "h"}),
    "an augmented assignment": ("f += g", {"f", "g"}),
    "an attribute that is set": ("def f(): g.x = h", {"g.x", "h"}),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_names_that_a_definition_refers_to(name: str) -> None:
    """A definition refers to exactly the names that are not bound in the functions around them."""
    source, expected = NAMES[name]

    assert set(module_record(source, "a.b", "b.py")["symbols"]["f"].get("names", ())) == expected


TARGETS = {
    "a name": ("def f():\n    from x.y import g\n    return g.a", {"x.y:g.a"}, {"x.y"}),
    "another name": ("def f():\n    from x.y import g as h\n    return h", {"x.y:g"}, {"x.y"}),
    "a relative import": (
        "def f():\n    from . import g\n    from ..c import h\n    return g.x, h",
        {"a:g.x", "c:h"}, {"a", "c"},
    ),
    "a module": ("def f():\n    import x.y\n    return x.y.g", {"x:y.g"}, {"x", "x.y"}),
    "a module by another name": ("def f():\n    import x.y as z\n    return z.g(z)", {"x.y:g", "x.y:"}, {"x.y"}),
    "an import that is only for its effect": ("def f():\n    import x.y", set(), {"x", "x.y"}),
    "an import of an outer function": ("def f():\n    import x\n    return lambda: x.g", {"x:g"}, {"x"}),
    "an import in a class": ("class f:\n    from x import g", {"x:g"}, {"x"}),
    "a literal name": ("def f():\n    return importlib.import_module('x.y')", {"x.y:"}, {"x.y"}),
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_imported_within_a_function(name: str) -> None:
    """An import within a function leads where it says, and loads its modules."""
    source, targets, loads = TARGETS[name]

    found = module_record(source, "a.b", "b.py")["symbols"]["f"]

    assert (set(found.get("targets", ())), set(found.get("loads", ()))) == (targets, loads)


EFFECTS = {
    "f = g()": False,
    "f: int = 3": False,
    "f, (g, *h) = x": False,
    "def f(): pass": False,
    "@cache\n@functools.wraps(x)\ndef f(): pass": False,
    "@torch.no_grad()\ndef f(): pass": False,
    "@dataclass(frozen=True)\nclass f: pass": False,
    '"""Words."""': False,
    "...": False,
    "if TYPE_CHECKING:\n    g()": False,
    "if __name__ == '__main__':\n    g()": False,
    "import x": False,
    "g()": True,
    "x.f = 1": True,
    "x['f'] = 1": True,
    "f += 1": True,
    "_ = g()": True,
    "del f": True,
    "if x:\n    f = 1": True,
    "try:\n    import x\nexcept ImportError:\n    x = None": True,
    "for f in g: pass": True,
    "with x: f = 1": True,
    "@register\ndef f(): pass": True,
    "@register\nclass f: pass": True,
    "class f(B, key='x'): pass": True,
}


@pytest.mark.parametrize("source", EFFECTS)
def test_which_statements_have_effects(source: str) -> None:
    """A statement that does more than define a name counts for whatever is used of its module."""
    assert ("effects" in module_record(source, "a.b", "b.py")) is EFFECTS[source]


def _reach(main: str, **modules: str) -> set[str]:
    """What the experiment in ``experiments.p.m`` reaches, given other modules' sources (``__`` for a dot)."""
    head = "from darkroom.lab import experiment\n"
    body = f'{head}{main}\n@experiment()\ndef it():\n    """X."""\n    return use()\n'
    sources = {"experiments.p.m": body} | {name.replace("__", "."): text for name, text in modules.items()}
    packages = {name.rpartition(".")[0] for name in sources}
    records = {
        name: module_record(text, name, f"{name}.py", package=name in packages) for name, text in sources.items()
    }
    return set(Fingerprints(records).reach("experiments.p.m", "it").code) - {
        "experiments.p.m.it",
        "experiments.p.m.use",
    }


REACHES = {
    "a name": ("from h import f\ndef use(): return f()", {"h": "def f(): pass\ndef g(): pass"}, {"h.f"}),
    "a module": ("import h.i\ndef use(): return h.i.f()", {"h": "", "h__i": "f = 1\ng = 2"}, {"h.i.f"}),
    "a re-export": (
        "from h import f\ndef use(): return f",
        {"h": "from h.i import g as f", "h__i": "g = 1"}, {"h.i.g"},
    ),
    "a name twice bound": (
        "try:\n    from h import f\nexcept ImportError:\n    from i import f\ndef use(): return f",
        {"h": "f = 1", "i": "f = 2"},
        {"h.f", "i.f", "experiments.p.m"},
    ),
    "a module handed on": ("import h\ndef use(): return len(h)", {"h": "f = 1\ng = f"}, {"h.*", "h.f"}),
    "getattr on a module": ("import h\ndef use(): return getattr(h, 'f')", {"h": "f = 1\ng = 2"}, {"h.*"}),
    "a name that the module lacks": (
        "from h import f\ndef use(): return f",
        {"h": "def __getattr__(n): pass\ng = 1"}, {"h.*"},
    ),
    "a submodule by a package": (
        "from h import i\ndef use(): return i.f",
        {"h": "", "h__i": "f = 1\ng = 2"}, {"h.i.f"},
    ),
    "star": ("from h import *\ndef use(): return f", {"h": "f = 1\ng = 2"}, {"h.*"}),
    "globals": ("def use(): return globals()['f']\nf = 1", {}, {"experiments.p.m.*"}),
    "eval": ("from h import f\ndef use(): return f()", {"h": "def f(): return eval('g')\ng = 1"}, {"h.f", "h.*"}),
    "a computed import": ("import importlib\ndef use(n): return importlib.import_module(n)", {"h": "f = 1"}, {"*"}),
    "a computed import by name": (
        "from importlib import import_module as m\ndef use(n): return m(n)",
        {"h": "f = 1"}, {"*"},
    ),
    "__import__": ("def use(n): return __import__(n)", {"h": "f = 1"}, {"*"}),
    "sys.modules": ("import sys\ndef use(n): return sys.modules[n]", {"h": "f = 1"}, {"*"}),
    "a method": (
        "from h import C\ndef use(): return C().m()",
        {"h": "class C(B):\n    def m(self): return g\nclass B: pass\ng = 1"}, {"h.C", "h.B", "h.g"},
    ),
    "recursion": (
        "from h import f\ndef use(): return f",
        {"h": "def f(): return g\ndef g(): return f"}, {"h.f", "h.g"},
    ),
    "modules that import each other": (
        "from h import f\ndef use(): return f", {"h": "import i\ndef f(): return i.g", "i": "import h\ndef g(): return h.f"},
        {"h.f", "i.g"},
    ),
    "a loop of re-exports": (
        "from h import f\ndef use(): return f",
        {"h": "from i import f", "i": "from h import f"}, set(),
    ),
    "the machinery": (
        "from darkroom.lab import outputs\ndef use(): return outputs.f",
        {"darkroom": "", "darkroom__lab": "", "darkroom__lab__store": "f = 1"}, set(),
    ),
    "an effect beside": ("from h import f\ndef use(): return f", {"h": "f = {}\nf['a'] = 1"}, {"h.f", "h"}),
    "an effect of a module only imported": ("import h\ndef use(): pass", {"h": "f = {}\nf['a'] = 1"}, set()),
    "an effect on what is used": (
        "import h, numpy\ndef use(): return numpy.x",
        {"h": "import numpy\nnumpy.seed(1)"}, {"h"},
    ),
    "an effect on the environment": ("import h\ndef use(): pass", {"h": "import os\nos.environ['A'] = 'b'"}, {"h"}),
    "a plug-in that registers itself": (
        "import plug\nfrom h import KNOWN\ndef use(): return KNOWN",
        {"h": "KNOWN = {}", "plug": "from h import KNOWN\nKNOWN['a'] = g\ndef g(): pass"},
        {"h.KNOWN", "plug", "plug.g"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REACHES)
def test_what_an_experiment_reaches(name: str) -> None:
    """Code is followed by name through imports, and falls back to whole modules where names do not tell."""
    main, modules, expected = REACHES[name]

    assert _reach(main, **modules) == expected
