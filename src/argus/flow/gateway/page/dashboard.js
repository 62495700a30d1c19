// The page: live tiles, the graph, the links' sums and the nodes with their params. Asks for nothing from elsewhere.

import { draw } from "/dashboard/drawing.js";
import { few, graph, ms, stateOf } from "/dashboard/graph.js";
import { NodeCard } from "/dashboard/params.js";

// A browser keeps six connections to one address: four streams leave two for everything else.
const STREAMS = 4;
const OLD_S = 3, STATUS_MS = 1000, TOPICS_MS = 2000, KEPT = 60;
const $ = (id) => document.getElementById(id);
const tiles = new Map(), cards = new Map(), newest = new Map();

if (new URLSearchParams(location.search).has("key")) history.replaceState(null, "", location.pathname);

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

class Tile {
  constructor(topic) {
    this.name = topic.topic;
    this.overlays = new Map();
    this.facts = make("span", { class: "facts" });
    this.bar = make("div", { class: "bar" }, make("strong", {}, this.name), this.facts);
    this.root = make("article", { class: "tile card", "data-topic": this.name });
    this.visible = true;
    this.arrived = 0;
  }

  hear(told) {
    this.told = told;
    this.arrived = performance.now();
  }

  tell(topic) {
    this.topic = topic;
    const old = topic.silent_s > OLD_S;
    this.root.classList.toggle("old", old);
    const size = topic.width ? `${topic.width}×${topic.height} · ` : "";
    const age = this.told && !old ? ` · ${ms(this.told.age_ms)} old` : "";
    this.facts.textContent = old ? `${size}silent for ${few(topic.silent_s)} s` : `${size}${few(topic.rate)}/s${age}`;
  }
}

class PictureTile extends Tile {
  constructor(topic) {
    super(topic);
    this.picture = make("img", { alt: `${this.name}, live` });
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.stage = make("div", { class: "stage" });
    this.choices = make("div", { class: "overlays", hidden: "" });
    if (topic.kind === "picture") this.stage.append(this.picture);
    else this.stage.append(make("span", { class: "none" }, "no picture of this source comes to the gateway"));
    this.stage.append(this.canvas);
    this.root.append(this.stage, this.bar, this.choices);
    this.streaming = null;
    this.picture.addEventListener("error", () => { this.streaming = null; this.retryAt = performance.now() + 2000; });
    if (topic.kind !== "picture") this.overlay(topic);
  }

  overlay(topic) {
    if (this.overlays.has(topic.topic)) return;
    const choice = make("input", { type: "checkbox" });
    choice.addEventListener("change", () => { choice.chosen = true; });
    this.overlays.set(topic.topic, { choice, hops: topic.hops });
    // Of several that show the same objects, the one that knows most of them is drawn.
    const most = Math.max(...[...this.overlays.values()].map((o) => o.hops));
    for (const one of this.overlays.values()) if (!one.choice.chosen) one.choice.checked = one.hops === most;
    this.choices.replaceChildren(...[...this.overlays].map(([name, { choice: box }]) => make("label", {}, box, name)));
    this.choices.hidden = this.overlays.size < 2;
  }

  tell(topic) {
    super.tell(topic);
    if (topic.width) this.stage.style.aspectRatio = `${topic.width} / ${topic.height}`;
  }

  stream(live) {
    if (this.topic.kind !== "picture") return;
    const wanted = live ? "stream" : "still";
    if (this.streaming === wanted || performance.now() < (this.retryAt || 0)) return;
    this.streaming = wanted;
    if (live) this.picture.src = `/stream/${encodeURIComponent(this.name)}.mjpeg?at=${Date.now()}`;
    else this.picture.removeAttribute("src");
  }

  draw() {
    const now = performance.now();
    const shown = [...this.overlays].filter(([, one]) => one.choice.checked).map(([name]) => newest.get(name));
    draw(this.canvas, shown.filter((told) => told && told.kind === "detections" && now - told.arrived < OLD_S * 1000));
  }
}

class DataTile extends Tile {
  constructor(topic) {
    super(topic);
    this.list = make("ol", { class: "happenings", hidden: "" });
    this.text = make("pre");
    this.root.append(this.list, this.text, this.bar);
  }

  hear(told) {
    super.hear(told);
    const events = (Array.isArray(told.value) ? told.value : [told.value]).filter((e) => e && typeof e === "object" && typeof e.type === "string" && e.type.includes("."));
    if (!events.length) {
      if (this.list.hidden) this.text.textContent = JSON.stringify(told.value, null, 1);
      return;
    }
    this.text.hidden = true;
    this.list.hidden = false;
    for (const event of events) {
      if (event.phase === "update") continue;
      const what = [event.class || "", event.object ? `#${event.object}` : "", event.type].filter(Boolean).join(" ");
      const place = event.zone || event.line || event.crowd || "";
      const line = make("li", {}, make("time", {}, `${few(event.end ?? event.start)} s`), make("span", event.alert ? { class: "alert" } : {}, what + (event.phase === "end" && event.end > event.start ? " (ended)" : "")), make("span", { class: "place" }, place + (event.direction ? ` ${event.direction}` : "")));
      this.list.prepend(line);
    }
    while (this.list.childElementCount > KEPT) this.list.lastChild.remove();
  }
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) tiles.get(entry.target.dataset.topic).visible = entry.isIntersecting;
  share();
}, { rootMargin: "120px" });

