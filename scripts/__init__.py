"""Programs that the Makefile runs; not part of the package."""
