"""The digits of the tests of diffusion, and one thread for networks this small."""

from tests.diffusion.conftest import digits, one_thread  # noqa: F401
