"""The experiments of this report."""
