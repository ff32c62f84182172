"""Becomes conftest.py at the root of the copy in build/mutation; here its hook would rename every test of the suite.

The same few examples for every mutant, the same every time.
"""

import hashlib
import re

from hypothesis import HealthCheck, settings

settings.register_profile(
    "mutation", max_examples=20, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("mutation")


def pytest_make_parametrize_id(val: object) -> str | None:
    """mutmut hands test names back to pytest. One that pytest does not find again ends the run as if it had failed,
    and the mutant counts as killed: so no brackets, backslashes or quotes in names."""
    if callable(val) or re.fullmatch(r"[\w.-]{0,40}", str(val), re.ASCII):
        return None
    return hashlib.sha256(repr(val).encode()).hexdigest()[:10]
