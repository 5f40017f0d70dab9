// The dialog with one image, its facts, its nearest labelled neighbour and its duplicates.
const viewer = (() => {
  const dialog = document.getElementById("viewer");
  const part = (name) => document.getElementById(`viewer-${name}`);
  let list = [];
  let index = 0;
  let whenClosed = () => {};

  function showImage(card) {
    const image = part("image");
    image.alt = card.name;
    const reveal = (there) => {
      image.hidden = !there;
      part("nothing").hidden = there;
    };
    reveal(isPicture(card.thumbnail));
    image.onload = sharpen;
    image.src = image.hidden ? "data:," : card.thumbnail;
    const link = safeLink(card.link);
    if (!link) return;
    // The thumbnail stays where the original has moved or is of a kind that browsers do not show.
    const original = new Image();
    original.onload = () => {
      if (list[index] !== card || original.naturalWidth === 0) return;
      image.src = original.src;
      reveal(true);
    };
    original.src = link;
  }

  function facts(card) {
    const rows = [
      ["Rank", card.rank === null ? null : count(card.rank)],
      ["Score", card.score === null ? null : short(card.score)],
      ["Predicted", card.predicted],
      ["Confidence", card.confidence === null ? null : percent(card.confidence)],
      ["Chosen", reasonOf(card) || null],
      ["Label", card.label],
    ].filter(([, value]) => value !== null);
    return rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, element("bdi", {}, value))));
  }

  function companion(name) {
    const card = cardByName.get(name);
    const caption = element("figcaption", {}, element("bdi", { className: "code" }, name));
    if (card && card.label !== null) caption.prepend(element("strong", {}, element("bdi", {}, card.label)));
    const link = card && safeLink(card.link);
    const shown = picture(card, { alt: name });
    return element("figure", {}, link ? element("a", { href: link, target: "_blank", rel: "noopener noreferrer", title: name }, shown) : shown, caption);
  }

  function fill(section, title, names) {
    section.hidden = names.length === 0;
    section.replaceChildren(element("h3", {}, title), element("div", { className: "companions" }, ...names.map(companion)));
  }

  function show() {
    const card = list[index];
    part("name").replaceChildren(element("bdi", {}, card.name));
    part("place").textContent = list.length > 1 ? `${count(index + 1)} of ${count(list.length)}` : "";
    part("facts").replaceChildren(...facts(card));
    const link = safeLink(card.link);
    part("link").hidden = !link;
    if (link) part("link").href = link;
    fill(part("nearest"), "Nearest labelled image", card.nearest === null ? [] : [card.nearest]);
    fill(part("duplicates"), "Duplicates that were not sent out", card.duplicates);
    part("previous").disabled = index === 0;
    part("next").disabled = index === list.length - 1;
    showImage(card);
  }

  function step(by) {
    const next = Math.min(Math.max(index + by, 0), list.length - 1);
    if (next === index) return;
    index = next;
    show();
  }

  const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
  dialog.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    step(STEPS[event.key]);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside the dialog, on its backdrop
  });
  dialog.addEventListener("close", () => whenClosed(list[index]));
  part("close").addEventListener("click", () => dialog.close());
  part("previous").addEventListener("click", () => step(-1));
  part("next").addEventListener("click", () => step(1));

  return {
    open(shownList, at, closed) {
      [list, index, whenClosed] = [shownList, at, closed];
      show();
      dialog.showModal();
      part("close").focus();
      dialog.scrollTop = 0;
    },
  };
})();
