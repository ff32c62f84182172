"""Instructions on structs, enums and vectors.

Invariant: as in `instructions`. A value is made only with fields of its own types, and only where its type is sound;
no value is deeper, and no vector longer, than the limits.
"""

from __future__ import annotations

from daas_chain.bytecode_code import Instruction
from daas_chain.bytecode_types import Ability, Kind

from .declarations import check_type
from .instances import depth_check
from .limits import PACK_MAX, VECTOR_LENGTH_MAX
from .opcodes import Op
from .operands import Entry
from .references import References
from .types import U64, Datatype, Type, abilities, field_types, reference, struct, vector


class Structures(References):
    """Of one function."""

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
        self.meter.take_types(types, self.place)
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
