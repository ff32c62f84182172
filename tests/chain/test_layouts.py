"""The Python types are those of the Move sources: names, order and types of fields, kinds, and nothing is missing."""

import pytest

from daas_chain.catalog import ALL, BODY_BY_KIND, BY_NAME, MAILBOX_BODIES, NOTICES, STATE_BODIES
from daas_chain.heads import Beacon
from daas_chain.layout import ENUMS, MoveStruct
from support.move_sources import declarations, emitted, kinds, simple

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
    events = {cls.MOVE for cls in (*STATE_BODIES, *MAILBOX_BODIES, *NOTICES, Beacon)}
    assert names == events


def test_the_kinds_are_those_of_the_source_and_unique() -> None:
    bodies = (*STATE_BODIES, *MAILBOX_BODIES, Beacon)
    assert {cls.MOVE: cls.KIND for cls in bodies} == kinds()
    assert len(BODY_BY_KIND) == len(bodies)


def test_no_notice_has_a_kind_of_the_chains() -> None:
    assert all(cls.KIND is None for cls in NOTICES)
