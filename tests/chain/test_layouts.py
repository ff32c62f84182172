"""The Python types are those of the Move sources: names, order and types of fields, kinds, and nothing is missing."""

from typing import Any

import pytest

from daas_chain import artifacts
from daas_chain.catalog import ALL, BODIES, BODY_BY_KIND, BY_NAME, NOTICES
from daas_chain.interface import describe_module
from daas_chain.layout import ENUMS, MoveStruct
from daas_chain.values import UpgradeCap
from daas_cli import move_build, move_sources
from daas_cli.move_compiler import Choice
from daas_cli.output import Progress
from support import move_sizes
from support.move_package import need_compiler
from support.move_sources import SOURCES, declarations, emitted, kinds, simple

DECLARED = declarations()
OF_SUI = {"0x2::package::UpgradeCap"}
VARIANTS = {variant.MOVE for variants in ENUMS.values() for variant in variants.values()}
STRUCTS = [cls for cls in ALL if cls.MOVE not in OF_SUI | VARIANTS]
GENERIC = "heads::Event"


def _simple(layout: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, simple(move_type)) for name, move_type in layout)


@pytest.mark.parametrize("cls", STRUCTS, ids=lambda cls: str(cls.MOVE))
def test_the_fields_are_those_of_the_source(cls: type[MoveStruct]) -> None:
    assert _simple(cls.layout()) == DECLARED[cls.MOVE].fields


@pytest.mark.parametrize("name", sorted(ENUMS))
def test_the_variants_are_those_of_the_source(name: str) -> None:
    ours = tuple((variant, _simple(cls.layout())) for variant, cls in ENUMS[name].items())
    assert ours == DECLARED[name].variants


def test_every_named_module_is_the_one_that_declares_the_type() -> None:
    for cls in STRUCTS:
        for _, move_type in cls.layout():
            for part in move_type.replace("<", " ").replace(">", " ").replace(",", " ").split():
                if part.startswith("daas::"):
                    assert part.removeprefix("daas::") in DECLARED


def test_every_object_is_known() -> None:
    keyed = {name for name, declaration in DECLARED.items() if "key" in declaration.abilities}
    assert len(keyed) > 5
    assert keyed <= BY_NAME.keys()


def test_every_stored_struct_is_known() -> None:
    stored = {name for name, declaration in DECLARED.items() if "store" in declaration.abilities}
    without_form = {"enclave::RequestKeyField", "receipt::MailboxRef", "receipt::Receipt"}
    assert stored - without_form <= BY_NAME.keys() | ENUMS.keys()


def test_every_emitted_struct_is_known() -> None:
    names = emitted() - {GENERIC}
    events = {cls.MOVE for cls in (*BODIES, *NOTICES)}
    assert names == events


def test_the_kinds_are_those_of_the_source_and_unique() -> None:
    assert {cls.MOVE: cls.KIND for cls in BODIES} == kinds()
    assert len(BODY_BY_KIND) == len(BODIES)


def test_no_notice_has_a_kind_of_the_chains() -> None:
    assert all(cls.KIND is None for cls in NOTICES)


@pytest.fixture(scope="module")
def built() -> artifacts.Artifacts:
    """Of the sources as they are: compiled again only when they have changed since `make setup`."""
    need_compiler()
    sources = move_sources.read(SOURCES.parent, tests=False)
    return artifacts.load(move_build.build(sources, artifacts.BUILT, Choice.BUNDLED, Progress(quiet=True)).folder)


@pytest.fixture(scope="module")
def compiled(built: artifacts.Artifacts) -> dict[str, Any]:
    return built.interface()


def _compiled_fields(rows: list[dict[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((row["name"], row["type"]) for row in rows)


def test_the_fields_are_those_of_the_bytecode(compiled: dict[str, Any]) -> None:
    for cls in STRUCTS:
        module, name = cls.MOVE.split("::")
        assert cls.layout() == _compiled_fields(compiled[module]["structs"][name]["fields"]), cls.MOVE


def test_the_variants_are_those_of_the_bytecode(compiled: dict[str, Any]) -> None:
    for path, variants in ENUMS.items():
        module, name = path.split("::")
        rows = compiled[module]["enums"][name]["variants"]
        theirs = tuple((row["name"], _compiled_fields(row["fields"])) for row in rows)
        assert tuple((variant, cls.layout()) for variant, cls in variants.items()) == theirs, path


def test_no_object_of_the_bytecode_is_missing(compiled: dict[str, Any]) -> None:
    keyed = {
        f"{module}::{name}"
        for module, parts in compiled.items()
        for name, struct in parts["structs"].items()
        if "key" in struct["abilities"]
    }
    assert len(keyed) > 5
    assert keyed <= BY_NAME.keys()


def test_an_event_is_body_and_heads_in_the_bytecode(compiled: dict[str, Any]) -> None:
    fields = _compiled_fields(compiled["heads"]["structs"]["Event"]["fields"])
    assert fields == (("body", "T0"), ("heads", "daas::heads::Heads"))


def test_the_upgrade_cap_is_that_of_the_framework(built: artifacts.Artifacts) -> None:
    (package,) = (one.module for one in built.framework("0x2").modules if one.name == "package")
    described = describe_module(package, {})
    assert UpgradeCap.layout() == _compiled_fields(described["structs"]["UpgradeCap"]["fields"])


def test_the_package_leaves_a_tenth_of_suis_limit_for_upgrades(built: artifacts.Artifacts) -> None:
    assert built.package.size <= move_sizes.MAX_PACKAGE_BYTES * 9 // 10
