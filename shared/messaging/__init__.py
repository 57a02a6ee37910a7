"""Work that happens later: the job schedule, and messages that could not be worked on."""
