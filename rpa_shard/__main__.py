"""`python -m rpa_shard` is the command `rpa-shard`."""

if __name__ == "__main__":
    try:
        from rpa_shard.cli import main
    except KeyboardInterrupt:  # Ctrl-C while the program is being loaded
        raise SystemExit(130) from None
    raise SystemExit(main())
