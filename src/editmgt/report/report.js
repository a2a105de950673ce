
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  // light or dark: as the system, until the reader chooses
  const theme = byId("theme"), root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const label = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
  system.addEventListener("change", label);
  theme.hidden = false;
  label();

  const data = JSON.parse(byId("data").textContent);
  if (!data) return;

  const PAGE = 12;       // samples that the page holds at a time
  const DRAWN = 256;     // pixels of a canvas's longer side, at least
  const HEAT = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
  const samples = byId("samples"), type = byId("type"), order = byId("order"), all = byId("maps");
  let start = 0, shown = [];

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  function heat(value) {
    const at = (value / 255) * (HEAT.length - 1), low = Math.min(Math.floor(at), HEAT.length - 2);
    return HEAT[low].map((from, i) => from + (HEAT[low + 1][i] - from) * (at - low));
  }

  function drawMap(context, [[rows, columns], map, [heldRows, heldColumns], held]) {
    const { width, height } = context.canvas;
    const small = make("canvas", { width: columns, height: rows });
    const image = new ImageData(columns, rows);
    bytes(map).forEach((value, i) => image.data.set([...heat(value), 185], 4 * i));
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = true;
    context.drawImage(small, 0, 0, width, height);
    const bits = bytes(held), w = width / heldColumns, h = height / heldRows;
    context.beginPath();
    for (let i = 0; i < heldRows * heldColumns; i++) {
      if (!((bits[i >> 3] >> (7 - (i & 7))) & 1)) continue;
      const x = (i % heldColumns) * w, y = Math.floor(i / heldColumns) * h;
      context.moveTo(x, y + h);
      context.lineTo(x + w, y);
    }
    context.lineWidth = Math.max(1.5, w / 7);
    context.strokeStyle = "#2fc4b3";
    context.stroke();
  }

  const heldShare = ([, , [rows, columns], held]) =>
    bytes(held).reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0) / (rows * columns);

  // one of a sample's pictures; drawing waits for the sheet they are all on
  function canvas(sample, sheet, slot, map) {
    const [width, height] = sample.size, scale = Math.max(1, Math.round(DRAWN / Math.max(width, height)));
    const element = make("canvas", { width: width * scale, height: height * scale });
    const context = element.getContext("2d");
    element.draw = (withMap) => {
      context.imageSmoothingEnabled = false;
      const column = slot % sample.columns, row = Math.floor(slot / sample.columns);
      context.drawImage(sheet, column * width, row * height, width, height, 0, 0, element.width, element.height);
      if (withMap && map) drawMap(context, map);
    };
    sheet.decode().then(() => element.draw(element.withMap), () => {});
    return element;
  }

  const score = (value, i) =>
    value === null ? "–" : data.binary[i] ? (value ? "yes" : "no") : value.toFixed(3).replace("-", "−");

  function fixed(sample, sheet, name, slot) {
    const figure = make("figure");
    if (slot < 0) figure.append(make("div", { className: "none", textContent: "none" }));
    else {
      const picture = canvas(sample, sheet, slot);
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", name);
      figure.append(picture);
    }
    figure.append(make("figcaption", { textContent: name }));
    return figure;
  }

  function edited(sample, sheet, cell) {
    const slot = sample.slots[data.fixed.length + cell], map = sample.maps[cell], figure = make("figure");
    const scores = sample.scores[cell].map((value, i) => `${data.metrics[i].split(" ")[0]} ${score(value, i)}`);
    const held = map ? `${Math.round(100 * heldShare(map))}%` : "";
    if (slot < 0) figure.append(make("div", { className: "none", textContent: "none" }));
    else {
      const picture = canvas(sample, sheet, slot, map);
      const button = make("button", { type: "button", className: "picture", tabIndex: -1 }, picture);
      button.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-label", `${data.cells[cell]}: ${scores.join(", ")}${held && `, tokens held ${held}`}`);
      const draw = () => {
        const at = button.matches(":hover") || button.matches(":focus-visible");
        picture.withMap = all.checked || at || button.getAttribute("aria-pressed") === "true";
        button.dataset.map = picture.withMap && map ? "shown" : "hidden";
        if (sheet.complete) picture.draw(picture.withMap);
      };
      for (const event of ["pointerenter", "pointerleave", "focus", "blur"]) button.addEventListener(event, draw);
      button.addEventListener("click", () => {
        button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
        draw();
      });
      button.draw = draw;
      draw();
      figure.append(button);
    }
    const table = make("dl", { className: "scores" });
    sample.scores[cell].forEach((value, i) => {
      const text = score(value, i);
      table.append(make("dt", { textContent: data.metrics[i].split(" ")[0] }), make("dd", { textContent: text, className: text }));
    });
    if (held) table.append(make("dt", { textContent: "held" }), make("dd", { textContent: held }));
    const caption = make("figcaption", {}, `${cell + 1}. ${data.cells[cell]}`, table);
    figure.append(caption);
    return figure;
  }

  function article(sample) {
    const sheet = make("img", { src: sample.sheet, alt: "" });
    const row = make("div", { className: "row" });
    data.fixed.forEach((name, i) => row.append(fixed(sample, sheet, name, sample.slots[i])));
    data.cells.forEach((_, cell) => row.append(edited(sample, sheet, cell)));
    const first = row.querySelector("button");
    if (first) first.tabIndex = 0;
    const title = make("h3", { textContent: sample.text, dir: "auto" });
    const where = make("p", { className: "where" }, make("bdi", { textContent: sample.type }), " · ", make("bdi", { textContent: sample.id }));
    return make("article", { className: "sample" }, title, where, row);
  }

  function show() {
    const chosen = data.orders[Number(order.value)][1];
    shown = type.value === "" ? chosen : chosen.filter((i) => data.samples[i].type === type.value.slice(1));
    start = Math.max(0, Math.min(start, PAGE * Math.floor((shown.length - 1) / PAGE)));
    const end = Math.min(start + PAGE, shown.length);
    samples.replaceChildren(...shown.slice(start, end).map((i) => article(data.samples[i])));
    byId("status").textContent = `Samples ${shown.length ? start + 1 : 0} to ${end} of ${shown.length}`;
    byId("previous").disabled = start === 0;
    byId("next").disabled = end === shown.length;
  }

  function turn(by) {
    start += by;
    show();
    byId("gallery").scrollIntoView();
  }

  // Tab enters a sample once; arrows go on from picture to picture, up and down to the same cell of the next sample
  samples.addEventListener("keydown", (event) => {
    const button = event.target.closest("button.picture");
    if (!button || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = [...button.closest(".row").querySelectorAll("button")], at = row.indexOf(button);
    const rows = [...samples.querySelectorAll(".row")], sample = rows.indexOf(button.closest(".row"));
    const beside = (step) => rows[sample + step]?.querySelectorAll("button");
    const vertical = (found) => found?.[Math.min(at, found.length - 1)];
    const to = {
      ArrowRight: () => row[at + 1], ArrowLeft: () => row[at - 1], Home: () => row[0], End: () => row.at(-1),
      ArrowDown: () => vertical(beside(1)), ArrowUp: () => vertical(beside(-1)),
    }[event.key];
    if (event.key === "Escape" && button.getAttribute("aria-pressed") === "true") button.click();
    if (!to) return;
    event.preventDefault();
    const next = to();
    if (!next) return;
    for (const other of next.closest(".row").querySelectorAll("button")) other.tabIndex = other === next ? 0 : -1;
    next.focus({ focusVisible: true });
  });

  const counts = new Map();
  for (const { type } of data.samples) counts.set(type, (counts.get(type) ?? 0) + 1);
  const option = (value, text) => make("option", { value, textContent: text });
  // "=" before a type: one that is empty is not the choice of all
  type.append(option("", `all (${data.samples.length})`), ...[...counts].sort().map(([name, n]) => option(`=${name}`, `${name || "no type"} (${n})`)));
  order.append(...data.orders.map(([name], i) => option(i, name)));
  for (const choice of [type, order]) choice.addEventListener("change", () => { start = 0; show(); });
  all.addEventListener("change", () => samples.querySelectorAll("button").forEach((button) => button.draw()));
  byId("previous").addEventListener("click", () => turn(-PAGE));
  byId("next").addEventListener("click", () => turn(PAGE));
  byId("gallery").hidden = false;
  show();
})();
