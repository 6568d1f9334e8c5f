"""What people and monitors see of a data folder: status, health, one paper, a recount, an export.

Everything here reads; nothing here changes a paper's state.
"""
