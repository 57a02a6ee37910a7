"""What the supervisor tells a worker when it starts it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """One worker's part. `run_id` names the run of the stack, `secret` lets the seed in while the door is closed."""

    number: int
    app_dir: str
    state_dir: str
    listen_fd: int
    as_json: bool
    verbose: bool
    run_id: str
    secret: str
    door_open: bool = False
