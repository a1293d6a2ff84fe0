// The sentence explorer: sorts and filters the test sentences in the page's block of JSON, colours their differences.
// Sentences and names may come from anybody, and so become text of the page, never HTML.
"use strict";

const { members, unit, sentences } = JSON.parse(document.querySelector("#explorer-data").textContent);
const explorer = document.querySelector("#explorer");
const chosen = (name) => explorer.querySelector(`[data-choice="${name}"]`);
const FIRST = 10, MORE = 40; // sentences that are shown, and that are added at a time
const LARGEST = 4e6; // product of the lengths of two texts, in parts, above which they are not compared
const TITLES = { chrf: "chrF", entropy: "entropy", coverage: "coverage" };

// ---- Small makers of elements

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function foreign(tag, className, ...children) { // what is in any language may be written from right to left
  const made = element(tag, className, ...children);
  made.dir = "auto";
  return made;
}

function option(value, label) {
  const made = element("option", "", label);
  made.value = value;
  return made;
}

// ---- What sentences are sorted and filtered by

const number = (value, digits) => (value === null ? "–" : value.toFixed(digits).replace("-", "−"));
const signed = (value) => (value > 0 ? "+" : "") + number(value, 1);

function pair() { // the places of the two members that are compared; of a single one, its own twice
  return [+chosen("first").value, members.length > 1 ? +chosen("second").value : +chosen("first").value];
}

function quantities() { // key, label and value of a sentence
  const [a, b] = pair();
  const gap = (sentence) => sentence.by[b].chrf - sentence.by[a].chrf;
  const both = a === b ? [["first", a]] : [["first", a], ["second", b]];
  const of = (figure) => both.flatMap(([role, place]) => {
    const value = (sentence) => sentence.by[place][figure] ?? null;
    const label = `${TITLES[figure]} of ${members[place].name}`;
    return sentences.some((sentence) => value(sentence) !== null) ? [{ key: `${figure} ${role}`, label, value }] : [];
  });
  const gaps = [
    { key: "apart", label: "difference in chrF", value: (sentence) => Math.abs(gap(sentence)) },
    { key: "gap", label: `chrF, ${members[b].name} − ${members[a].name}`, value: gap },
  ];
  const length = { key: "length", label: `source length, ${unit}`, value: (sentence) => sentence.length };
  return [length, ...of("chrf"), ...(a === b ? [] : gaps), ...of("entropy"), ...of("coverage")];
}

const bounds = new Map(); // key of a quantity -> the texts of its two bounds

function offer() { // the choices, after the members are chosen
  const all = quantities(), sort = chosen("sort"), before = sort.value || (members.length > 1 ? "apart" : "chrf first");
  sort.replaceChildren(option("", "place in the test set"), ...all.map(({ key, label }) => option(key, label)));
  sort.value = before;
  explorer.querySelector(".filters").replaceChildren(explorer.querySelector("legend"), ...all.map(filter));
}

function filter({ key, label, value }) {
  const values = sentences.map(value).filter((one) => one !== null);
  const inputs = [["least", Math.min], ["most", Math.max]].map(([name, extreme], side) => {
    const input = element("input"), value = bounds.get(key)?.[side] ?? "";
    Object.assign(input, { type: "number", step: "any", ariaLabel: `${name} ${label}`, value });
    input.placeholder = +values.reduce((one, other) => extreme(one, other), values[0]).toFixed(2);
    input.addEventListener("input", () => {
      bounds.set(key, inputs.map((one) => one.value));
      show(FIRST);
    });
    return input;
  });
  return element("div", "filter", element("span", "", label), ...inputs);
}

function selected() { // the sentences that pass all filters, in order
  const all = quantities(), text = chosen("text").value.trim().toLowerCase();
  const passes = all.flatMap(({ key, value }) => {
    const [low, high] = (bounds.get(key) ?? ["", ""]).map((bound) => (bound === "" ? null : +bound));
    if (low === null && high === null) return [];
    return [(s) => value(s) !== null && value(s) >= (low ?? -Infinity) && value(s) <= (high ?? Infinity)];
  });
  const texts = (sentence) => [sentence.source, sentence.reference, ...sentence.by.map((one) => one.text)];
  if (text) passes.push((sentence) => texts(sentence).some((one) => one.toLowerCase().includes(text)));
  const passed = sentences.filter((sentence) => passes.every((pass) => pass(sentence)));
  const order = +chosen("order").value, by = all.find(({ key }) => key === chosen("sort").value)?.value ?? (() => 0);
  const rank = (sentence) => order * by(sentence);
  const ends = passed.filter((sentence) => by(sentence) === null); // those without the figure are last
  const sorted = passed.filter((sentence) => by(sentence) !== null).sort((one, other) => rank(one) - rank(other));
  return [...sorted, ...ends];
}

