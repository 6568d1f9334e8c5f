"""pypdf: `engine` reads documents, the other modules each give one part of a page."""
