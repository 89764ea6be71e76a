"""What a person can mend."""


class UserError(ValueError):
    """A mistake in what a person gave: its message states the rule and what was received, for that person to read."""
