// The embedding map: a canvas with zoom, a tooltip, a legend that switches classes, and a way to walk it by keys.
const KINDS = [["s", "selected"], ["l", "labelled"], ["p", "rest of the pool"]];
const FEW = ["#4e79d8", "#e8743b", "#2fa37c", "#d6497f", "#9a63d6", "#b8890b", "#1aa3b8", "#c75146", "#6f8f2f", "#8a7f78"];
// Golden-angle hues keep neighbours in the list apart; two lightnesses double what the eye can tell.
const colourOf = (code, many) => {
  if (code < 0) return "#8790a1";
  return many <= FEW.length ? FEW[code] : `hsl(${(code * 137.508) % 360} ${code % 2 ? 55 : 70}% ${code % 2 ? 62 : 48}%)`;
};

function startMap(points) {
  const plane = document.getElementById("plane");
  const canvas = document.getElementById("canvas");
  const tip = document.getElementById("tip");
  const status = document.getElementById("map-status");
  const pen = canvas.getContext("2d");
  const number = points.x.length;
  const many = points.names.length;
  const [hiddenClasses, hiddenKinds] = [new Set(), new Set()];
  const view = { zoom: 1, x: 0.5, y: 0.5 };
  let size = { width: 0, height: 0 };
  let current = -1;

  const visible = (at) => !hiddenClasses.has(points.classes[at]) && !hiddenKinds.has(points.kinds[at]);
  const MARGIN = 18;
  const screenX = (at) => size.width / 2 + (points.x[at] / points.grid - view.x) * view.zoom * (size.width - 2 * MARGIN);
  const screenY = (at) => size.height / 2 - (points.y[at] / points.grid - view.y) * view.zoom * (size.height - 2 * MARGIN);
  const byClass = new Map();
  for (let at = 0; at < number; at += 1) {
    const key = `${points.kinds[at]}${points.classes[at]}`;
    if (!byClass.has(key)) byClass.set(key, []);
    byClass.get(key).push(at);
  }

  const chosen = [...points.kinds].flatMap((kind, at) => (kind === "s" ? [at] : []));
  const LOOK = { p: [2.2, 0.4], l: [3.4, 0.95], s: [chosen.length > 300 ? 4 : 5.2, 1] };
  const radiusOf = (kind) => LOOK[kind][0] * Math.min(view.zoom ** 0.35, 2.2) * (number > 8000 && kind === "p" ? 0.75 : 1);
  const inSight = (x, y) => x > -9 && y > -9 && x < size.width + 9 && y < size.height + 9;

  function drawKind(kind) {
    const radius = radiusOf(kind);
    pen.globalAlpha = LOOK[kind][1];
    for (const [key, members] of byClass) {
      const code = Number(key.slice(1));
      if (key[0] !== kind || hiddenKinds.has(kind) || hiddenClasses.has(code)) continue;
      const path = new Path2D();
      for (const at of members) {
        const [x, y] = [screenX(at), screenY(at)];
        if (!inSight(x, y)) continue;
        path.moveTo(x + radius, y);
        path.arc(x, y, radius, 0, 2 * Math.PI);
      }
      pen.fillStyle = colourOf(code, many);
      pen.fill(path);
    }
  }

  // Selected ones wear a ring, one by one, so that they stand out on any colour and from each other.
  function drawChosen(ring) {
    const radius = radiusOf("s");
    pen.globalAlpha = 1;
    pen.strokeStyle = ring;
    pen.lineWidth = chosen.length > 300 ? 1.2 : 1.8;
    for (const at of chosen) {
      const [x, y] = [screenX(at), screenY(at)];
      if (!visible(at) || !inSight(x, y)) continue;
      pen.fillStyle = colourOf(points.classes[at], many);
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
    }
  }

  function draw() {
    const style = getComputedStyle(plane);
    const ratio = window.devicePixelRatio || 1;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, size.width, size.height);
    for (const kind of ["p", "l"]) drawKind(kind);
    drawChosen(style.getPropertyValue("--ink"));
    pen.globalAlpha = 1;
    if (current < 0) return;
    pen.beginPath();
    pen.arc(screenX(current), screenY(current), 11, 0, 2 * Math.PI);
    pen.lineWidth = 2.5;
    pen.strokeStyle = style.getPropertyValue("--accent");
    pen.stroke();
  }

  let asked = 0;
  function redraw() {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(draw);
  }

  function fit() {
    const ratio = window.devicePixelRatio || 1;
    size = { width: canvas.clientWidth, height: canvas.clientHeight };
    [canvas.width, canvas.height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    draw(); // at once: resizing has cleared the canvas
  }

  const className = (at) => points.names[points.classes[at]] ?? "no class";
  const kindName = (at) => KINDS.find(([kind]) => kind === points.kinds[at])?.[1] ?? "";
  const cardAt = (at) => cardByName.get(points.fileNames[at]);

  function describe(at) {
    const card = cardAt(at);
    const thumbnail = points.thumbnails[at] ?? card?.thumbnail ?? "";
    const swatch = element("span", { className: "swatch" });
    swatch.style.setProperty("--swatch", colourOf(points.classes[at], many));
    const pictures = thumbnail ? [picture({ thumbnail })] : [];
    tip.replaceChildren(...pictures, element("strong", {}, swatch, element("bdi", {}, className(at))),
      element("span", { className: "muted" }, kindName(at)), element("bdi", { className: "code" }, points.fileNames[at]));
  }

  function point(at, { aloud = false } = {}) {
    if (at === current && !aloud) return;
    current = at;
    tip.hidden = at < 0;
    canvas.classList.toggle("over", at >= 0 && Boolean(cardAt(at)));
    redraw();
    if (at < 0) return;
    describe(at);
    const [x, y] = [screenX(at), screenY(at)];
    const left = x + 16 + tip.offsetWidth < size.width ? x + 16 : x - 16 - tip.offsetWidth;
    tip.style.setProperty("left", `${Math.max(Math.min(left, size.width - tip.offsetWidth), 0)}px`);
    tip.style.setProperty("top", `${Math.max(Math.min(y - tip.offsetHeight / 2, size.height - tip.offsetHeight), 0)}px`);
    if (aloud) status.textContent = `${points.fileNames[at]}, ${className(at)}, ${kindName(at)}`;
  }

  function nearest(x, y, reach, fits = () => true) {
    let [best, least] = [-1, reach * reach];
    for (let at = 0; at < number; at += 1) {
      if (!visible(at)) continue;
      const [across, down] = [screenX(at) - x, screenY(at) - y];
      // Selected points lie on top and are what one looks for: they win over what is a little nearer.
      const distance = (across * across + down * down) * (points.kinds[at] === "s" ? 0.5 : 1);
      if (distance < least && fits(across, down)) [best, least] = [at, distance];
    }
    return best;
  }

  function zoomBy(factor, x = size.width / 2, y = size.height / 2) {
    const zoom = Math.min(Math.max(view.zoom * factor, 1), 40);
    const [acrossBy, downBy] = [(x - size.width / 2) / (size.width - 2 * MARGIN), (y - size.height / 2) / (size.height - 2 * MARGIN)];
    view.x += acrossBy / view.zoom - acrossBy / zoom;
    view.y -= downBy / view.zoom - downBy / zoom;
    view.zoom = zoom;
    keepInside();
    point(-1);
    redraw();
  }

  function keepInside() {
    const half = 0.5 / view.zoom;
    view.x = Math.min(Math.max(view.x, half), 1 - half);
    view.y = Math.min(Math.max(view.y, half), 1 - half);
    canvas.classList.toggle("zoomed", view.zoom > 1);
  }

  function centreOn(at) {
    const [x, y] = [screenX(at), screenY(at)];
    if (x >= 0 && y >= 0 && x <= size.width && y <= size.height) return;
    [view.x, view.y] = [points.x[at] / points.grid, points.y[at] / points.grid];
    keepInside();
  }

  function open(at) {
    const card = at >= 0 && cardAt(at);
    if (card) viewer.open([card], 0, () => canvas.focus());
  }

  let dragged = null;
  canvas.addEventListener("pointerdown", (event) => {
    dragged = { x: event.offsetX, y: event.offsetY, far: false };
    if (event.pointerType === "mouse") canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!dragged || view.zoom === 1) {
      point(nearest(event.offsetX, event.offsetY, 14));
      return;
    }
    const [across, down] = [event.offsetX - dragged.x, event.offsetY - dragged.y];
    if (!dragged.far && Math.hypot(across, down) < 4) return;
    view.x -= across / view.zoom / (size.width - 2 * MARGIN);
    view.y += down / view.zoom / (size.height - 2 * MARGIN);
    dragged = { x: event.offsetX, y: event.offsetY, far: true };
    keepInside();
    point(-1);
    redraw();
  });
  canvas.addEventListener("pointerup", (event) => {
    const still = dragged && !dragged.far;
    dragged = null;
    const at = nearest(event.offsetX, event.offsetY, event.pointerType === "mouse" ? 14 : 24);
    if (!still) return;
    // A finger has no hover: its first tap shows the point, the second one opens it.
    if (event.pointerType === "mouse" || at === current) open(at);
    point(at);
  });
  canvas.addEventListener("pointercancel", () => { dragged = null; });
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") point(-1); });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the page
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener("blur", () => point(-1));

  function walk(key) {
    if (current < 0) return nextSelected(1);
    const [x, y] = [screenX(current), screenY(current)];
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    return nearest(x, y, Infinity, (across, down) => {
      const along = across * dx + down * dy;
      return along > 3 && Math.abs(across * dy + down * dx) <= along;
    });
  }

  function nextSelected(by) {
    const there = chosen.filter(visible);
    if (there.length === 0) return nearest(size.width / 2, size.height / 2, Infinity);
    const place = there.indexOf(current);
    return there[place < 0 ? 0 : (place + by + there.length) % there.length];
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const moves = { PageDown: () => nextSelected(1), PageUp: () => nextSelected(-1) };
    const acts = { Enter: () => open(current), Escape: () => point(-1), "+": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5) };
    if (event.key.startsWith("Arrow") || event.key in moves) {
      const at = event.key in moves ? moves[event.key]() : walk(event.key);
      if (at >= 0) {
        centreOn(at);
        point(at, { aloud: true });
      }
    } else if (event.key in acts) acts[event.key]();
    else return;
    event.preventDefault();
  });

  document.getElementById("zoom-in").addEventListener("click", () => zoomBy(1.5));
  document.getElementById("zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));
  document.getElementById("zoom-all").addEventListener("click", () => zoomBy(0));
  const legends = startLegends(points, { hiddenClasses, hiddenKinds, changed: () => { point(-1); redraw(); } });
  document.getElementById("classes-all").addEventListener("click", () => legends.all(true));
  document.getElementById("classes-none").addEventListener("click", () => legends.all(false));

  new ResizeObserver(fit).observe(canvas);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

function startLegends(points, { hiddenClasses, hiddenKinds, changed }) {
  const tally = (values) => values.reduce((sums, value) => sums.set(value, (sums.get(value) ?? 0) + 1), new Map());
  const buttons = [];
  function entry(name, number, key, hidden, swatch) {
    const button = element("button", { type: "button", attributes: { "aria-pressed": "true" } }, swatch,
      element("bdi", {}, name), element("span", { className: "figure" }, count(number)));
    const set = (on) => {
      hidden[on ? "delete" : "add"](key);
      button.setAttribute("aria-pressed", String(on));
    };
    button.addEventListener("click", () => {
      set(hidden.has(key));
      changed();
    });
    if (hidden === hiddenClasses) buttons.push(set);
    return element("li", {}, button);
  }
  const kinds = tally([...points.kinds]);
  document.getElementById("kinds").append(...KINDS.filter(([kind]) => kinds.has(kind)).map(([kind, name]) =>
    entry(name, kinds.get(kind), kind, hiddenKinds, element("span", { className: `mark mark-${kind}` }))));
  const classes = tally(points.classes);
  const codes = [...points.names.keys(), -1].filter((code) => classes.has(code));
  document.getElementById("legend").append(...codes.map((code) => {
    const swatch = element("span", { className: "swatch" });
    swatch.style.setProperty("--swatch", colourOf(code, points.names.length));
    return entry(points.names[code] ?? "no class", classes.get(code), code, hiddenClasses, swatch);
  }));
  return {
    all(on) {
      for (const set of buttons) set(on);
      changed();
    },
  };
}

if (data.map && document.getElementById("canvas")) startMap(data.map);