// ---- Words that differ

const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });
const parts = (text) => Array.from(segmenter.segment(text), ({ segment }) => segment);

function common(one, other) { // the places of a longest common subsequence, in either
  if (one.length * other.length > LARGEST) return [new Set(one.keys()), new Set(other.keys())];
  const width = other.length + 1, longest = new Uint16Array((one.length + 1) * width), places = [new Set(), new Set()];
  for (let i = one.length - 1; i >= 0; i--)
    for (let j = other.length - 1; j >= 0; j--)
      longest[i * width + j] = one[i] === other[j]
        ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  for (let i = 0, j = 0; i < one.length && j < other.length; ) {
    if (one[i] === other[j]) places[0].add(i++) && places[1].add(j++);
    else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) i++;
    else j++;
  }
  return places;
}

function coloured(text, other, ...classNames) { // both texts, with marks on the words that only one of them has
  const both = [parts(text), parts(other)], places = common(...both);
  return both.map((own, side) => marked(own, places[side], classNames[side]));
}

function marked(own, shared, className) {
  const pieces = [];
  own.forEach((part, i) => {
    const inside = i > 0 && i + 1 < own.length;
    const differs = part.trim() ? !shared.has(i) : inside && !shared.has(i - 1) && !shared.has(i + 1);
    if (differs === pieces.at(-1)?.differs) pieces.at(-1).text += part;
    else pieces.push({ differs, text: part });
  });
  if (!pieces.length) return [element("i", "more", "(empty)")];
  return pieces.map(({ differs, text }) => (differs ? element("mark", className, text) : text));
}

// ---- A sentence, and what it opens

function row(sentence) {
  const compared = pair().map((place) => ({ place, ...sentence.by[place] })), [first, second] = compared;
  const texts = coloured(first.text, second.text, "first", "second");
  const lines = compared.slice(0, members.length).flatMap(({ place, chrf }, side) => [
    element("bdi", "name", members[place].name),
    element("span", "chrf", number(chrf, 1)),
    foreign("span", "text", ...texts[side]),
  ]);
  const facts = `${sentence.length} ${unit}` + (members.length > 1 ? `, chrF ${signed(second.chrf - first.chrf)}` : "");
  const summary = element("summary", "", element("span", "number", `${sentence.number}`),
    foreign("span", "source", sentence.source), element("span", "facts", facts), ...lines);
  const details = element("details", "sentence", summary);
  details.addEventListener("toggle", () => details.children.length > 1 || details.append(opened(sentence)));
  return details;
}

function opened(sentence) {
  const list = element("dl", "", element("dt", "", "reference"), foreign("dd", "", sentence.reference));
  sentence.by.forEach((one, place) => {
    const figures = Object.keys(TITLES).filter((key) => Number.isFinite(one[key]));
    const said = figures.map((key) => `${TITLES[key]} ${number(one[key], key === "chrf" ? 1 : 2)}`).join(", ");
    const text = foreign("span", "", ...coloured(one.text, sentence.reference, "odd")[0]);
    const name = element("dt", "", element("bdi", "", members[place].name));
    list.append(name, element("dd", "", text, " ", element("span", "more", said)));
  });
  return element("div", "opened", list, ...alignments(sentence));
}

// ---- Alignments: below each target word stand its source words; one that is pointed at shades those linked with it

