"""What a program may use at most, each with the reason.

Invariant: nothing that bytes from outside say makes the host use more than these allow. Source of the protocol's own
limits: sui-protocol-config/src/snapshots (Mainnet, version 137) and move-vm-config in MystenLabs/sui.
"""

CALL_DEPTH_MAX = 1_024
"""Callers of a function (CALL_STACK_SIZE_LIMIT of the Move VM)."""
VALUE_DEPTH_MAX = 128
"""Nesting of a value (max_move_value_depth); codecs and copies recurse as deep."""
VECTOR_LENGTH_MAX = 262_144
"""Elements of a vector (max_move_vector_len)."""
TYPE_NODES_MAX = 256
"""Nodes of an instantiated type (max_type_nodes)."""
TYPE_DEPTH_MAX = 64
"""Nesting of an instantiated type: the reader's own limit, kept when types are put into each other."""
BASIC_BLOCKS_MAX = 1_024
"""Of one function (max_basic_blocks)."""
HEIGHT = 2_048
"""`depth` of a running function counts its callers, and in units of this the values they have on the operand stack."""
STACK_MAX = 1_024
"""Values on the operand stack, those of all callers together (OPERAND_STACK_SIZE_LIMIT)."""
PACK_MAX = 10_000
"""Elements that one instruction puts into a vector or takes out of it (max_push_size)."""
BUDGET = 5_000_000
"""Units of work in one transaction unless the caller says otherwise: the protocol's cap on computation."""
RECURSION = 5_000
"""Frames of the host: one for each Move call, two for each level of a value, and room for the caller's own."""
BYTES_PER_UNIT = 32
"""Bytes copied, hashed or encoded for one unit of work: no program can fill the host's memory within BUDGET."""
ENCODED_BYTES_PER_UNIT = 8
"""Bytes of BCS made for one unit of work."""
WORLDS_KEPT = 32
"""Linked sets of packages kept in memory."""
