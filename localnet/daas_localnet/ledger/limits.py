"""What one transaction may hold (mainnet's protocol configuration, versions 129 to 137; facts of the chain, part 5).

Invariant: nothing that a transaction says makes this network hold or do more than these allow.
"""

TRANSACTION_BYTES_MAX = 131_072
PURE_BYTES_MAX = 16_384
ARGUMENTS_MAX = 512
TYPE_ARGUMENTS_MAX = 16
TYPE_ARGUMENT_DEPTH_MAX = 16
COMMANDS_MAX = 1_024
INPUT_OBJECTS_MAX = 2_048
GAS_COINS_MAX = 256
MODULES_MAX = 64
DEPENDENCIES_MAX = 32
OBJECT_BYTES_MAX = 256_000
PACKAGE_BYTES_MAX = 102_400
WRITTEN_BYTES_MAX = 5_000_000
EFFECTS_BYTES_MAX = 524_288
VALUE_BYTES_MAX = 1_048_576
"""Of one value between commands (max_ptb_value_size)."""
BUDGET_MAX = 50_000_000_000_000
GAS_PRICE_MAX = 50_000_000_000
UNITS_MIN = 1_000
"""Every transaction pays for so many units of computation; no budget is below that."""
UNITS_MAX = 5_000_000
