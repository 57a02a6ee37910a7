/*
 * Nimbus Interact for a website: start a conversation, leave it, come back in time.
 *
 *   <script src="https://YOUR-NIMBUS/portal/widget/nimbus-widget.js"></script>
 *   const widget = new NimbusWidget({ baseUrl: "https://YOUR-NIMBUS", widgetKey: "..." });
 *   widget.addEventListener("change", () => show(widget.session));
 *   if (!(await widget.resume())) await widget.start({ conversation: "service", target: "desk@your.example" });
 *
 * `session` is null or what the API answers: sessionId, state (Open, Recovering, Ended), reinviteAgent,
 * recoverUntil ... Where `acs` and `meeting` are there, a calling SDK can join with them.
 * Needs no other library. Every method that calls raises NimbusProblem with `status`, `code` and `message`.
 */
(() => {
  "use strict";

  const RENEW_BEFORE = 5 * 60 * 1000; // ms before the end of a token
  const RENEW_EVERY = 30 * 1000; // ms between two renewals at least, whatever the clocks say
  const LONGEST_TIMER = 2 ** 31 - 1; // ms; browsers fire longer ones at once
  const RETRY = 15; // seconds, where the server names no pause
  const FINAL = [401, 404, 409, 410]; // asked again the server would say the same

  class NimbusProblem extends Error {
    constructor(status, code, detail, retryAfter = null) {
      super(detail);
      this.name = "NimbusProblem";
      this.status = status;
      this.code = code;
      this.retryAfter = retryAfter;
    }
  }

  class NimbusWidget extends EventTarget {
    /** `getToken` gives an access token of your own app, where your tenant asks for one. */
    constructor({ baseUrl, widgetKey, getToken = null, storage = window.sessionStorage }) {
      super();
      this.session = null;
      this._base = baseUrl.replace(/\/+$/, "");
      this._key = widgetKey;
      this._getToken = getToken;
      this._storage = storage;
      this._place = `nimbus-widget ${this._base}`;
      this._secret = null;
      this._said = 0; // ms, of the last event
      this._timer = null;
      this._ahead = 0; // ms that the server's clock is ahead of the page's, which may be wrong by hours
      this._renewed = 0; // ms by the page's clock, when the token came
      // A page that is closed, left or put aside says goodbye; the answer is not waited for.
      window.addEventListener("pagehide", () => this._sayGoodbye());
      // One that the browser brings back as it was is there again.
      window.addEventListener("pageshow", (event) => event.persisted && this._quietly(this.rejoin()));
    }

    /** `{enabled, authorization, sessionRecoveryTimeoutSeconds}`. */
    facts() {
      return this._call("GET", "widget");
    }

    /** Start a conversation with a service, or a direct one with a user. `customer` is what the agent may know. */
    async start({ conversation, target, customer = null }) {
      const token = this._getToken ? await this._getToken() : null;
      return this._took(await this._call("POST", "sessions", { conversation, target, customer }, { token }));
    }

    /** After a reload of the page: come back to the session it had. False if there is none, or it is over. */
    async resume() {
      const kept = JSON.parse(this._storage.getItem(this._place) ?? "null");
      if (!kept) return false;
      this._secret = kept.secret;
      this._said = kept.said ?? 0;
      this.session = kept.session;
      try {
        await this.rejoin();
        return true;
      } catch (problem) {
        if (![401, 404, 410].includes(problem.status)) throw problem;
        this._forget();
        return false;
      }
    }

    leave() {
      return this._say("customerLeft");
    }

    /** Come back. The session may be another one then: `restartedFrom` names the one it takes the place of. */
    async rejoin() {
      const session = await this._say("customerRejoined");
      if (!session.acs) await this.renewToken();
      return this.session;
    }

    end() {
      return this._say("ended");
    }

    /** Ask how the session is. */
    async refresh() {
      return this._took(await this._ask("GET", this._path()));
    }

    /** Another token for the calling SDK; it keeps an open session open. Done by itself before one runs out. */
    async renewToken() {
      const acs = await this._ask("POST", `${this._path()}/token`);
      return this._took({ ...this.session, acs });
    }

    /** Seconds in which the customer may come back; null unless the session is Recovering. */
    get secondsLeft() {
      if (this.session?.state !== "Recovering") return null;
      const left = (Date.parse(this.session.recoverUntil) - this._now()) / 1000;
      return Math.max(0, Math.min(left, this.session.recoveryTimeoutSeconds));
    }

    /** ms by the server's clock. */
    _now() {
      return Date.now() + this._ahead;
    }

    /** A token that has just come tells what time it is at the server. */
    _setClock({ expiresOn, expiresInSeconds }) {
      this._renewed = Date.now();
      if (Number.isFinite(expiresInSeconds)) {
        this._ahead = Date.parse(expiresOn) - expiresInSeconds * 1000 - this._renewed;
      }
    }

    async _say(type) {
      return this._took(await this._ask("POST", `${this._path()}/events`, this._event(type)));
    }

    /** The server goes by the order of moments, so each is later than the last, also if the clock is set back. */
    _event(type) {
      this._said = Math.max(Date.now(), this._said + 1);
      this._keep();
      return { type, at: new Date(this._said).toISOString() };
    }

    /** A call about the session, which it shows as ended when the server says so. */
    async _ask(method, path, body = null) {
      try {
        return await this._call(method, path, body, { secret: this._secret });
      } catch (problem) {
        if (problem.status === 410) this._took({ ...this.session, state: "Ended", recoverUntil: null });
        throw problem;
      }
    }

    _sayGoodbye() {
      if (this.session?.state !== "Open") return;
      const event = this._event("customerLeft");
      const options = { secret: this._secret, keepalive: true };
      this._quietly(this._call("POST", `${this._path()}/events`, event, options));
    }

    _took(session) {
      this._secret = session.sessionSecret ?? this._secret;
      const { sessionSecret, ...shown } = session;
      if (shown.acs && shown.acs !== this.session?.acs) this._setClock(shown.acs);
      const same = shown.sessionId === this.session?.sessionId;
      // Answers about the state do not repeat what a start has given.
      this.session = same ? { acs: this.session.acs, meeting: this.session.meeting, ...shown } : shown;
      this._keep();
      this._plan();
      this.dispatchEvent(new CustomEvent("change", { detail: this.session }));
      return this.session;
    }

    /** For a reload of the page; tokens stay out of it. */
    _keep() {
      if (this.session.state === "Ended") return this._storage.removeItem(this._place);
      const { acs, ...session } = this.session;
      return this._storage.setItem(this._place, JSON.stringify({ secret: this._secret, said: this._said, session }));
    }

    _forget() {
      this._storage.removeItem(this._place);
      this._secret = this.session = null;
      this._unplan();
    }

    /** The next thing to do without being asked: renew the token, or see how a recovery ended. */
    _plan() {
      this._unplan();
      const { state, acs } = this.session;
      if (state === "Open" && acs) {
        const pause = Date.parse(acs.expiresOn) - this._now() - RENEW_BEFORE;
        const least = Math.min(this._renewed + RENEW_EVERY - Date.now(), RENEW_EVERY);
        this._after(Math.max(pause, least), () => this.renewToken());
      } else if (state === "Recovering") {
        this._after(this.secondsLeft * 1000 + 250, () => this.refresh());
      }
    }

    _unplan() {
      clearTimeout(this._timer);
      this._timer = null;
    }

    _after(pause, act) {
      const wait = Math.min(Math.max(pause, 1000), LONGEST_TIMER);
      const timer = setTimeout(() => this._quietly(this._try(act, timer)), wait);
      this._timer = timer;
    }

    /** What fails for a while is tried again, unless something else was planned meanwhile. */
    async _try(act, timer) {
      try {
        await act();
      } catch (problem) {
        if (this._timer === timer) {
          if (problem.status === 409) this._after(0, () => this.refresh()); // the session is not Open any more
          if (!FINAL.includes(problem.status)) this._after((problem.retryAfter ?? RETRY) * 1000, act);
        }
        throw problem;
      }
    }

    _quietly(promise) {
      promise.catch((problem) => this.dispatchEvent(new CustomEvent("problem", { detail: problem })));
    }

    _path() {
      if (!this.session) throw new NimbusProblem(0, "NoSession", "there is no session; start one");
      return `sessions/${encodeURIComponent(this.session.sessionId)}`;
    }

    async _call(method, path, body = null, { secret = null, token = null, keepalive = false } = {}) {
      const headers = { "X-Widget-Key": this._key };
      if (secret) headers["X-Session-Secret"] = secret;
      if (token) headers.Authorization = `Bearer ${token}`;
      if (body) headers["Content-Type"] = "application/json";
      let answer;
      try {
        answer = await fetch(`${this._base}/api/interact/${path}`, {
          method,
          headers,
          keepalive,
          credentials: "omit",
          cache: "no-store",
          body: body && JSON.stringify(body),
        });
      } catch {
        throw new NimbusProblem(0, "Unreachable", "the server cannot be reached");
      }
      const content = await answer.json().catch(() => ({}));
      if (answer.ok) return content;
      const retryAfter = Number(answer.headers.get("Retry-After")) || null;
      throw new NimbusProblem(answer.status, content.code ?? "Unknown", content.detail ?? "no reason given", retryAfter);
    }
  }

  window.NimbusWidget = NimbusWidget;
  window.NimbusProblem = NimbusProblem;
})();
