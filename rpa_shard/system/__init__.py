"""What the program needs of the operating system, and nothing of papers.

`files` writes files durably, `locks` locks them; `clock`, `cores`, `memory`, `processes`, `deaths` and `file_systems`
say how things stand; `threads` and `logs` set up what their names say; `failpoints` lets tests break things.
"""
