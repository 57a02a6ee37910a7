// Loaded into Azurite: it ends (and saves) when the supervisor, who holds the other end of stdin, is gone.
process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"));
process.stdin.resume();
process.stdin.unref();
// Azurite listens once; a second SIGTERM (the kernel sends one too) would cut its saving off.
process.on("SIGTERM", () => {});
