"""What a model is shown: the paper's text, cut to fit, what was written so far; and how answers are set as Markdown."""
