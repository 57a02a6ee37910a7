"""What the source says about itself, read without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One Python file by its dotted name."""

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def imports(self) -> set[str]:
        """Every module named by an import anywhere in the file: of ``from a import b`` both ``a`` and ``a.b``.

        Imports by name at run time count when the name is written out, and as ``?`` when it is not.
        """
        return {name for node in ast.walk(self.tree) for name in self._imported(node)}

    def _imported(self, node: ast.AST) -> Iterator[str]:
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module, names, level):
                base = self._absolute(module or "", level)
                yield base
                yield from (f"{base}.{alias.name}" for alias in names)
            case ast.Call(func=func, args=[first, *_]) if dotted(func).split(".")[-1] in (
                "import_module",
                "__import__",
            ):
                yield first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else "?"

    def _absolute(self, module: str, level: int) -> str:
        if not level:
            return module
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        parents = package.split(".")[: len(package.split(".")) - level + 1]
        return ".".join([*parents, *([module] if module else [])])

    def uses(self) -> set[str]:
        """Every dotted name that is read, with aliases written out: ``time.sleep`` after ``from time import sleep``."""
        aliases = dict(self._aliases())
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute | ast.Name):
                head, _, rest = dotted(node).partition(".")
                found.add(f"{aliases.get(head, head)}.{rest}".rstrip("."))
        return found | set(aliases.values())

    def _aliases(self) -> Iterator[tuple[str, str]]:
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names):
                    yield from ((alias.asname, alias.name) for alias in names if alias.asname)
                case ast.ImportFrom(module, names, level):
                    base = self._absolute(module or "", level)
                    yield from ((alias.asname or alias.name, f"{base}.{alias.name}") for alias in names)

    def classes(self) -> list[str]:
        return [node.name for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of a name or attribute; what is called or indexed on the way is left out."""
    match node:
        case ast.Name(name):
            return name
        case ast.Attribute(value, attribute):
            return f"{dotted(value)}.{attribute}"
        case _:
            return ""


def modules(root: Path, *rooms: str) -> list[Module]:
    """The Python files of the rooms (folders or single files), as modules below ``root``."""
    found = []
    for room in rooms:
        place = root / room
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]:
            if path.is_file():
                name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
                found.append(Module(name, path))
    return found


def is_in(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")
