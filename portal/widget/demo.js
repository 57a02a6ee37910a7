/* The demo page around nimbus-widget.js: shows what the client does, does nothing of its own. */
(() => {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const UNITS = { Open: "connected", Recovering: "seconds to come back", Ended: "session is over" };
  const PLACE = "nimbus-widget-demo";

  let widget = null;

  function connect() {
    const widgetKey = $("key").value.trim();
    const getToken = () => $("token").value.trim() || null;
    widget = new NimbusWidget({ baseUrl: location.origin, widgetKey, getToken });
    widget.addEventListener("change", show);
    widget.addEventListener("problem", (event) => tell(event.detail));
    sessionStorage.setItem(PLACE, widgetKey);
  }

  /** Run what a button asks for; a refusal is shown where the person looks. */
  async function attempt(what, act) {
    $("problem").hidden = true;
    try {
      await act();
      if (what) log(what);
    } catch (problem) {
      tell(problem);
    }
  }

  function tell(problem) {
    const wait = problem.retryAfter ? ` Try again in ${problem.retryAfter} s.` : "";
    const [first, ...rest] = problem.message;
    $("problem").textContent = `${first.toUpperCase()}${rest.join("")}.${wait}`;
    $("problem").hidden = false;
    log(`${problem.code}: ${problem.message}`);
  }

  async function learn() {
    const note = $("facts");
    const key = $("key").value.trim();
    $("snippet").textContent = snippet(key || "YOUR-WIDGET-KEY");
    if (!key) return;
    connect();
    try {
      const facts = await widget.facts();
      $("token-field").hidden = facts.authorization === "None";
      note.textContent = facts.enabled
        ? `Interact is on; ${facts.sessionRecoveryTimeoutSeconds} s to come back after leaving.`
        : "The key is good, but Interact is switched off or not licensed.";
      note.dataset.kind = facts.enabled ? "good" : "bad";
    } catch (problem) {
      note.textContent = problem.code === "WidgetKeyInvalid" ? "This widget key is not valid." : problem.message;
      note.dataset.kind = "bad";
    }
  }

  function show() {
    const { session } = widget;
    $("state").textContent = $("state").dataset.state = $("clock").dataset.state = session.state;
    $("unit").textContent = session.reinviteAgent ? "agent is invited again" : UNITS[session.state];
    $("leave").disabled = session.state !== "Open";
    $("rejoin").disabled = session.state === "Open";
    $("end").disabled = session.state === "Ended";
    $("start").disabled = session.state !== "Ended";
    $("details").hidden = false;
    $("session-id").textContent = session.sessionId;
    $("restarted").textContent = session.restartedFrom ?? "–";
    $("user").textContent = session.acs?.userId ?? "–";
    $("expires").textContent = session.acs ? new Date(session.acs.expiresOn).toLocaleTimeString() : "–";
    $("meeting").href = session.meeting?.joinWebUrl ?? "";
    tick();
  }

  function tick() {
    const left = widget?.secondsLeft ?? null;
    const state = widget?.session?.state;
    const share = left === null ? (state === "Open" ? 1 : 0) : left / widget.session.recoveryTimeoutSeconds;
    $("ring").style.strokeDashoffset = String(100 - 100 * share);
    $("seconds").textContent = left === null ? { Open: "✓", Ended: "×" }[state] ?? "–" : String(Math.ceil(left));
  }

  function log(text) {
    const row = document.createElement("li");
    const time = document.createElement("time");
    time.textContent = new Date().toLocaleTimeString();
    row.append(time, text);
    document.querySelector("#log .empty")?.remove();
    $("log").prepend(row);
  }

  function snippet(key) {
    const conversation = document.querySelector("[name=conversation]:checked").value;
    return `<script src="${location.origin}/portal/widget/nimbus-widget.js"></script>
<script>
  const widget = new NimbusWidget({
    baseUrl: "${location.origin}",
    widgetKey: "${key}",
  });
  widget.addEventListener("change", () => {
    // widget.session.state: Open, Recovering or Ended
  });
  async function talk() {
    if (await widget.resume()) return;
    await widget.start({
      conversation: "${conversation}",
      target: "${$("target").value.trim()}",
    });
  }
</script>`;
  }

  $("setup").addEventListener("input", (event) => event.target.id !== "key" && learnLess());
  $("key").addEventListener("change", learn);
  $("setup").addEventListener("submit", (event) => {
    event.preventDefault();
    const conversation = document.querySelector("[name=conversation]:checked").value;
    const name = $("customer").value.trim();
    const wanted = { conversation, target: $("target").value.trim(), customer: name ? { name } : null };
    attempt("Session started", async () => {
      if (!widget) connect();
      await widget.start(wanted);
    });
  });
  $("leave").addEventListener("click", () => attempt("You left", () => widget.leave()));
  $("rejoin").addEventListener("click", () => attempt("You are back", () => widget.rejoin()));
  $("end").addEventListener("click", () => attempt("You ended the session", () => widget.end()));
  $("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText($("snippet").textContent);
    $("copy").textContent = "Copied";
    setTimeout(() => ($("copy").textContent = "Copy"), 2000);
  });

  function learnLess() {
    $("snippet").textContent = snippet($("key").value.trim() || "YOUR-WIDGET-KEY");
  }

  async function begin() {
    $("key").value = sessionStorage.getItem(PLACE) ?? "";
    await learn();
    if (widget) await attempt("", async () => (await widget.resume()) && log("The page was loaded again; you are back"));
  }

  setInterval(tick, 200);
  begin();
})();
