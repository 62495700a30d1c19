// One node as a card: how its processes do, and a form for its params. Only what was changed is sent.

import { few, ms, stateOf, tone } from "/dashboard/graph.js";

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const isNumber = (value) => typeof value === "number";
const shown = (value) => value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);

class Field {
  constructor(form, name, value) {
    this.name = name;
    this.value = value;
    const id = `${form}-${name}`;
    const kind = typeof value === "boolean" ? "checkbox" : "text";
    this.input = make("input", { type: kind, id, autocomplete: "off", spellcheck: "false", ...(isNumber(value) ? { inputmode: "decimal" } : {}) });
    this.fault = make("span", { class: "fault", role: "alert", hidden: "" });
    this.root = make("div", { class: "field" }, make("label", { for: id }, name), this.input, this.fault);
    this.show();
  }

  show() {
    if (typeof this.value === "boolean") this.input.checked = this.value;
    else this.input.value = shown(this.value);
    if (this.value === null) this.input.placeholder = "none";
    this.mark();
  }

  get changed() {
    return typeof this.value === "boolean" ? this.input.checked !== this.value : this.input.value !== shown(this.value);
  }

  // What was a number is sent as one; an object, or what is not set, as the JSON that was written, where it is some.
  get given() {
    const text = this.input.value;
    if (typeof this.value === "boolean") return this.input.checked;
    if (typeof this.value === "string") return text;
    if (text.trim() === "") return null;
    try { return JSON.parse(text); } catch { return text; }
  }

  renew(value) {
    const edited = this.changed || document.activeElement === this.input;
    if (JSON.stringify(value) === JSON.stringify(this.value)) return;
    this.value = value;
    if (edited) this.mark(); else this.show();
  }

  mark() { this.root.classList.toggle("changed", this.changed); }

  blame(text) {
    this.fault.hidden = !text;
    this.fault.textContent = text || "";
    this.input.setAttribute("aria-invalid", text ? "true" : "false");
  }
}

export class NodeCard {
  constructor(name) {
    this.name = name;
    this.fields = new Map();
    this.state = make("span", { class: "state" });
    this.reason = make("p", { class: "reason", hidden: "" });
    this.facts = make("dl");
    this.button = make("button", { type: "submit", disabled: "" }, "Change");
    this.said = make("output");
    this.rows = make("div", { class: "rows" });
    this.form = make("form", {}, this.rows, make("div", { class: "send" }, this.button, this.said));
    this.params = make("details", { hidden: "" }, make("summary", {}, "Params"), this.form);
    this.root = make("article", { class: "node card", "data-node": name }, make("h3", {}, name, this.state), this.reason, this.facts, this.params);
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
    this.form.addEventListener("input", () => this.mark());
  }

  tell(node) {
    const worst = stateOf(node), sum = (pick) => node.replicas.reduce((total, r) => total + pick(r), 0);
    const most = (pick) => Math.max(0, ...node.replicas.map(pick));
    this.state.textContent = worst.state + (node.replicas.length > 1 ? ` · ${node.replicas.filter((r) => r.state === "running").length} of ${node.replicas.length} running` : "");
    this.state.className = `state ${tone(worst.state)}`;
    this.reason.hidden = !worst.reason;
    this.reason.textContent = worst.reason;
    const always = new Set(["rate", "loop p50 / p99", "processed", "cpu", "memory"]);
    const facts = [["rate", `${few(sum((r) => r.rate))}/s`], ["loop p50 / p99", `${few(most((r) => r.loop_p50_ms))} / ${ms(most((r) => r.loop_p99_ms))}`],
      ["age p50 / p99", most((r) => r.age_p99_ms) && `${few(most((r) => r.age_p50_ms))} / ${ms(most((r) => r.age_p99_ms))}`], ["processed", sum((r) => r.processed)], ["failed", sum((r) => r.failed)],
      ["restarts", sum((r) => r.restarts)], ["cpu", `${Math.round(sum((r) => r.cpu) * 100)}%`], ["memory", `${few(sum((r) => r.memory_mb))} MB`]];
    this.facts.replaceChildren(...facts.filter(([name, value]) => value || always.has(name)).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))));
    for (const [name, value] of Object.entries(node.params)) {
      const field = this.fields.get(name);
      if (field && (field.value === null || value === null || typeof field.value === typeof value)) { field.renew(value); continue; }
      const fresh = new Field(this.name, name, value);
      if (field) field.root.replaceWith(fresh.root); else this.rows.append(fresh.root);
      this.fields.set(name, fresh);
    }
    // A few are shown at once; many wait until somebody wants them.
    if (this.params.hidden && this.fields.size) this.params.open = this.fields.size <= 4;
    this.params.hidden = this.fields.size === 0;
    this.mark();
  }

  mark() {
    for (const field of this.fields.values()) field.mark();
    this.button.disabled = this.sending || ![...this.fields.values()].some((f) => f.changed);
  }

  async send() {
    const changed = [...this.fields.values()].filter((f) => f.changed);
    for (const field of this.fields.values()) field.blame("");
    this.sending = true;
    this.mark();
    try {
      const body = JSON.stringify({ node: this.name, params: Object.fromEntries(changed.map((f) => [f.name, f.given])) });
      const answer = await fetch("/api/config", { method: "POST", headers: { "Content-Type": "application/json" }, body });
      const told = await answer.json();
      if (answer.ok) {
        for (const [name, value] of Object.entries(told.params)) { const field = this.fields.get(name); if (field) { field.value = value; field.show(); } }
        this.tellSent(told.waiting ? `later: ${told.waiting.join(", ")} is away or at work` : "changed", "");
      } else {
        let blamed = 0;
        for (const fault of told.errors || []) {
          const field = this.fields.get(fault.pointer.replace("#/params/", ""));
          if (field) { field.blame(fault.detail); blamed += 1; }
        }
        this.tellSent(blamed ? "nothing has changed" : told.detail, "bad");
      }
    } catch {
      this.tellSent("the gateway does not answer", "bad");
    }
    this.sending = false;
    this.mark();
  }

  tellSent(text, look) {
    this.said.textContent = text;
    this.said.className = look;
    clearTimeout(this.forget);
    if (!look) this.forget = setTimeout(() => { this.said.textContent = ""; }, 4000);
  }
}