function share() {
  let free = STREAMS;
  for (const tile of tiles.values())
    if (tile instanceof PictureTile && tile.topic?.kind === "picture") tile.stream(tile.visible && !document.hidden && free-- > 0);
}

async function stills() {
  for (;;) {
    const due = [...tiles.values()].filter((t) => t.streaming === "still" && t.visible && !document.hidden);
    for (const tile of due) {
      try {
        const answer = await fetch(`/snapshot/${encodeURIComponent(tile.name)}.jpg`);
        if (!answer.ok || tile.streaming !== "still") continue;
        const address = URL.createObjectURL(await answer.blob());
        await new Promise((done) => { tile.picture.onload = done; setTimeout(done, 1000); tile.picture.src = address; });
        URL.revokeObjectURL(address);
      } catch { break; }
    }
    await new Promise((done) => setTimeout(done, 500));
  }
}

function place(topics) {
  const shown = topics.filter((t) => !t.over);
  for (const topic of shown) {
    const kind = topic.kind === "data" ? DataTile : PictureTile;
    const has = tiles.get(topic.topic);
    if (!has || !(has instanceof kind) || (has.topic && has.topic.kind !== topic.kind)) {
      const tile = new kind(topic);
      if (has) { seen.unobserve(has.root); has.root.replaceWith(tile.root); } else $("tiles").append(tile.root);
      tiles.set(topic.topic, tile);
      seen.observe(tile.root);
      if (newest.has(topic.topic)) tile.hear(newest.get(topic.topic));
    }
    tiles.get(topic.topic).tell(topic);
  }
  for (const topic of topics.filter((t) => t.over)) {
    const tile = tiles.get(topic.topic);
    if (tile) { seen.unobserve(tile.root); tile.root.remove(); tiles.delete(topic.topic); }
    tiles.get(topic.over)?.overlay(topic);
  }
  $("nothing").hidden = tiles.size > 0;
  share();
}

function tellStatus(status) {
  document.title = `${status.name} – Argus flow`;
  $("system").textContent = status.name;
  const states = status.nodes.map((n) => stateOf(n).state);
  const count = (state) => states.filter((s) => s === state).length;
  const replicas = status.nodes.flatMap((n) => n.replicas);
  const sums = ["running", "starting", "waiting", "backing-off", "failed", "finished", "stopped"].filter(count).map((s) => `${count(s)} ${s}`);
  sums.push(`${few(replicas.reduce((sum, r) => sum + r.cpu, 0))} cores`, `${few(replicas.reduce((sum, r) => sum + r.memory_mb, 0))} MB`);
  $("sums").replaceChildren(...sums.map((s) => make("li", {}, s)));
  $("graph").replaceChildren(graph(status));
  $("links").replaceChildren(...status.links.map(linkRow));
  for (const node of status.nodes) {
    if (!cards.has(node.name)) {
      cards.set(node.name, new NodeCard(node.name));
      $("nodes").append(cards.get(node.name).root);
    }
    cards.get(node.name).tell(node);
  }
}

function linkRow(link) {
  const { counts } = link;
  const cell = (name, value) => make("td", { class: "number", "data-name": name }, value);
  const reasons = Object.entries(counts.dropped).filter(([, n]) => n);
  const grave = reasons.some(([why]) => !["newer", "ended"].includes(why));
  return make("tr", {}, make("th", { scope: "row" }, link.id), make("td", { class: "promise" }, `${link.qos}, ${link.transport}`),
    cell("rate", `${few(link.rate)}/s`), cell("p50", ms(link.latency_p50_ms)), cell("p99", ms(link.latency_p99_ms)),
    cell("sent", counts.sent), cell("delivered", counts.delivered), cell("pending", counts.pending), cell("again", counts.redelivered),
    make("td", { class: `said${grave ? " warned" : ""}`, "data-name": "dropped" }, reasons.map(([why, n]) => `${n} ${why}`).join(", ") || "none"));
}

function trouble(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text || "";
}

async function every(pause_ms, work) {
  for (let first = true; ; first = false) {
    if (first || !document.hidden) await work();
    await new Promise((done) => setTimeout(done, pause_ms));
  }
}

async function ask(path, use) {
  try {
    const answer = await fetch(path, { headers: { Accept: "application/json" } });
    const told = await answer.json();
    if (answer.ok) use(told);
    return answer.ok ? "" : told.detail;
  } catch {
    return "The gateway does not answer: it has ended, or is being started again.";
  }
}

function listen(wait_ms = 500) {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
  socket.onmessage = (message) => {
    wait_ms = 500;
    const told = JSON.parse(message.data);
    told.arrived = performance.now();
    newest.set(told.topic, told);
    tiles.get(told.topic)?.hear(told);
  };
  socket.onclose = () => setTimeout(() => listen(Math.min(5000, wait_ms * 2)), wait_ms);
}

function paint() {
  for (const tile of tiles.values()) if (tile instanceof PictureTile && tile.visible) tile.draw();
  requestAnimationFrame(paint);
}

document.addEventListener("visibilitychange", share);
listen();
paint();
stills();
every(TOPICS_MS, () => ask("/api/topics", place));
every(STATUS_MS, async () => trouble(await ask("/api/status", tellStatus)));
