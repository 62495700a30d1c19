"use strict";
(() => {
  const SIGNS = {
    online: "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13ZM7.1 11 4.2 8.2l1.2-1.2 1.7 1.6 3.5-3.7 1.2 1.2Z",
    connecting: "M3 6.4a1.7 1.7 0 1 0 .01 0ZM8 6.4a1.7 1.7 0 1 0 .01 0ZM13 6.4a1.7 1.7 0 1 0 .01 0Z",
    frozen: "M7.2.8h1.6v2L10.4 2l.7 1.3-2.3 1.3v2l1.8-1V3h1.5v1.7l1.7-1 .8 1.4-1.7 1 1.5.8-.8 1.3-2.2-1.2-1.8 1 1.8 1 2.2-1.3.8 1.3-1.5.9 1.7 1-.8 1.3-1.7-1V13h-1.5v-2.6l-1.8-1v2l2.3 1.3-.7 1.3-1.6-.8v2H7.2v-2l-1.6.8-.7-1.3 2.3-1.3v-2l-1.8 1V13H3.9v-1.8l-1.7 1-.8-1.3 1.7-1-1.5-.9.8-1.3 2.2 1.3 1.8-1-1.8-1-2.2 1.2-.8-1.3 1.5-.8-1.7-1 .8-1.4 1.7 1V3h1.5v2.6l1.8 1v-2L4.9 3.3 5.6 2l1.6.8Z",
    lost: "M3.4 1.6 8 6.2l4.6-4.6 1.8 1.8L9.8 8l4.6 4.6-1.8 1.8L8 9.8l-4.6 4.6-1.8-1.8L6.2 8 1.6 3.4Z",
    dark: "M6.3 1.6a6.4 6.4 0 1 0 8.1 8.1A5.7 5.7 0 0 1 6.3 1.6Z",
    covered: "M13.4 1.4 14.6 2.6 2.6 14.6 1.4 13.4ZM8 3.2c1 0 1.9.2 2.7.5L9.5 4.9A6 6 0 0 0 8 4.7C5.5 4.7 3.3 6 2.2 8c.4.8 1 1.4 1.7 1.9l-1 1C1.8 10.2 1 9.2.5 8 1.9 5.1 4.8 3.2 8 3.2ZM13 5.1c1.1.7 2 1.7 2.5 2.9-1.4 2.9-4.3 4.8-7.5 4.8-1 0-1.9-.2-2.7-.5l1.2-1.2c.5.1 1 .2 1.5.2 2.5 0 4.7-1.3 5.8-3.3-.4-.8-1-1.4-1.8-1.9Z",
    blurred: "M1 4.3c1.2-1.6 2.3-1.6 3.5-.8s2.3.8 3.5 0 2.3-.8 3.5 0 2.3.8 3.5-.8v1.9c-1.2 1.6-2.3 1.6-3.5.8s-2.3-.8-3.5 0-2.3.8-3.5 0-2.3-.8-3.5.8ZM1 8.5c1.2-1.6 2.3-1.6 3.5-.8s2.3.8 3.5 0 2.3-.8 3.5 0 2.3.8 3.5-.8v1.9c-1.2 1.6-2.3 1.6-3.5.8s-2.3-.8-3.5 0-2.3.8-3.5 0-2.3-.8-3.5.8ZM1 12.7c1.2-1.6 2.3-1.6 3.5-.8s2.3.8 3.5 0 2.3-.8 3.5 0 2.3.8 3.5-.8v1.9c-1.2 1.6-2.3 1.6-3.5.8s-2.3-.8-3.5 0-2.3.8-3.5 0-2.3-.8-3.5.8Z",
    moved: "M.8 8 5.4 3.8v3.2h5.2V3.8L15.2 8l-4.6 4.2V9H5.4v3.2Z",
  };
  const EVERY_MS = 1000;
  const picture = document.getElementById("picture");
  const trouble = document.getElementById("trouble");
  const rows = new Map();
  const waiting = document.getElementById("waiting");
  const WAITING = waiting.textContent;
  let misses = 0;
  let stream = "";
  let unsent = 0;

  function element(name, look, text) {
    const made = document.createElement(name);
    if (look) made.className = look;
    if (text) made.textContent = text;
    return made;
  }

  function sign(state) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const path = document.createElementNS(space, "path");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", SIGNS[state] || SIGNS.connecting);
    path.setAttribute("fill", "currentColor");
    path.setAttribute("fill-rule", "evenodd");
    svg.append(path);
    return svg;
  }

  function span(seconds) {
    const s = Math.max(0, seconds);
    if (s < 9.95) return s.toFixed(1) + " s";
    if (s < 59.5) return Math.round(s) + " s";
    if (s < 3570) return Math.round(s / 60) + " min";
    if (s < 171000) return Math.round(s / 3600) + " h";
    return Math.round(s / 86400) + " d";
  }

  function number(name, text) {
    const cell = element("td", "number", text);
    cell.dataset.name = name;
    return cell;
  }

  function row(camera) {
    const bad = camera.state !== "online";
    const made = element("tr", camera.state + (bad ? " bad" : ""));
    const name = element("th", "", camera.name);
    name.scope = "row";
    const state = element("td", "state-cell");
    const badge = element("span", "state");
    badge.append(sign(camera.state), camera.state + (bad && camera.for_s !== null ? " for " + (camera.for_s < 60 ? Math.floor(camera.for_s) + " s" : span(camera.for_s)) : ""));
    state.append(badge);
    const remarks = element("td", "remarks");
    if (camera.alert) remarks.append(element("span", "alert " + camera.alert, camera.alert + " alert"));
    remarks.append([camera.reason, camera.note].filter(Boolean).join(" · "));
    if (!remarks.textContent) remarks.replaceChildren();
    made.append(
      name, state,
      number("", camera.fps === null ? "" : camera.fps.toFixed(1) + " fps"),
      number("picture", camera.age_s === null ? "" : span(camera.age_s) + " old"),
      number("objects", camera.objects === null ? "" : String(camera.objects)),
      remarks,
    );
    return made;
  }

  function show(status) {
    const cameras = status.cameras;
    const table = document.getElementById("cameras");
    // Rows that say the same stay as they are: what is being read or marked is not pulled away.
    const made = cameras.map((camera, place) => {
      const said = JSON.stringify(camera);
      const old = rows.get(place);
      if (old && old.said === said) return old.row;
      const fresh = row(camera);
      rows.set(place, { said, row: fresh });
      return fresh;
    });
    if (made.some((one, place) => table.children[place] !== one) || table.children.length !== made.length) table.replaceChildren(...made);
    const counts = new Map();
    for (const camera of cameras) counts.set(camera.state, (counts.get(camera.state) || 0) + 1);
    const sums = [element("li", "", cameras.length + (cameras.length === 1 ? " camera" : " cameras"))];
    for (const state of Object.keys(SIGNS)) {
      if (!counts.has(state)) continue;
      const sum = element("li", "state " + state);
      sum.append(sign(state), counts.get(state) + " " + state);
      sums.push(sum);
    }
    const said = sums.map((sum) => sum.textContent).join();
    const list = document.getElementById("sums");
    if (list.dataset.said !== said) {
      list.dataset.said = said;
      list.replaceChildren(...sums);
    }
    const ill = cameras.filter((camera) => camera.state !== "online" && camera.state !== "connecting").length;
    document.title = (ill ? "(" + ill + " ill) " : "") + "Argus";
  }

  function watch() {
    // A name of its own each time: a browser would take a broken stream for loaded, and Argus is asked for it.
    stream = Date.now().toString(36) + Math.random().toString(36).slice(2);
    unsent = 0;
    picture.src = "/grid.mjpg?" + stream;
  }

  async function refresh() {
    try {
      const answer = await fetch("/status.json?" + stream, { cache: "no-store", signal: AbortSignal.timeout(4000) });
      if (!answer.ok) throw new Error((await answer.text()).trim());
      show(await answer.json());
      const sent = answer.headers.get("Argus-Stream");
      waiting.textContent = sent === "full" ? "As many are watching as may: close one of their pages." : WAITING;
      unsent = sent === "open" || document.hidden ? 0 : unsent + 1;
      if ((misses > 1 || unsent > 1) && !document.hidden) watch();
      misses = 0;
      trouble.hidden = true;
      picture.parentElement.classList.remove("old");
    } catch (error) {
      misses += 1;
      if (misses > 1) {
        trouble.textContent = "No connection to Argus. What is shown is old; trying again…";
        trouble.hidden = false;
        picture.parentElement.classList.add("old");
      }
    }
    setTimeout(refresh, EVERY_MS);
  }

  picture.addEventListener("load", () => {
    picture.hidden = false;
    waiting.hidden = true;
  });
  picture.addEventListener("error", () => {
    if (document.hidden) return;
    picture.hidden = true;
    waiting.hidden = false;
  });
  // Nobody paints for a page that nobody sees.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) picture.removeAttribute("src");
    else watch();
  });
  watch();
  refresh();
})();
