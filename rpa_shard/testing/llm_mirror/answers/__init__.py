"""What is answered: the request understood, an answer written, its fault applied. Pure."""
