"""The app settings: read from the environment, judged by their form, all at once."""
