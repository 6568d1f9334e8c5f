"""What the program needs of the operating system; knows nothing of papers.

`files` writes files durably, `locks` locks them; `clock`, `cores`, `memory`, `processes`, `deaths` and `file_systems`
report the state of the system; `threads` and `logs` set up what their names say; `failpoints` lets tests break things.
"""
