"""Each instruction as lines of host code, with its operands' types checked on the way.

Invariant: a line does to the host's values what the instruction does to Move's, and raises the signal that the Move VM
reports where it fails; an instruction on values of other types than it takes, or without the ability it needs, is
refused here and never becomes code. Names in the code are made of numbers only: nothing of a module's text gets in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daas_chain.bytecode_code import Instruction
from daas_chain.bytecode_types import Ability, Instance, Kind
from daas_protocol.bcs import BcsError

from . import codec
from .declarations import check_type
from .errors import ConstantError, LocalError, TypeSizeError, TypeSizeSignal, VisibilityError
from .instances import Instantiation, depth_check
from .limits import HEIGHT, PACK_MAX, VECTOR_LENGTH_MAX
from .opcodes import Op
from .operands import Entry, Operands
from .types import (
    BOOL,
    LEAVES,
    SCALARS,
    U8,
    U64,
    WIDTHS,
    Datatype,
    Type,
    abilities,
    field_types,
    reference,
    struct,
    substitute,
    vector,
)
from .world import LinkedFunction, LinkedModule

_LOADS = {
    Op.LD_U8: Kind.U8,
    Op.LD_U16: Kind.U16,
    Op.LD_U32: Kind.U32,
    Op.LD_U64: Kind.U64,
    Op.LD_U128: Kind.U128,
    Op.LD_U256: Kind.U256,
}
_CASTS = {
    Op.CAST_U8: Kind.U8,
    Op.CAST_U16: Kind.U16,
    Op.CAST_U32: Kind.U32,
    Op.CAST_U64: Kind.U64,
    Op.CAST_U128: Kind.U128,
    Op.CAST_U256: Kind.U256,
}
_BITWISE = {Op.BIT_OR: "|", Op.BIT_AND: "&", Op.XOR: "^"}
_LOGIC = {Op.OR: "or", Op.AND: "and"}
_ORDER = {Op.LT: "<", Op.GT: ">", Op.LE: "<=", Op.GE: ">="}
FRAMEWORK = (2).to_bytes(32, "big")
OWN_TYPES = frozenset(
    [("event", "emit"), ("event", "emit_authenticated")]
    + [("transfer", name) for name in ("transfer", "party_transfer", "freeze_object", "share_object", "receive")]
)
"""Where the bytecode verifier of Sui asks that the type argument is the calling module's own."""
_EMPTY: frozenset[str] = frozenset()


