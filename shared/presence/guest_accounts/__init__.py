"""The two guest accounts that read presence: state, consent, tokens."""
