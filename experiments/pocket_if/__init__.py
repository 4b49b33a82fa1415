"""Pocket IF: a text-to-image cascade of DeepFloyd's shape, small enough for a laptop, trained on a small world."""
