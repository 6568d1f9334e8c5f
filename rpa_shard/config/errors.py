"""The error for knobs.

Guarantee: the message is one line that says what is wrong and what is allowed. Limit: raised only before work begins.
"""


class SettingsError(Exception):
    """A knob is wrong; the message is one line that names it, its value and what is allowed."""
