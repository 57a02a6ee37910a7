"""Whether an outbound task may come in: limit, duplicates, due date; by HTTP, queue and batch."""
