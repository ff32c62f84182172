"""Structs, enums and event kinds read from the Move sources: a check that does not go through the compiler's output.

Invariant: it knows only the shape of the project's own sources (one field a line or separated by commas, doc comments
above); anything else makes the tests that use it fail, never pass.
"""

import re
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "move" / "daas" / "sources"
_STRUCT = re.compile(
    r"^public (?P<what>struct|enum) (?P<name>\w+)(?:<[^>]*>)?(?: has (?P<abilities>[\w, ]+?))? ?"
    r"\{(?P<body>[^\n]*|\n.*?\n)\}$",
    re.M | re.S,
)
_VARIANT = re.compile(r"(\w+)\s*(?:\{([^}]*)\}|\(([^)]*)\))")
_FUNCTION = re.compile(r"^(?P<test>#\[test_only\]\n)?public fun (?P<name>\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Declaration:
    """`fields` of a struct; `variants` (name, fields) of an enum, whose positional fields are pos0, pos1, ..."""

    abilities: frozenset[str]
    fields: tuple[tuple[str, str], ...]
    variants: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()


def declarations() -> dict[str, Declaration]:
    """By `module::Name`; types are as written in the source, without their modules."""
    found: dict[str, Declaration] = {}
    for path in sorted(SOURCES.glob("*.move")):
        for match in _STRUCT.finditer(_without_comments(path.read_text())):
            abilities = frozenset(part.strip() for part in (match["abilities"] or "").split(","))
            if match["what"] == "struct":
                declaration = Declaration(abilities, _fields(match["body"]))
            else:
                declaration = Declaration(abilities, (), tuple(_variants(match["body"])))
            found[f"{path.stem}::{match['name']}"] = declaration
    return found


def kinds() -> dict[str, int]:
    """`module::Struct` of each event body to the value of the constant that its constructor puts into `kind`."""
    found: dict[str, int] = {}
    for path in sorted(SOURCES.glob("*.move")):
        text = _without_comments(path.read_text())
        constants = {name: int(value) for name, value in re.findall(r"^const (\w+): u8 = (\d+);", text, re.M)}
        for name, constant in re.findall(r"\b([A-Z]\w+) \{\s*kind: ([A-Z_0-9]+)\b", text):
            found[f"{path.stem}::{name}"] = constants[constant]
    return found


def emitted() -> set[str]:
    """Names of the structs that some source emits: through the chains (`record`, `heads::emit`) or plainly."""
    found: set[str] = set()
    for path in SOURCES.glob("*.move"):
        text = _without_comments(path.read_text())
        plain = re.findall(r"event::emit\(\s*(\w+)", text)
        chained = re.findall(r"\.record(?:_with_mailbox)?\(\s*([A-Z]\w+)", text)
        chained += re.findall(r"let body = ([A-Z]\w+)", text) + re.findall(r"\bemit\(\s*([A-Z]\w+)", text)
        found.update(f"{path.stem}::{name}" for name in plain + chained)
    return found


def public_functions(source: str) -> set[str]:
    """Names of a module's public functions; what only tests see is left out."""
    return {match["name"] for match in _FUNCTION.finditer(source) if not match["test"]}


def simple(move_type: str) -> str:
    """A type of the compiled interface as the sources write it: without modules."""
    return re.sub(r"[\w]+::\w+::", "", move_type)


def _without_comments(text: str) -> str:
    return re.sub(r"//[^\n]*", "", text)


def _variants(body: str) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    return [
        (name, _fields(named) if named else tuple((f"pos{i}", part) for i, part in enumerate(_split(positional))))
        for name, named, positional in _VARIANT.findall(body)
    ]


def _fields(body: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.split(":", 1) for part in _split(body))
    return tuple((name.strip(), move_type.strip()) for name, move_type in pairs)


def _split(body: str) -> list[str]:
    """At the commas outside type arguments."""
    parts, depth = [""], 0
    for character in body:
        depth += {"<": 1, ">": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]
