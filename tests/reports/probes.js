"use strict";
// what the tests ask a page: `probe` and nothing else comes into the page's world
globalThis.probe = (() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const seen = (e) => e.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true });
  const name = (e) => `${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""} ${(e.textContent || "").trim().slice(0, 40)}`;
  const frame = () => new Promise(requestAnimationFrame);
  // a browser that has much to do takes its time: wait for what is due, but not for ever
  const comes = async (due) => {
    for (let i = 0; i < 200 && !due(); i++) await frame();
    return due();
  };
  const channel = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const colour = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = colour(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const scrolls = (e) => e.scrollWidth > e.clientWidth && /auto|scroll/.test(getComputedStyle(e).overflowX);
  // what a person with a keyboard must be able to reach: all that does something, and all that scrolls
  const stops = () =>
    all("body *").filter((e) => (e.matches("a[href], button, input, summary, [tabindex]") || scrolls(e)) && seen(e));
  let walked = [];
  return {
    facts() {
      const levels = all("h1, h2, h3, h4, h5, h6").map((h) => Number(h.tagName[1]));
      const label = (e) => (e.getAttribute("aria-label") || e.getAttribute("alt") || e.textContent || "").trim();
      const meta = (key) => (document.querySelector(`meta[name=${key}]`)?.content || "").trim();
      return {
        charts: all("figure").length,
        elements: all("*").length,
        title: document.title.trim(),
        lang: document.documentElement.lang,
        description: meta("description"),
        viewport: meta("viewport"),
        headings: levels[0] === 1 && levels.every((n, i) => i === 0 || (n > 1 && n - levels[i - 1] <= 1)),
        unnamed: all("svg[role=img], img, a[href], button, summary").filter((e) => !label(e)).map(name),
      };
    },
    sections: () => all("h1, h2").filter(seen).map((h) => h.textContent.replace(/\s+/g, " ").trim()),
    // the worst contrast of each kind of text that is too weak
    contrast() {
      const weak = {};
      for (const e of all("body *")) {
        if (e.closest("svg") || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
        const [a, b] = [light(colour(getComputedStyle(e).color)), light(behind(e))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) weak[`${e.tagName}.${e.className}`] = ratio.toFixed(2);
      }
      return weak;
    },
    open(yes) {
      for (const e of all("details")) e.open = yes;
    },
    async contents() {
      const lost = [];
      const landed = (a) => {
        const heading = document.querySelector("h2:target"), top = heading?.getBoundingClientRect().top;
        const below = document.documentElement.scrollHeight - innerHeight - scrollY > 2;
        return location.hash === a.hash && heading && seen(heading) && top > -1 && top < (below ? 200 : innerHeight);
      };
      for (const a of all(".contents a")) {
        a.click();
        if (!(await comes(() => landed(a)))) lost.push(name(a));
      }
      return lost;
    },
    async code() {
      const shown = () => all("details.code pre").filter(seen).length, cells = all("details.code").length;
      const found = document.getElementById("all-code");
      if (!found) return cells ? ["no switch"] : [];
      const wrong = [];
      for (const [step, due] of [0, cells, 0].entries()) {
        if (step) found.click();
        if (!(await comes(() => shown() === due))) wrong.push(`${shown()} cells shown, not ${due}`);
      }
      return wrong;
    },
    stops: () => stops().length,
    listen() {
      walked = [];
      addEventListener("focusin", (event) => {
        const style = getComputedStyle(event.target);
        walked.push([event.target, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0]);
      });
    },
    // what the Tab key did not reach, reached too late, or reached without showing it
    missed() {
      const reached = walked.map(([e]) => e), due = stops();
      const order = reached.filter((e) => due.includes(e));
      return [
        ...due.filter((e) => !reached.includes(e)).map((e) => `not reached: ${name(e)}`),
        ...order.filter((e, i) => e !== due[i]).slice(0, 1).map((e) => `out of order: ${name(e)}`),
        ...walked.filter(([, shown]) => !shown).map(([e]) => `focus not seen: ${name(e)}`),
      ];
    },
    // a deck: what stands outside the frame of a slide, or under its last line
    async outside(place) {
      Reveal.slide(place);
      await frame();
      await frame();
      const slide = Reveal.getCurrentSlide(), edge = slide.getBoundingClientRect(), say = slide.querySelector(".say");
      const parts = all("h1, h2, li, dd, .end > p, figure, .smn-table > table, .part, .say", slide);
      const over = parts.filter((p) => {
        const box = p.getBoundingClientRect();
        const bottom = say && !say.contains(p) ? say.getBoundingClientRect().top : edge.bottom;
        return box.right > edge.right + 2 || box.bottom > bottom + 2;
      });
      return over.map(name).join("; ");
    },
    // a deck: all slides at once
    unfold() {
      for (const slide of all(".slides section")) {
        slide.hidden = false;
        slide.removeAttribute("aria-hidden");
        slide.style.display = "block";
      }
    },
    // rules of axe but for contrast, which `contrast` looks at more closely; a chart is one picture and code one text
    async axe() {
      for (const svg of all("svg")) svg.replaceChildren();
      for (const code of all("pre code")) code.textContent = code.textContent;
      const rules = { "color-contrast": { enabled: false } };
      const found = await axe.run({ resultTypes: ["violations"], rules });
      return found.violations.map((v) => `${v.id}: ${v.nodes.length} times, first ${v.nodes[0].html.slice(0, 120)}`);
    },
  };
})();