class Instructions(Operands):
    """Translates the instructions of one function but branches."""

    def __init__(self, function: LinkedFunction, locals_: tuple[Type, ...], boxed: frozenset[int]) -> None:
        super().__init__(function.place, function.constraints)
        self.function = function
        self.module: LinkedModule = function.owner
        self.locals = locals_
        self.boxed = boxed
        self.available = 0
        self.possible = 0
        self.calls: list[LinkedFunction] = []
        self.constants: list[Any] = []
        self.highest = 0

    def constant(self, value: object) -> str:
        """The name in the host's code of a value that the code uses."""
        self.constants.append(value)
        return f"K{len(self.constants) - 1}"

    def step(self, one: Instruction) -> None:
        """Any instruction that ends no block."""
        try:
            _HANDLERS[Op(one.opcode)](self, one)
            self.highest = max(self.highest, len(self.stack))
        except TypeSizeSignal as problem:
            raise TypeSizeError(f"{self.place}:{self.offset}", "a smaller type", problem.detail) from None

    # Locals

    def _local(self, one: Instruction) -> tuple[int, Type]:
        if not self.available >> one.operand & 1:
            raise LocalError(f"{self.place}:{self.offset}", f"a value in local {one.operand}", "none, or none always")
        return one.operand, self.locals[one.operand]

    def local_code(self, index: int) -> str:
        return f"C{index}[0]" if index in self.boxed else f"L{index}"

    def copy_loc(self, one: Instruction) -> None:
        index, type_ = self._local(one)
        self.require(type_, Ability.COPY)
        if type_.scalar or type_.reference:
            self._push_local(index, type_)
        else:
            self.compute(type_, self._copied(type_, self.local_code(index)))

    def _push_local(self, index: int, type_: Type) -> None:
        if index in self.boxed:
            self.compute(type_, self.local_code(index))
        else:
            self.push(type_, f"L{index}", frozenset((f"L{index}",)))

    def move_loc(self, one: Instruction) -> None:
        index, type_ = self._local(one)
        self._push_local(index, type_)
        self.available &= ~(1 << index)
        self.possible &= ~(1 << index)

    def st_loc(self, one: Instruction) -> None:
        index = one.operand
        type_ = self.locals[index]
        if self.possible >> index & 1:
            self.require(type_, Ability.DROP)
        entry = self.pop(type_)
        self.settle(f"L{index}")
        self.emit(f"{self.local_code(index)} = {entry.code}")
        self.available |= 1 << index
        self.possible |= 1 << index

    def borrow_loc(self, one: Instruction) -> None:
        index, type_ = self._local(one)
        made = reference(type_, mutable=one.opcode == Op.MUT_BORROW_LOC)
        if type_.reference:
            raise self.fail("a local that is no reference", type_)
        if type_.scalar:
            self.push_pair(made, f"C{index}", "0", _EMPTY)
        elif type_.container:
            self.push(made, f"L{index}", frozenset((f"L{index}",)))
        else:
            self.compute(made, f"refer(C{index}, 0)")

    def drop_locals(self) -> None:
        """At a return: what is left in the locals goes."""
        for index, type_ in enumerate(self.locals):
            if self.possible >> index & 1:
                self.require(type_, Ability.DROP)

    # References

    def _copied(self, type_: Type, code: str) -> str:
        if type_.kind is Kind.VECTOR and type_.arguments[0].kind is Kind.U8:
            return f"copy_bytes(run, {code})"
        return f"copy_flat(run, {code})" if _flat(type_) else f"copy(run, {code})"

    def read_ref(self, _: Instruction) -> None:
        entry = self.pop_reference()
        (type_,) = entry.type.arguments
        self.require(type_, Ability.COPY)
        if type_.scalar:
            self.compute(type_, self._scalar_at(entry))
        elif type_.container:
            self.compute(type_, self._copied(type_, entry.code))
        else:
            self.compute(type_, f"read(run, {entry.code})")

    def _scalar_at(self, entry: Entry) -> str:
        if entry.pair is not None:
            return f"{entry.pair[0]}[{entry.pair[1]}]"
        return f"{entry.code}[0][{entry.code}[1]]"

    def write_ref(self, _: Instruction) -> None:
        entry = self.pop_reference(mutable=True)
        (type_,) = entry.type.arguments
        self.require(type_, Ability.DROP)
        value = self.pop(type_)
        if type_.scalar:
            self.emit(f"{self._scalar_at(entry)} = {value.code}")
        elif type_.container:
            self.emit(f"{entry.code}[:] = {value.code}")
        else:
            self.emit(f"write({entry.code}, {value.code})")

    def freeze_ref(self, _: Instruction) -> None:
        entry = self.pop_reference(mutable=True)
        self.stack.append(Entry(reference(entry.type.arguments[0]), entry.code, entry.locals, entry.pair))

    def _element(self, made: Type, holder: Entry, container: str, index: str, more: frozenset[str] = _EMPTY) -> None:
        """A reference to an element that is there."""
        (type_,) = made.arguments
        if type_.scalar:
            self.push_pair(made, container, index, holder.locals | more)
        elif type_.container:
            self.compute(made, f"{container}[{index}]")
        else:
            self.compute(made, f"refer({container}, {index})")

    def borrow_field(self, one: Instruction) -> None:
        mutable = one.opcode in (Op.MUT_BORROW_FIELD, Op.MUT_BORROW_FIELD_GENERIC)
        module = self.module.module
        if one.opcode in (Op.MUT_BORROW_FIELD_GENERIC, Op.IMM_BORROW_FIELD_GENERIC):
            instance = module.field_instances[one.operand]
            handle = module.field_handles[instance.of]
            owner = self._applied(self._struct(handle.owner), self.module.instance(instance))
        else:
            handle = module.field_handles[one.operand]
            owner = self._applied(self._struct(handle.owner), ())
        entry = self.pop_reference(mutable)
        if entry.type.arguments[0] != owner:
            raise self.fail(f"a reference to {owner}", entry.type)
        made = reference(field_types(owner)[handle.member], mutable=mutable)
        self._element(made, entry, self.atom(entry), str(handle.member))

    # Structs and enums

    def _struct(self, index: int) -> Datatype:
        handle = self.module.module.structs[index].handle
        return self.module.own_datatype(
            self.module.module.identifiers[self.module.module.datatype_handles[handle].name]
        )

    def _enum(self, index: int) -> Datatype:
        handle = self.module.module.enums[index].handle
        return self.module.own_datatype(
            self.module.module.identifiers[self.module.module.datatype_handles[handle].name]
        )

    def _applied(self, datatype: Datatype, types: tuple[Type, ...]) -> Type:
        self._require_types(datatype.constraints, types, str(datatype))
        return struct(datatype, types)

    def _require_types(self, constraints: tuple[Ability, ...], types: tuple[Type, ...], what: str) -> None:
        if len(constraints) != len(types):
            raise self.fail(f"{len(constraints)} types for {what}", len(types))
        for one, wanted in zip(types, constraints, strict=True):
            check_type(one, self.constraints, self.place)
            if one.reference or wanted & ~abilities(one, self.constraints):
                raise self.fail(f"types with {wanted!r} for {what}", one)

    def _struct_of(self, one: Instruction, generic: tuple[Op, ...]) -> Type:
        if one.opcode in generic:
            instance = self.module.module.struct_instances[one.operand]
            return self._applied(self._struct(instance.of), self.module.instance(instance))
        return self._applied(self._struct(one.operand), ())

    def _shallow(self, type_: Type) -> None:
        """Raises, now or when the code runs, for a type whose values would be too deep."""
        check = depth_check(type_)
        if check is not None:
            self.emit(f"{self.constant(check)}(types)")

    def pack(self, one: Instruction) -> None:
        type_ = self._struct_of(one, (Op.PACK_GENERIC,))
        fields = self.pop_many(field_types(type_))
        self._shallow(type_)
        self.compute(type_, "[" + ", ".join(field.code for field in fields) + "]")

    def unpack(self, one: Instruction) -> None:
        type_ = self._struct_of(one, (Op.UNPACK_GENERIC,))
        entry = self.pop(type_)
        self._spread(field_types(type_), entry.code, "")

    def _spread(self, types: tuple[Type, ...], code: str, first: str) -> None:
        names = [self.name() for _ in types]
        if names:
            self.emit(first + "".join(f"{name}, " for name in names) + f"= {code}")
        for name, type_ in zip(names, types, strict=True):
            self.push(type_, name)

    def _variant(self, one: Instruction, generic: bool) -> tuple[Type, int]:
        module = self.module.module
        if not generic:
            handle = module.variant_handles[one.operand]
            return self._applied(self._enum(handle.owner), ()), handle.member
        handle = module.variant_instances[one.operand]
        instance = module.enum_instances[handle.owner]
        return self._applied(self._enum(instance.of), self.module.instance(instance)), handle.member

    def pack_variant(self, one: Instruction) -> None:
        type_, tag = self._variant(one, one.opcode == Op.PACK_VARIANT_GENERIC)
        fields = self.pop_many(field_types(type_, tag))
        self._shallow(type_)
        self.compute(type_, "[" + ", ".join((str(tag), *(field.code for field in fields))) + "]")

    def unpack_variant(self, one: Instruction) -> None:
        type_, tag = self._variant(one, one.opcode == Op.UNPACK_VARIANT_GENERIC)
        code = self.atom(self.pop(type_))
        self.emit(f"if {code}[0] != {tag}: raise Variant")
        self._spread(field_types(type_, tag), code, "_, ")

    def unpack_variant_ref(self, one: Instruction) -> None:
        generic = one.opcode in (Op.UNPACK_VARIANT_GENERIC_IMM_REF, Op.UNPACK_VARIANT_GENERIC_MUT_REF)
        mutable = one.opcode in (Op.UNPACK_VARIANT_MUT_REF, Op.UNPACK_VARIANT_GENERIC_MUT_REF)
        type_, tag = self._variant(one, generic)
        entry = self.pop_reference(mutable)
        if entry.type.arguments[0] != type_:
            raise self.fail(f"a reference to {type_}", entry.type)
        code = self.atom(entry)
        self.emit(f"if {code}[0] != {tag}: raise Variant")
        for index, field in enumerate(field_types(type_, tag)):
            self._element(reference(field, mutable=mutable), entry, code, str(index + 1))

    # Numbers

    def load(self, one: Instruction) -> None:
        self.push(LEAVES[_LOADS[Op(one.opcode)]], str(one.operand))

    def load_bool(self, one: Instruction) -> None:
        self.push(BOOL, "True" if one.opcode == Op.LD_TRUE else "False")

    def load_const(self, one: Instruction) -> None:
        constant = self.module.module.constants[one.operand]
        type_ = self.module.type(constant.type)
        try:
            value = codec.decode(type_, constant.data)
        except BcsError as problem:
            raise ConstantError(f"{self.place}:{self.offset}", f"a {type_}", str(problem)) from None
        if type_.scalar:
            self.push(type_, str(value) if isinstance(value, int) else self.constant(value))
        else:
            self.compute(type_, self._copied(type_, self.constant(value)))

    def _number(self, entry: Entry) -> int:
        width = WIDTHS.get(entry.type.kind)
        if width is None:
            raise self.fail("an integer", entry.type)
        return width

    def _two(self) -> tuple[Entry, Entry, int]:
        right = self.pop()
        width = self._number(right)
        return self.pop(right.type), right, width

    def add(self, one: Instruction) -> None:
        left, right, width = self._two()
        sign = "+" if one.opcode == Op.ADD else "*"
        name = self.compute(left.type, f"{left.code} {sign} {right.code}")
        self.emit(f"if {name} > {(1 << width) - 1}: raise Arithmetic")

    def subtract(self, _: Instruction) -> None:
        left, right, _width = self._two()
        name = self.compute(left.type, f"{left.code} - {right.code}")
        self.emit(f"if {name} < 0: raise Arithmetic")

    def divide(self, one: Instruction) -> None:
        left, right, _ = self._two()
        self.compute(left.type, f"{left.code} {'//' if one.opcode == Op.DIV else '%'} {right.code}")

    def bitwise(self, one: Instruction) -> None:
        left, right, _ = self._two()
        self.compute(left.type, f"{left.code} {_BITWISE[Op(one.opcode)]} {right.code}")

    def shift(self, one: Instruction) -> None:
        by = self.atom(self.pop(U8))
        value = self.pop()
        width = self._number(value)
        if width < 256:  # a u8 reaches every bit of the widest type and no further
            self.emit(f"if {by} >= {width}: raise Arithmetic")
        if one.opcode == Op.SHL:
            self.compute(value.type, f"{value.code} << {by} & {(1 << width) - 1}")
        else:
            self.compute(value.type, f"{value.code} >> {by}")

    def cast(self, one: Instruction) -> None:
        entry = self.pop()
        made = LEAVES[_CASTS[Op(one.opcode)]]
        if WIDTHS[made.kind] < self._number(entry):
            code = self.atom(entry)
            self.emit(f"if {code} > {(1 << WIDTHS[made.kind]) - 1}: raise Arithmetic")
            self.push(made, code, entry.locals)
        else:
            self.push(made, entry.code, entry.locals)

    def logic(self, one: Instruction) -> None:
        right, left = self.pop(BOOL), self.pop(BOOL)
        self.compute(BOOL, f"{left.code} {_LOGIC[Op(one.opcode)]} {right.code}")

    def negate(self, _: Instruction) -> None:
        entry = self.pop(BOOL)
        self._defer(f"(not {entry.code})", entry)

    def order(self, one: Instruction) -> None:
        left, right, _ = self._two()
        self._defer(f"({left.code} {_ORDER[Op(one.opcode)]} {right.code})", left, right)

    def _defer(self, code: str, *operands: Entry) -> None:
        """A condition: written where it is used, unless it is made of conditions itself."""
        if any(one.code.startswith("(") for one in operands):
            self.compute(BOOL, code)
        else:
            self.push(BOOL, code, frozenset().union(*(one.locals for one in operands)))

    def equal(self, one: Instruction) -> None:
        right = self.pop()
        left = self.pop(right.type)
        type_ = right.type
        sign = "==" if one.opcode == Op.EQ else "!="
        if type_.scalar:
            self._defer(f"({left.code} {sign} {right.code})", left, right)
            return
        self.require(type_, Ability.DROP)
        flip = "" if one.opcode == Op.EQ else "not "
        if type_.reference and type_.arguments[0].scalar:
            self.compute(BOOL, f"{self._scalar_at(left)} {sign} {self._scalar_at(right)}")
        elif type_.reference and not type_.arguments[0].container:
            self.compute(BOOL, f"{flip}equal(run, target({left.code}), target({right.code}))")
        else:
            self.compute(BOOL, f"{flip}equal(run, {left.code}, {right.code})")

    # Calls

    def call(self, one: Instruction) -> None:
        module = self.module.module
        types: tuple[Type, ...] = ()
        if one.opcode == Op.CALL_GENERIC:
            instance: Instance = module.function_instances[one.operand]
            target, types = self.module.target(instance.of), self.module.instance(instance)
        else:
            target = self.module.target(one.operand)
        if not self.module.may_call(target):
            raise VisibilityError(f"{self.place}:{self.offset}", "a function that may be called", target.place)
        self._require_types(target.constraints, types, target.place)
        self._require_own(target, types)
        arguments = self.pop_many(tuple(substitute(type_, types) for type_ in target.parameters))
        self.calls.append(target)
        given = "()"
        if types:
            given = self.constant(Instantiation(types)) + "(types)"
            if all(type_.closed for type_ in types):
                given = self.constant(types)
        code = ", ".join(
            ("run", given, f"depth + {1 + HEIGHT * len(self.stack)}", *(argument.code for argument in arguments))
        )
        returns = tuple(substitute(type_, types) for type_ in target.returns)
        called = f"F{len(self.calls) - 1}({code})"
        if not returns:
            self.emit(called)
        elif len(returns) == 1:
            self.compute(returns[0], called)
        else:
            self._spread(returns, called, "")

    def _require_own(self, target: LinkedFunction, types: tuple[Type, ...]) -> None:
        """Some of the framework's functions take only types of the module that calls them."""
        name = (target.owner.name, target.name)
        if target.owner.address != FRAMEWORK or name not in OWN_TYPES or self.module.address == FRAMEWORK:
            return
        datatype = types[0].datatype
        if datatype is None or (datatype.original, datatype.module) != (self.module.address, self.module.name):
            raise VisibilityError(
                f"{self.place}:{self.offset}", f"a type of this module for {target.place}", str(types[0])
            )

    def pop_top(self, _: Instruction) -> None:
        self.require(self.pop().type, Ability.DROP)

    def nothing(self, _: Instruction) -> None:
        """NOP."""

    # Vectors

    def _element_type(self, one: Instruction) -> Type:
        types = self.module.signature(one.operand)
        if len(types) != 1 or types[0].reference:
            raise self.fail("one type of element", types)
        check_type(types[0], self.constraints, self.place)
        return types[0]

    def _vector(self, one: Instruction, mutable: bool = False) -> tuple[Type, Entry, str]:
        type_ = self._element_type(one)
        entry = self.pop_reference(mutable)
        if entry.type.arguments[0] != vector(type_):
            raise self.fail(f"a reference to vector<{type_}>", entry.type)
        return type_, entry, self.atom(entry)

    def vec_pack(self, one: Instruction) -> None:
        type_ = self._element_type(one)
        if one.count > PACK_MAX:
            raise self.fail(f"at most {PACK_MAX} elements", one.count)
        items = self.pop_many((type_,) * one.count)
        self._shallow(vector(type_))
        listed = ", ".join(item.code for item in items)
        if type_.kind is Kind.U8:
            self.compute(vector(type_), f"bytearray(({listed},))" if items else "bytearray()")
        elif type_.kind is Kind.TYPE_PARAMETER:
            self.compute(vector(type_), f"(bytearray if types[{type_.index}].kind is U8 else list)([{listed}])")
        else:
            self.compute(vector(type_), f"[{listed}]")

    def vec_len(self, one: Instruction) -> None:
        _, _, code = self._vector(one)
        self.compute(U64, f"len({code})")

    def vec_borrow(self, one: Instruction) -> None:
        mutable = one.opcode == Op.VEC_MUT_BORROW
        index = self.pop(U64)
        type_, entry, code = self._vector(one, mutable)
        at = self.atom(index)
        if type_.scalar:
            self.emit(f"if {at} >= len({code}): raise IndexError")
        self._element(reference(type_, mutable=mutable), entry, code, at, index.locals)

    def vec_push(self, one: Instruction) -> None:
        value = self.pop(self._element_type(one))
        _, _, code = self._vector(one, mutable=True)
        self.emit(f"if len({code}) >= {VECTOR_LENGTH_MAX}: raise VectorLimit")
        self.emit(f"{code}.append({value.code})")

    def vec_pop(self, one: Instruction) -> None:
        type_, _, code = self._vector(one, mutable=True)
        self.compute(type_, f"{code}.pop()")

    def vec_unpack(self, one: Instruction) -> None:
        type_ = self._element_type(one)
        if one.count > PACK_MAX:
            raise self.fail(f"at most {PACK_MAX} elements", one.count)
        code = self.atom(self.pop(vector(type_)))
        self.emit(f"if len({code}) != {one.count}: raise VectorUnpack")
        self._spread((type_,) * one.count, code, "")

    def vec_swap(self, one: Instruction) -> None:
        second, first = self.atom(self.pop(U64)), self.atom(self.pop(U64))
        _, _, code = self._vector(one, mutable=True)
        self.emit(f"if {first} >= len({code}) or {second} >= len({code}): raise IndexError")
        self.emit(f"{code}[{first}], {code}[{second}] = {code}[{second}], {code}[{first}]")


