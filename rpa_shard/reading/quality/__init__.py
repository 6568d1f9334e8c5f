"""How far text can be trusted: `figures` has the figures and flags, `noise` judges pages by the tables in `letters`."""
