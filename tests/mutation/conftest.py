"""Stands at the root of the copy in build/mutation: the same few examples for every mutant, the same every time."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "mutation", max_examples=20, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("mutation")
