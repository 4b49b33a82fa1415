"""Darkroom turns diffusion experiments into a published write-up."""
