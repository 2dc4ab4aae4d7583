"""How Explore shows an answer: which groups there are, its charts, and its table."""
