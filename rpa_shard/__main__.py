"""`python -m rpa_shard` and the program `rpa-shard`."""


def start() -> int:
    """Runs the command line; returns the exit code."""
    try:
        from rpa_shard.cli import main
    except KeyboardInterrupt:  # Ctrl-C while the program is being loaded
        return 130
    return main()


if __name__ == "__main__":
    raise SystemExit(start())
