"""What a person can set: the knobs, the rates of hosts, the names of sources.

`settings` declares every knob, once; `knob` says what a knob is; `host_policy` and `source_names` are their languages.
"""
