"""Results that another program computed, and outputs that another clone of the project made."""
