"""The words that deliveries and tables write for yes and no."""

YES_WORDS = frozenset({"oui", "o", "yes", "vrai", "true", "t", "1", "1.0"})
"""Words for yes, lower case."""
NO_WORDS = frozenset({"non", "n", "no", "faux", "false", "f", "0", "0.0"})
"""Words for no, lower case."""
