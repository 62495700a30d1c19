// The graph: nodes in columns, each right of all it takes from; links between them with what they carry.

const WIDE = 184, TALL = 66, GAP_X = 168, GAP_Y = 26, PLATE = 34;
const SPACE = "http://www.w3.org/2000/svg";

export function tone(state) {
  return { running: "good", finished: "calm", stopped: "calm", starting: "calm", waiting: "warn", "backing-off": "warn", failed: "bad" }[state] || "calm";
}

export function stateOf(node) {
  // The state that most wants to be known speaks for all replicas.
  const order = ["failed", "backing-off", "waiting", "starting", "running", "stopped", "finished"];
  return [...node.replicas].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))[0] || { state: "stopped", reason: "" };
}

export const few = (value) => value >= 100 ? Math.round(value).toString() : value >= 10 ? value.toFixed(1) : value.toFixed(2).replace(/\.?0+$/, "") || "0";
export const ms = (value) => value >= 1000 ? `${few(value / 1000)} s` : `${few(value)} ms`;

function element(name, attributes, ...children) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function columnsOf(nodes, links) {
  const depth = new Map(nodes.map((n) => [n.name, 0]));
  for (let round = 0; round < nodes.length; round++)
    for (const link of links)
      if (depth.has(link.source) && depth.has(link.target))
        depth.set(link.target, Math.min(nodes.length - 1, Math.max(depth.get(link.target), depth.get(link.source) + 1)));
  return depth;
}

// A link over several columns takes a place of its own in each: it goes around nodes, not beneath them.
function layout(nodes, links) {
  const depth = columnsOf(nodes, links), columns = [];
  const put = (at, cell) => { (columns[at] ||= []).push(cell); return cell; };
  const cells = new Map(nodes.map((n) => [n.name, put(depth.get(n.name), { node: n, before: [] })]));
  const routes = links.filter((l) => cells.has(l.source) && cells.has(l.target)).map((link) => {
    const way = [cells.get(link.source)];
    for (let at = depth.get(link.source) + 1; at < depth.get(link.target); at++) way.push(put(at, { before: [way[way.length - 1]] }));
    cells.get(link.target).before.push(way[way.length - 1]);
    return { link, way: [...way, cells.get(link.target)] };
  });
  const most = Math.max(...columns.map((c) => c.reduce((sum, cell) => sum + (cell.node ? TALL : PLATE) + GAP_Y, -GAP_Y)));
  columns.forEach((column, at) => {
    const wish = (cell) => cell.before.length ? cell.before.reduce((sum, b) => sum + b.y, 0) / cell.before.length : 0;
    column.sort((a, b) => wish(a) - wish(b));
    const high = column.reduce((sum, cell) => sum + (cell.node ? TALL : PLATE) + GAP_Y, -GAP_Y);
    let y = (most - high) / 2;
    for (const cell of column) {
      const tall = cell.node ? TALL : PLATE;
      cell.x = at * (WIDE + GAP_X); cell.y = y + tall / 2; y += tall + GAP_Y;
    }
  });
  // Links leave and arrive beside each other, in the order of where they come from or lead to.
  const spread = (ways, at, key, order) => {
    const step = Math.min(16, (TALL - 22) / ways.length);
    ways.sort((a, b) => order(a) - order(b)).forEach((route, i) => { route[key] = at.y + (i - (ways.length - 1) / 2) * step; });
  };
  for (const cell of cells.values()) {
    spread(routes.filter((r) => r.way[0] === cell), cell, "from", (r) => r.way[1].y);
    spread(routes.filter((r) => r.way[r.way.length - 1] === cell), cell, "to", (r) => r.way[r.way.length - 2].y);
  }
  return { cells, routes, width: columns.length * (WIDE + GAP_X) - GAP_X, height: Math.max(most, TALL) };
}

