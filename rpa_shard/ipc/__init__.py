"""Everything that passes between processes, as typed values, and the files and sockets through which it passes.

`messages` and `link` are the control socket, `run_status` and `saved_hosts` what a run publishes, `breadcrumb` what a
shard was parsing, `run_directory` where the run's files are.
"""
