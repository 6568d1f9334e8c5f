"""`python -m rpa_shard` is the command `rpa-shard`."""

from rpa_shard.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
