// The section in view is marked in the navigation.
const sectionLinks = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const inView = new Set();
const sectionWatch = new IntersectionObserver((entries) => {
  for (const entry of entries) inView[entry.isIntersecting ? "add" : "delete"](entry.target.id);
  const current = [...sectionLinks.keys()].find((id) => inView.has(id));
  for (const [id, link] of sectionLinks) {
    if (id === current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}, { rootMargin: "-80px 0px -55% 0px" });
for (const id of sectionLinks.keys()) sectionWatch.observe(document.getElementById(id));
