"""The experiments that the write-up shows; one module a section, one folder a part."""
