"""What operators and overview pages need: health, overview, retention."""
