"use strict";
// a table is set as large as its slide allows, so that the back row can read it
const fit = (slide) => {
  const table = slide && slide.querySelector(".smn-table");
  if (!table) return;
  const say = slide.querySelector(".say"), part = slide.querySelector(".part"), grid = table.firstElementChild;
  for (let zoom = 1.4; zoom > 0.5; zoom -= 0.1) {
    table.style.zoom = zoom;
    grid.style.maxWidth = `${1240 / zoom}px`;
    const frame = slide.getBoundingClientRect(), last = (part || table).getBoundingClientRect();
    const bottom = say ? say.getBoundingClientRect().top : frame.bottom - frame.height * 0.05;
    if (last.bottom < bottom && grid.getBoundingClientRect().right < frame.right) return;
  }
};
Reveal.on("ready", (event) => fit(event.currentSlide));
Reveal.on("slidechanged", (event) => fit(event.currentSlide));
Reveal.on("pdf-ready", () => document.querySelectorAll(".slides section").forEach(fit));
Reveal.initialize({
  width: 1280, height: 720, margin: 0.05, center: false, hash: true, respondToHashChanges: true, transition: "none",
  backgroundTransition: "none", slideNumber: "c/t", controlsTutorial: false, pdfSeparateFragments: false,
  pdfMaxPagesPerSlide: 1, jumpToSlide: false, scrollActivationWidth: 0,
  keyboard: { 83: () => Reveal.configure({ showNotes: !Reveal.getConfig().showNotes }) },
});
