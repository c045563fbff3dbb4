"use strict";
// tables: a click on a column's head sorts by it; the page reads the same without this script
const number = (text) => {
  const found = text.replace(/[,\u202f\u00a0 ]/g, "").replace("\u2212", "-").match(/^[-+]?\d+(\.\d+)?/);
  return found ? parseFloat(found[0]) : NaN;
};
const sort = (table, column, head) => {
  const body = table.tBodies[0], down = head.getAttribute("aria-sort") === "ascending";
  const rows = [...body.rows].filter((row) => !row.querySelector(".total"));
  const last = [...body.rows].filter((row) => row.querySelector(".total"));
  const text = (row) => row.cells[column].textContent.trim();
  const dated = rows.every((row) => /^(\d{4}-\d{2}|[–-]?$)/.test(text(row)));
  const key = (row) => (dated ? NaN : number(text(row)));
  const numeric = !dated && rows.filter((row) => !Number.isNaN(key(row))).length > rows.length / 2;
  const compare = (a, b) => {
    if (!numeric) return text(a).localeCompare(text(b), undefined, { numeric: true });
    const [x, y] = [key(a), key(b)];
    if (Number.isNaN(x) || Number.isNaN(y)) return (Number.isNaN(x) - Number.isNaN(y)) * (down ? -1 : 1);
    return x - y;
  };
  rows.sort((a, b) => (down ? -compare(a, b) : compare(a, b)));
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  body.append(...rows, ...last);
};
for (const table of document.querySelectorAll(".smn-table table")) {
  const heads = table.tHead && table.tHead.rows.length === 1 ? [...table.tHead.rows[0].cells] : [];
  const plain = table.tBodies.length === 1 && [...table.rows].every((row) => row.cells.length === heads.length);
  if (!plain || table.tBodies[0].rows.length < 3) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(table, column, head));
  });
}
// contents: the section that is being read
const links = new Map([...document.querySelectorAll(".contents a")].map((a) => [decodeURIComponent(a.hash.slice(1)), a]));
const places = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);
const mark = () => {
  const read = places.filter((place) => place.getBoundingClientRect().top < innerHeight / 3).pop();
  for (const [id, link] of links) {
    if (read && id === read.id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
};
if (places.length) addEventListener("scroll", () => requestAnimationFrame(mark), { passive: true });
// front page: search in questions and findings
const box = document.getElementById("search");
if (box) {
  box.parentElement.hidden = false;
  const cards = [...document.querySelectorAll(".card")], told = document.getElementById("search-told");
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      card.hidden = !words.every((word) => card.textContent.toLowerCase().includes(word));
      shown += !card.hidden;
      for (const more of card.querySelectorAll(".more li")) {
        more.hidden = !words.length || !words.every((word) => more.textContent.toLowerCase().includes(word));
      }
    }
    told.textContent = words.length ? `${shown} of ${cards.length} reports` : "";
  });
}
