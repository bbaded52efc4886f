"""Settings of the property tests of kernels: the first call compiles, so that no call has a deadline."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("kernels", deadline=None)
settings.load_profile("kernels")
