// Data and the few things that make elements of it. Text is only ever set as text: no value becomes markup.
const data = JSON.parse(document.getElementById("data").textContent);

const FIELDS = ["name", "link", "thumbnail", "rank", "score", "predicted", "confidence", "reason", "label", "nearest", "duplicates"];
const asCard = (row) => Object.fromEntries(FIELDS.map((field, index) => [field, row[index]]));
const cards = data.sheet ? data.sheet.cards.map(asCard) : [];
const cardByName = new Map([...(data.sheet ? data.sheet.neighbours.map(asCard) : []), ...cards].map((card) => [card.name, card]));

const REASONS = { rank: "by rank", diverse: "for diversity", fill: "to fill up", audit: "by chance, for the audit" };
const reasonOf = (card) => REASONS[card.reason] || card.reason;
const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(1)} %`);
const short = (number) => (number === null ? "–" : String(Number(number.toPrecision(4))));
const baseName = (path) => path.slice(path.lastIndexOf("/") + 1) || path;
const count = (number) => number.toLocaleString("en");

function element(tag, options = {}, ...children) {
  const { attributes = {}, ...properties } = options;
  const made = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const isPicture = (url) => /^data:image\/(?!svg)/.test(url);

// Small images, such as digits, are shown with their pixels rather than blurred.
function sharpen(event) {
  event.target.classList.toggle("pixels", event.target.naturalWidth <= 40);
}

// Pictures in long lists get their source when they are about to be seen: browsers load every `data:` URL at once.
const sources = new WeakMap();
const sight = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting) continue;
    target.src = sources.get(target);
    sight.unobserve(target);
  }
}, { rootMargin: "300px" });

function picture(card, { alt = "", later = false } = {}) {
  if (!card || !isPicture(card.thumbnail)) return element("span", { className: "nothing" }, "no picture");
  const image = element("img", { alt, decoding: "async", draggable: false });
  image.addEventListener("load", sharpen);
  if (later) {
    sources.set(image, card.thumbnail);
    sight.observe(image);
  } else image.src = card.thumbnail;
  return image;
}

// Only files may be opened: a link with any other scheme is shown as none at all.
function safeLink(link) {
  if (!link) return null;
  try {
    return ["file:", "http:", "https:"].includes(new URL(link, document.baseURI).protocol) ? link : null;
  } catch {
    return null;
  }
}

// Fills a list piece by piece as its end comes near, so that thousands of entries cost nothing before they are seen.
function unroll(list, scroller, piece) {
  let entries = [];
  let make = () => element("li");
  let shown = 0;
  const end = element("li", { className: "end", attributes: { "aria-hidden": "true" } });
  const grow = (until) => {
    const made = [];
    for (; shown < Math.min(until, entries.length); shown += 1) made.push(make(entries[shown], shown));
    end.before(...made);
    end.hidden = shown >= entries.length;
  };
  const watch = new IntersectionObserver((seen) => {
    if (!seen.some((entry) => entry.isIntersecting) || shown >= entries.length) return;
    grow(shown + piece);
    watch.unobserve(end); // observing again reports at once whether the end is still near
    watch.observe(end);
  }, { root: scroller, rootMargin: "800px" });
  return {
    fill(newEntries, newMake) {
      [entries, make, shown] = [newEntries, newMake, 0];
      list.replaceChildren(end);
      scroller.scrollTop = 0;
      grow(piece);
      watch.observe(end);
    },
    reach: (index) => grow(index + 1),
  };
}
