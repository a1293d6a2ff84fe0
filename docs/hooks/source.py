"""Code beside the equations: a line `::source module.Class.method` becomes that object's present source.

The object is found by its name when the site is built, so that text and code can't drift apart: a name that is gone is
an error.
"""

import ast
import re
import textwrap
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parents[2]
_DIRECTIVE = re.compile(r"^::source (?P<name>[\w.]+)$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each directive."""
    return _DIRECTIVE.sub(lambda match: _fence(match["name"]), markdown)


def _fence(name: str) -> str:
    path, qualified = _module(name)
    lines = path.read_text(encoding="utf-8").splitlines()
    node = _definition(ast.parse("\n".join(lines)), qualified, name)
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    skipped = _docstring_lines(node)
    code = [lines[i - 1] for i in range(first, (node.end_lineno or first) + 1) if i not in skipped]
    title = f"{'.'.join(qualified)}, {path.relative_to(ROOT).as_posix()} line {first}"
    return f'```python title="{title}"\n' + textwrap.dedent("\n".join(code)) + "\n```"


def _module(name: str) -> tuple[Path, list[str]]:
    """The longest prefix of a dotted name that is a module, and the names that are left."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        path = (ROOT / "src").joinpath(*parts[:length]).with_suffix(".py")
        if path.is_file():
            return path, parts[length:]
    raise PluginError(f"::source {name}: no such module")


def _definition(tree: ast.Module, qualified: list[str], name: str) -> ast.FunctionDef | ast.ClassDef:
    body: list[ast.stmt] = tree.body
    found = None
    for part in qualified:
        named = [one for one in body if isinstance(one, ast.FunctionDef | ast.ClassDef) and one.name == part]
        if not named:
            raise PluginError(f"::source {name}: {part} is not there")
        found = named[0]
        body = found.body
    assert found is not None
    return found


def _docstring_lines(node: ast.FunctionDef | ast.ClassDef) -> range:
    first = node.body[0]
    if ast.get_docstring(node) is None or len(node.body) == 1:
        return range(0)
    following = node.body[1]
    decorated = getattr(following, "decorator_list", [])
    return range(first.lineno, min([following.lineno, *(one.lineno for one in decorated)]))
