// The contact sheet: filter, order, cards, keyboard; and the groups of duplicates.
function cardElement(card) {
  const badges = element("span", { className: "badges" });
  if (card.rank !== null) badges.append(element("span", { className: "rank" }, `#${count(card.rank)}`));
  if (card.reason && card.reason !== "rank") badges.append(element("span", { className: "reason", title: reasonOf(card) }, card.reason));
  const lines = [element("span", { className: "name", title: card.name }, element("bdi", {}, baseName(card.name)))];
  if (card.predicted !== null) {
    const sure = card.confidence === null ? [] : [element("span", { className: "figure" }, percent(card.confidence))];
    lines.unshift(element("span", { className: "predicted" }, element("bdi", {}, card.predicted), ...sure));
  }
  if (card.label !== null) {
    const same = card.label === card.predicted;
    lines.push(element("span", { className: same ? "label same" : "label" }, "labelled ", element("bdi", {}, card.label)));
  }
  if (card.score !== null) lines.push(element("span", { className: "score" }, "score ", element("span", { className: "figure" }, short(card.score))));
  const button = element("button", { type: "button", className: "card", tabIndex: -1 }, element("span", { className: "thumb" }, picture(card, { later: true }), badges), ...lines);
  return element("li", {}, button);
}

const byNumber = (field, sign) => (a, b) => {
  if (a[field] === null || b[field] === null) return (a[field] === null) - (b[field] === null);
  return sign * (a[field] - b[field]);
};
const byText = (field) => (a, b) => (a[field] ?? "￿").localeCompare(b[field] ?? "￿", undefined, { numeric: true });
const ORDERS = {
  rank: ["rank", byNumber("rank", 1)],
  "score-high": ["score, highest first", byNumber("score", -1)],
  "score-low": ["score, lowest first", byNumber("score", 1)],
  "sure-low": ["confidence, lowest first", byNumber("confidence", 1)],
  "sure-high": ["confidence, highest first", byNumber("confidence", -1)],
  class: ["predicted class", byText("predicted")],
  name: ["name", byText("name")],
};

function startSheet() {
  const list = document.getElementById("cards");
  const control = (name) => document.getElementById(`sheet-${name}`);
  const roll = unroll(list, document.getElementById("sheet"), 60);
  let shown = [];
  let current = 0;

  const buttonAt = (at) => list.children[at]?.querySelector("button");
  function focusOn(at, { scroll = true } = {}) {
    const next = Math.min(Math.max(at, 0), shown.length - 1);
    roll.reach(next);
    buttonAt(current)?.setAttribute("tabindex", "-1");
    current = next;
    const button = buttonAt(current);
    button?.setAttribute("tabindex", "0");
    if (scroll) button?.focus();
  }

  function refresh() {
    const wanted = control("text").value.toLowerCase();
    const [predicted, reason] = [control("class").value, control("reason").value];
    shown = cards.filter((card) => card.name.toLowerCase().includes(wanted)
      && (predicted === "" || card.predicted === predicted) && (reason === "" || card.reason === reason));
    shown.sort(ORDERS[control("order").value][1]);
    roll.fill(shown, cardElement);
    current = 0;
    focusOn(0, { scroll: false });
    control("count").textContent = shown.length === cards.length ? `${count(cards.length)} images. ` : `${count(shown.length)} of ${count(cards.length)} images. `;
  }

  function choices(field, words = (value) => value) {
    const numbers = new Map();
    for (const card of cards) if (card[field]) numbers.set(card[field], (numbers.get(card[field]) ?? 0) + 1);
    const names = [...numbers.keys()].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    return names.map((name) => element("option", { value: name }, `${words(name)} (${count(numbers.get(name))})`));
  }

  const columns = () => getComputedStyle(list).gridTemplateColumns.split(" ").length;
  const indexOf = (button) => [...list.children].indexOf(button.parentElement);
  list.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns(), Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    focusOn(current + steps[event.key]);
  });
  list.addEventListener("click", (event) => {
    const button = event.target.closest("button.card");
    if (!button) return;
    focusOn(indexOf(button), { scroll: false });
    viewer.open(shown, current, (last) => focusOn(shown.indexOf(last)));
  });

  control("class").append(...choices("predicted"));
  control("reason").append(...choices("reason", (reason) => REASONS[reason] || reason));
  control("order").append(...Object.entries(ORDERS).map(([value, [title]]) => element("option", { value }, title)));
  for (const name of ["class", "reason"]) control(name).parentElement.hidden = control(name).options.length < 3;
  control("text").addEventListener("input", refresh);
  for (const name of ["class", "reason", "order"]) control(name).addEventListener("change", refresh);
  control("tools").addEventListener("submit", (event) => event.preventDefault());
  refresh();
}

function groupElement(card) {
  const first = element("button", { type: "button", className: "kept", title: card.name, attributes: { "aria-label": `Open ${card.name}` } }, picture(card, { later: true }));
  first.addEventListener("click", () => viewer.open([card], 0, () => first.focus()));
  const kept = element("figure", {}, first, element("figcaption", {}, element("strong", {}, "sent out"), element("bdi", { className: "code" }, baseName(card.name))));
  const rest = card.duplicates.map((name) => element("figure", { title: name }, element("span", { className: "kept" }, picture(cardByName.get(name), { later: true })), element("figcaption", {}, element("bdi", { className: "code" }, baseName(name)))));
  return element("li", { className: "group" }, kept, element("div", { className: "rest" }, ...rest));
}

function startGroups() {
  const groups = document.getElementById("groups");
  const roll = unroll(groups.querySelector("ul"), groups, 30);
  roll.fill(cards.filter((card) => card.duplicates.length > 0), groupElement);
}

if (document.getElementById("sheet")) startSheet();
if (document.getElementById("groups")) startGroups();
