// Loaded into Azurite: it ends (and saves) when the supervisor, who holds the other end of stdin, is gone.
process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"));
process.stdin.resume();
process.stdin.unref();
// Azurite listens for SIGTERM once; a second one (the kernel sends it too) would cut its saving off.
process.once("newListener", function beside(name) {
  if (name === "SIGTERM") process.on("SIGTERM", () => {});
  else process.once("newListener", beside);
});
