// Fetches translations without loading the page anew, and shows which words belong together.
"use strict";

const form = document.querySelector("form");
const results = document.querySelector("#results");
const button = form.querySelector("button");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!button.disabled) translate();
});

form.querySelector("textarea").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});

async function translate() {
  busy(true);
  try {
    const response = await fetch("/results", { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const text = await response.text();
    if (response.headers.get("content-type").startsWith("text/html")) show(text);
    else complain(`The server refused: ${text}`);
  } catch {
    complain("The server does not answer; is rnnsearch page still running?");
  }
  busy(false);
}

function show(text) {
  results.innerHTML = text; // escaped by the server
  watch();
}

// A matrix that is wider than its place fades where it goes on.
const edges = new ResizeObserver((seen) => seen.forEach(({ target }) => fade(target)));

function watch() {
  edges.disconnect();
  for (const one of results.querySelectorAll(".scroll")) edges.observe(one);
}

function fade(one) {
  one.classList.toggle("more", one.scrollWidth - one.clientWidth - Math.abs(one.scrollLeft) > 1);
}

results.addEventListener("scroll", (event) => fade(event.target), true); // it does not bubble
watch();

function busy(is) {
  button.disabled = is;
  button.textContent = is ? "Translating…" : "Translate";
  results.setAttribute("aria-busy", is);
}

function complain(sentence) {
  const paragraph = document.createElement("p");
  paragraph.className = "error";
  paragraph.setAttribute("role", "alert");
  paragraph.textContent = sentence;
  results.replaceChildren(paragraph);
}

// A word lights up with its links; a source word does so for every run, so that runs compare. A cell lights up its words.
let lit = [];

function light(element) {
  for (const one of lit) set(one, false);
  lit = element ? [...belonging(element)] : [];
  for (const one of lit) set(one, true);
}

function set(element, is) {
  element.classList.toggle("on", is);
  if (element.role === "option") element.setAttribute("aria-selected", is);
}

function* belonging(element) {
  const candidate = element.closest(".candidate");
  const { source, target } = element.dataset;
  if (element.matches("td")) {
    element.title = `${element.textContent} %`; // too small to read in the heatmap of a long sentence
    yield* marked(candidate, [element.cellIndex - 1], [element.parentElement.rowIndex - 1]);
  } else if (source !== undefined) {
    for (const every of results.querySelectorAll(".candidate")) yield* marked(every, [source], links(every, "source", source));
  } else {
    yield* marked(candidate, links(candidate, "target", target), [target]);
  }
}

function links(candidate, side, index) {
  return candidate.querySelector(`.word[data-${side}="${index}"]`)?.dataset.links.split(" ").filter(Boolean) ?? [];
}

function* marked(candidate, sources, targets) {
  for (const source of sources) yield* candidate.querySelectorAll(`[data-source="${source}"]`);
  for (const target of targets) yield* candidate.querySelectorAll(`[data-target="${target}"]`);
  const rows = candidate.querySelector("table")?.rows ?? [];
  for (const target of targets) for (const source of sources) yield rows[+target + 1].cells[+source + 1];
}

const touched = (event) => event.target.closest(".word, .heatmap tbody td, .heatmap th");
results.addEventListener("pointerover", (event) => light(touched(event)));
results.addEventListener("pointerleave", () => light(document.activeElement?.closest(".word")));
results.addEventListener("focusin", (event) => light(touched(event)));
results.addEventListener("focusout", () => light(null));

// One stop of the Tab key a line; arrows, Home and End go from word to word.
results.addEventListener("keydown", (event) => {
  const word = event.target.closest(".word");
  const to = word && step(word, event.key);
  if (!to) return;
  event.preventDefault();
  word.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
});

function step(word, key) {
  const words = [...word.parentElement.children];
  const forward = getComputedStyle(word.parentElement).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
  if (key === "Home") return words[0];
  if (key === "End") return words.at(-1);
  if (key !== "ArrowLeft" && key !== "ArrowRight") return null;
  return words[words.indexOf(word) + (key === forward ? 1 : -1)];
}
