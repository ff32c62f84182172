"""Random values of the Move structs, made from their declarations."""

from typing import Annotated, Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from daas_chain import layout, values
from daas_chain.layout import ENUMS, Codec, MoveStruct, Table
from daas_protocol.grant import parse_grant

_EXACT = {
    id(get_args(hint)[1]): length
    for hint, length in (
        (layout.Hash, 32),
        (layout.BootId, 16),
        (layout.RequestId, 16),
        (layout.PcrBytes, 48),
        (layout.RequestKeyBytes, 1_216),
        (layout.Address, 32),
        (layout.Id, 32),
        (layout.Uid, 32),
    )
}
_BITS = {"u8": 8, "u16": 16, "u64": 64, "0x2::balance::Balance<0x2::sui::SUI>": 64}


def _of_codec(codec: Codec) -> st.SearchStrategy[Any]:
    if id(codec) in _EXACT:
        length = _EXACT[id(codec)]
        return st.binary(min_size=min(length, 32), max_size=min(length, 32)).map(lambda b: (b * 40)[:length])
    if codec.move in _BITS:
        return st.integers(0, 2 ** _BITS[codec.move] - 1)
    if codec.move.startswith("0x2::table::Table"):
        return st.builds(Table, st.binary(min_size=32, max_size=32), st.integers(0, 2**64 - 1))
    if codec.move.removeprefix("daas::") in ENUMS:
        variants = ENUMS[codec.move.removeprefix("daas::")].values()
        return st.one_of([struct(variant) for variant in variants])
    simple = {"bool": st.booleans(), "0x1::string::String": st.text(max_size=70), "vector<u8>": st.binary(max_size=300)}
    return simple[codec.move]


def _of_hint(hint: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _of_codec(next(extra for extra in arguments[1:] if isinstance(extra, Codec)))
    if origin is tuple and arguments[1] is ...:
        return st.lists(_of_hint(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(_of_hint, arguments))
    if origin is not None:
        return st.one_of([st.none() if part is type(None) else _of_hint(part) for part in arguments])
    return struct(hint)


def struct(cls: type[MoveStruct]) -> st.SearchStrategy[Any]:
    """Any value of `cls` that has a BCS form."""
    if cls is values.MoveGrant:
        return st.sampled_from(["*:*", "pods:read", "pods/log:get@default", "widgets.example.com:write"]).map(_grant)
    hints = get_type_hints(cls, include_extras=True)
    names = [name for name, _ in layout.fields_of(cls)]
    return st.builds(cls, **{name: _of_hint(hints[name]) for name in names})


def _grant(text: str) -> values.MoveGrant:
    return values.MoveGrant.of(parse_grant(text))
