"""Darkroom turns diffusion experiments into a published write-up."""

__version__ = "0.2.0"