function alignments(sentence) {
  const words = (text) => text.split(" ");
  const linksOf = (text) => Array.from(text.matchAll(/(\d+)[-p](\d+)/g), ([, s, t]) => [+s, +t, 1]);
  const gold = sentence.gold && linksOf(sentence.gold);
  const lines = sentence.by.flatMap((one, place) => one.links
    ? [{ label: `${members[place].name}, by ${members[place].aligned_by}`, links: linksOf(one.links) }] : []);
  if (gold) lines.unshift({ label: "gold", links: gold, isGold: true });
  const of = { source: words(sentence.source), target: words(sentence.reference), gold };
  const blocks = lines.length ? [block("Links of the reference", of, lines)] : [];
  sentence.by.forEach(({ attention }, place) => {
    if (!attention) return;
    const links = attention.weights.flatMap((weights, t) => weights.map((weight, s) => [s, t, weight]));
    const line = { label: "below each word the one with the largest weight, in percent", links, isWeighted: true };
    blocks.push(block(`Attention of ${members[place].name} as it wrote`, attention, [line]));
  });
  return blocks;
}

function block(title, { source, target, gold }, lines) {
  const above = source.map((word) => element("span", "word", word)), pairs = [];
  const made = element("div", "alignment", element("h3", "", title), foreign("p", "words", ...spaced(above)));
  for (const { label, links, isGold, isWeighted } of lines) {
    const glossed = target.map((word, place) => {
      const own = links.filter(([s, t]) => t === place && s < source.length);
      const told = isWeighted ? own.sort((one, other) => other[2] - one[2]).slice(0, 1) : own;
      const below = told.map(([s, t, weight]) => {
        const wrong = gold && !isGold && !gold.some(([goldS, goldT]) => goldS === s && goldT === t);
        const percent = isWeighted ? ` ${Math.round(100 * weight)}` : "";
        return foreign("span", wrong ? "wrong" : "", source[s] + percent);
      });
      const ruby = element("ruby", "word", word, element("rt", "", ...spaced(below.length ? below : ["–"])));
      pairs.push(...own.map(([s, , weight]) => [above[s], ruby, weight]));
      return ruby;
    });
    made.append(element("p", "label", element("bdi", "", label)), foreign("p", "words", ...spaced(glossed)));
  }
  const light = (word) => {
    for (const one of made.querySelectorAll(".word")) one.style.removeProperty("--weight");
    for (const [one, other, weight] of pairs)
      if (word === one || word === other) (word === one ? other : one).style.setProperty("--weight", weight);
  };
  made.addEventListener("pointerover", (event) => light(event.target.closest(".word")));
  made.addEventListener("pointerleave", () => light(null));
  return made;
}

const spaced = (nodes) => nodes.flatMap((node) => [node, " "]);

// ---- The page

let list = [], shown = 0; // the sentences that pass, and how many of them stand on the page

function show(count) {
  list = selected();
  shown = 0;
  chosen("order").disabled = chosen("sort").value === "";
  explorer.querySelector("[role=status]").textContent = `${told(list.length)} of ${told(sentences.length)} sentences.`;
  explorer.querySelector(".sentences").replaceChildren();
  add(count);
}

function add(count) {
  const added = list.slice(shown, shown + count).map(row), more = explorer.querySelector("[data-action=more]");
  explorer.querySelector(".sentences").append(...added);
  shown += added.length;
  more.hidden = shown === list.length;
  more.textContent = `Show ${Math.min(MORE, list.length - shown)} more`;
  return added;
}

const told = (count) => count.toLocaleString("en");

function begin() {
  const roles = ["first", "second"];
  for (const [place, role] of roles.entries()) {
    chosen(role).append(...members.map((member, number) => option(number, member.name)));
    chosen(role).value = Math.min(place, members.length - 1);
    chosen(role).closest("label").hidden = members.length === 1;
  }
  let before = pair();
  explorer.addEventListener("change", ({ target }) => {
    const role = roles.indexOf(target.dataset.choice);
    if (role >= 0) {
      if (pair()[0] === pair()[1]) chosen(roles[1 - role]).value = before[role];
      before = pair();
      offer();
    }
    if (target.matches("select")) show(FIRST);
  });
  chosen("text").addEventListener("input", () => show(FIRST));
  explorer.querySelector("[data-action=reset]").addEventListener("click", () => {
    bounds.clear();
    chosen("text").value = "";
    offer();
    show(FIRST);
  });
  explorer.querySelector("[data-action=more]").addEventListener("click", () => {
    add(MORE)[0].firstChild.focus();
  });
  offer();
  show(FIRST);
  explorer.hidden = false;
  document.querySelector("#explorer-needs").remove();
}

begin();