def _flat(type_: Type) -> bool:
    """No part of a value of the type is a container."""
    if type_.shallow is None:
        if type_.kind is Kind.VECTOR:
            parts = type_.arguments
        else:
            assert type_.datatype is not None or type_.kind is Kind.TYPE_PARAMETER
            if type_.datatype is None:
                return False
            parts = tuple(one for index in range(len(type_.datatype.fields())) for one in field_types(type_, index))
        type_.shallow = all(one.kind in SCALARS for one in parts)
    return type_.shallow


_I = Instructions
_HANDLERS: dict[Op, Callable[[Instructions, Instruction], None]] = {
    Op.POP: _I.pop_top,
    Op.NOP: _I.nothing,
    Op.LD_CONST: _I.load_const,
    Op.LD_TRUE: _I.load_bool,
    Op.LD_FALSE: _I.load_bool,
    Op.COPY_LOC: _I.copy_loc,
    Op.MOVE_LOC: _I.move_loc,
    Op.ST_LOC: _I.st_loc,
    Op.READ_REF: _I.read_ref,
    Op.WRITE_REF: _I.write_ref,
    Op.FREEZE_REF: _I.freeze_ref,
    Op.ADD: _I.add,
    Op.MUL: _I.add,
    Op.SUB: _I.subtract,
    Op.NOT: _I.negate,
    Op.VEC_PACK: _I.vec_pack,
    Op.VEC_LEN: _I.vec_len,
    Op.VEC_IMM_BORROW: _I.vec_borrow,
    Op.VEC_MUT_BORROW: _I.vec_borrow,
    Op.VEC_PUSH_BACK: _I.vec_push,
    Op.VEC_POP_BACK: _I.vec_pop,
    Op.VEC_UNPACK: _I.vec_unpack,
    Op.VEC_SWAP: _I.vec_swap,
    Op.UNPACK_VARIANT: _I.unpack_variant,
    Op.UNPACK_VARIANT_GENERIC: _I.unpack_variant,
    **dict.fromkeys((Op.MUT_BORROW_LOC, Op.IMM_BORROW_LOC), _I.borrow_loc),
    **dict.fromkeys((Op.MUT_BORROW_FIELD, Op.IMM_BORROW_FIELD), _I.borrow_field),
    **dict.fromkeys((Op.MUT_BORROW_FIELD_GENERIC, Op.IMM_BORROW_FIELD_GENERIC), _I.borrow_field),
    **dict.fromkeys((Op.CALL, Op.CALL_GENERIC), _I.call),
    **dict.fromkeys((Op.PACK, Op.PACK_GENERIC), _I.pack),
    **dict.fromkeys((Op.UNPACK, Op.UNPACK_GENERIC), _I.unpack),
    **dict.fromkeys((Op.PACK_VARIANT, Op.PACK_VARIANT_GENERIC), _I.pack_variant),
    **dict.fromkeys((Op.UNPACK_VARIANT_IMM_REF, Op.UNPACK_VARIANT_MUT_REF), _I.unpack_variant_ref),
    **dict.fromkeys((Op.UNPACK_VARIANT_GENERIC_IMM_REF, Op.UNPACK_VARIANT_GENERIC_MUT_REF), _I.unpack_variant_ref),
    **dict.fromkeys((Op.MOD, Op.DIV), _I.divide),
    **dict.fromkeys(_BITWISE, _I.bitwise),
    **dict.fromkeys(_LOGIC, _I.logic),
    **dict.fromkeys(_ORDER, _I.order),
    **dict.fromkeys((Op.EQ, Op.NEQ), _I.equal),
    **dict.fromkeys((Op.SHL, Op.SHR), _I.shift),
    **dict.fromkeys(_LOADS, _I.load),
    **dict.fromkeys(_CASTS, _I.cast),
}
"""What each instruction becomes; RET, ABORT and branches are the translator's own."""
