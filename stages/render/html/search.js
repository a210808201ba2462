// Search in the texts of chats. Everything comes from files beside the page: a list of a chat's pages, and the texts of each page as a
// script that calls telegramTexts. Texts are shown with textContent only, so nothing that somebody wrote can run here.
"use strict";
(() => {
  const root = document.getElementById("search");
  const SHOWN = 100; // hits until the next "More"
  const chats = []; // {folder, title, pages}
  let run = 0; // number of the current search; an older one stops

  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const make = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const load = (address) => new Promise((resolve, reject) => {
    const script = make("script");
    script.src = address;
    script.onload = () => { script.remove(); resolve(script.telegramTexts || []); };
    script.onerror = () => { script.remove(); reject(new Error(address)); };
    document.head.append(script);
  });

  window.telegramChat = (folder, title, pages) => chats.push({ folder, title, pages });
  window.telegramTexts = (texts) => { document.currentScript.telegramTexts = texts; };

  const field = make("input");
  field.type = "search";
  field.placeholder = "Words that a message contains";
  field.setAttribute("aria-label", "Search");
  const button = make("button", "", "Search");
  const form = make("form", "search");
  form.append(field, button);
  const state = make("p", "details", "");
  state.setAttribute("role", "status");
  const list = make("ul", "list");
  const more = make("button", "more", "More");
  more.hidden = true;
  root.replaceChildren(form, state, list, more);

  function marked(said, text, words) {
    // Where the words stand is found letter by letter, since plain() may change lengths.
    let folded = "";
    const places = [];
    let place = 0;
    for (const letter of text) {
      const one = plain(letter);
      for (let i = 0; i < one.length; i++) places.push(place);
      folded += one;
      place += letter.length;
    }
    places.push(text.length);
    let first = Math.min(...words.map((word) => folded.indexOf(word)).filter((found) => found >= 0).concat(Infinity));
    first = first === Infinity ? 0 : first;
    const from = first > 60 ? places[first - 50] : 0;
    const until = Math.min(text.length, from + 260);
    const spans = [];
    for (const word of words) {
      for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + word.length)) spans.push([places[at], places[at + word.length]]);
    }
    spans.sort((a, b) => a[0] - b[0]);
    if (from) said.append("… ");
    let at = from;
    for (const [start, stop] of spans) {
      if (start < at || start >= until) continue;
      said.append(text.slice(at, start), make("mark", "", text.slice(start, stop)));
      at = stop;
    }
    said.append(text.slice(at, Math.max(at, until)), until < text.length ? " …" : "");
  }

  function show(chat, page, [number, when, sender, text], words) {
    const link = make("a", "hit");
    link.href = `${chat.folder}${page}#go_to_message${number}`;
    const head = make("span", "details");
    const name = make("bdi", "bold", sender);
    head.append(name, ` · ${when}`);
    if (chats.length > 1) { head.append(" · ", make("bdi", "", chat.title)); }
    const said = make("span", "said");
    said.dir = "auto";
    marked(said, text, words);
    link.append(head, said);
    const item = make("li");
    item.append(link);
    list.append(item);
  }

  async function search() {
    const mine = ++run;
    const words = plain(field.value).split(/\s+/u).filter(Boolean);
    list.replaceChildren();
    more.hidden = true;
    if (!words.length) { state.textContent = ""; return; }
    history.replaceState(null, "", `#${encodeURIComponent(field.value)}`);
    let hits = 0, room = SHOWN, missing = 0;
    for (const chat of chats) {
      for (let i = chat.pages.length - 1; i >= 0; i--) {
        if (mine !== run) return;
        state.textContent = `Searching ${chats.length > 1 ? chat.title : chat.pages[i]} ... ${hits} found`;
        let rows = [];
        try { rows = await load(`${chat.folder}index/${chat.pages[i].replace(/html$/, "js")}`); } catch { missing++; }
        if (mine !== run) return;
        for (let j = rows.length - 1; j >= 0; j--) {
          const folded = plain(`${rows[j][3]} ${rows[j][2]}`);
          if (!words.every((word) => folded.includes(word))) continue;
          show(chat, chat.pages[i], rows[j], words);
          hits++;
          if (--room === 0) {
            state.textContent = `${hits} found, the newest first`;
            more.hidden = false;
            await new Promise((resolve) => { more.onclick = resolve; });
            if (mine !== run) return;
            more.hidden = true;
            room = SHOWN;
          }
        }
      }
    }
    state.textContent = `${hits} found${missing ? `; ${missing} files of texts are missing` : ""}`;
  }

  form.onsubmit = (event) => { event.preventDefault(); search(); };
  (async () => {
    for (const address of root.dataset.lists.split(" ").filter(Boolean)) {
      try { await load(address); } catch { state.textContent = `${address} is missing`; }
    }
    let asked = location.hash.slice(1);
    try { asked = decodeURIComponent(asked); } catch { /* as it stands */ }
    if (asked) { field.value = asked; search(); } else { field.focus(); }
  })();
})();
