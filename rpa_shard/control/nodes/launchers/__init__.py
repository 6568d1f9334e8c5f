"""What starts nodes on other machines, and keeps them there.

`placing` decides, over any `machines`; `ray_placement` knows those of a Ray cluster; `ray_actor` starts a node as a
child process, and `environment` says with which variables. `rpa_shard.control.nodes.until_closed` ends a node with
whoever started it.
"""