function wire({ link, way, from, to }, labels) {
  const yOf = (i) => i === 0 ? from : i === way.length - 1 ? to : way[i].y;
  let path = "";
  for (let i = 1; i < way.length; i++) {
    const x1 = way[i - 1].x + WIDE, y1 = yOf(i - 1), x2 = way[i].x - (way[i].node ? 7 : 0), y2 = yOf(i), half = (x2 - x1) / 2;
    path += i === 1 ? `M${x1} ${y1}` : `L${x1} ${y1}`;
    path += `C${x1 + half} ${y1} ${x2 - half} ${y2} ${x2} ${y2}`;
  }
  const end = way[way.length - 1], before = way[way.length - 2];
  const dropped = Object.values(link.counts.dropped).reduce((a, b) => a + b, 0);
  const lost = Object.entries(link.counts.dropped).some(([why, n]) => n && !["newer", "ended"].includes(why));
  const lines = [`${few(link.rate)}/s · ${few(link.latency_p50_ms)} / ${ms(link.latency_p99_ms)}`];
  const rest = [];
  if (link.counts.pending) rest.push(`${link.counts.pending} pending`);
  if (dropped) rest.push(`${dropped} dropped`);
  if (rest.length) lines.push(rest.join(" · "));
  const x = before.x + WIDE + GAP_X / 2;
  let y = (yOf(way.length - 2) + to) / 2;
  while (labels.some((l) => Math.abs(l.x - x) < 10 && Math.abs(l.y - y) < PLATE)) y += 6;
  labels.push({ x, y });
  const kind = link.qos;
  const tall = lines.length > 1 ? 34 : 19;
  const text = lines.map((line, i) => element("text", { x, y: y + 4.5 + (i - (lines.length - 1) / 2) * 15, class: `small middle${i && lost ? " warn" : ""}` }, line));
  const why = Object.entries(link.counts.dropped).map(([r, n]) => `${n} ${r}`).join(", ") || "nothing dropped";
  const title = () => element("title", {}, `${link.id} · ${link.qos} · ${link.transport} · ${why}`);
  return [
    element("g", {}, title(), element("path", { d: path, class: `wire ${kind}` }), element("path", { d: `M${end.x - 9} ${to - 5}l9 5l-9 5z`, class: `tip ${kind}` })),
    element("g", {}, title(), element("rect", { x: x - 74, y: y - tall / 2, width: 148, height: tall, rx: 5, class: "plate" }), ...text),
  ];
}

function box(cell) {
  const { node, x } = cell, y = cell.y - TALL / 2;
  const worst = stateOf(node), look = tone(worst.state);
  const sum = (pick) => node.replicas.reduce((total, r) => total + pick(r), 0);
  const restarts = sum((r) => r.restarts);
  const loop = Math.max(0, ...node.replicas.map((r) => r.loop_p50_ms));
  const name = node.name.length > 20 ? `${node.name.slice(0, 19)}…` : node.name;
  const many = node.replicas.length > 1 ? ` ×${node.replicas.length}` : "";
  return element("g", { class: look },
    element("title", {}, `${node.name}: ${worst.state}${worst.reason ? ` – ${worst.reason}` : ""}`),
    element("rect", { x, y, width: WIDE, height: TALL, rx: 9, class: `box ${look === "bad" || look === "warn" ? look : ""}` }),
    element("circle", { cx: x + 15, cy: y + 18, r: 4.5, class: "dot" }),
    element("text", { x: x + 27, y: y + 23, class: "name" }, name + many),
    element("text", { x: x + 14, y: y + 41, class: `small ${look === "bad" || look === "warn" ? look : ""}` }, worst.state + (restarts ? ` · ${restarts} restart${restarts > 1 ? "s" : ""}` : "")),
    element("text", { x: x + 14, y: y + 57, class: "small" }, `${few(sum((r) => r.rate))}/s · ${ms(loop)}`),
    element("text", { x: x + WIDE - 12, y: y + 57, class: "small end" }, `${Math.round(sum((r) => r.cpu) * 100)}% cpu`));
}

export function graph(status) {
  const { cells, routes, width, height } = layout(status.nodes, status.links), labels = [];
  const svg = element("svg", { width: width + 4, height: height + 4, viewBox: `-2 -2 ${width + 4} ${height + 4}`, role: "img", "aria-label": `${status.nodes.length} nodes, ${status.links.length} links` });
  const wires = routes.map((route) => wire(route, labels));
  svg.append(...wires.map(([line]) => line), ...wires.map(([, plate]) => plate), ...[...cells.values()].map(box));
  // It shrinks a little to fit; below that it is scrolled, as nobody could read it.
  svg.style.maxWidth = "100%";
  svg.style.height = "auto";
  svg.style.minWidth = `${Math.round(width * 0.78)}px`;
  return svg;
}
