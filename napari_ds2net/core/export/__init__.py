"""Results as files that other programs read: whole or not at all, and with a record beside them.

- `single`: one array, one file.
- `run`: everything that is asked for of an image or a stack, see `formats` and `subject`.
- `record`: what was made of what, and with what.

No torch and no Qt in here: the window exports in its own process.
"""
