"""The U-Net of Part B: unconditional, with time, and with time and class."""

from __future__ import annotations

# Import torch within functions, or in a module such as this one that experiments import when they run: the site is built
# without torch.
