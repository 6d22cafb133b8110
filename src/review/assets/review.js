// Everything here is a convenience: without it the pages work, by loading them again.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("js");

  // Clocks. The same words as in moment.rs.
  const span = (seconds) => {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s / 60) % 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s / 3600) % 24)} h`;
  };
  const put = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const tick = () => {
    for (const element of all("[data-until]")) {
      const left = (Date.parse(element.dataset.until) - Date.now()) / 1000;
      put(element, span(left));
      if (left <= 0 && "reload" in element.dataset) {
        delete element.dataset.reload;
        refresh();
      }
    }
    for (const element of all("[data-since]")) {
      put(element, span((Date.now() - Date.parse(element.dataset.since)) / 1000));
    }
  };

  // Live parts: the same page again, with what changed put in place. One load at a time; what comes in the
  // meantime causes one more.
  let loading = false;
  let again = false;
  const refresh = async () => {
    if (loading) {
      again = true;
      return;
    }
    loading = true;
    try {
      const url = document.body.dataset.self || location.href;
      const response = await fetch(url, { headers: { accept: "text/html" }, redirect: "error" });
      if (response.ok) swap(new DOMParser().parseFromString(await response.text(), "text/html"));
    } catch {
      // The server is away or the login has ended: the next event or load tells.
    }
    loading = false;
    if (again) {
      again = false;
      refresh();
    }
  };
  const swap = (fresh) => {
    document.title = fresh.title;
    for (const old of all("[data-live]")) {
      const now = fresh.getElementById(old.id);
      if (!now) {
        old.remove();
        continue;
      }
      if (still(old) !== still(now)) keep(old, now);
    }
    tick();
  };
  // A part without what the clocks write into it.
  const still = (part) => {
    const copy = part.cloneNode(true);
    for (const clock of all("[data-until], [data-since]", copy)) clock.textContent = "";
    for (const card of all(".fresh", copy)) card.classList.remove("fresh");
    return copy.outerHTML;
  };
  // Puts the new part in place without losing what was typed, ticked or focused.
  const keep = (old, now) => {
    const typed = new Map(all("input[id], input[name=read]", old).map((i) => [i.name, i]));
    for (const input of all("input[id], input[name=read]", now)) {
      const was = typed.get(input.name);
      if (was) [input.value, input.checked] = [was.value, was.checked];
    }
    const known = new Set(all("a.card", old).map((card) => card.getAttribute("href")));
    const active = old.contains(document.activeElement) ? document.activeElement : null;
    const place = active && (active.id ? `#${active.id}` : `a[href="${CSS.escape(active.getAttribute("href") || "")}"]`);
    old.replaceWith(now);
    if (place) now.querySelector(place)?.focus({ preventScroll: true });
    if (old.id === "list") {
      for (const card of all("a.card", now)) {
        if (!known.has(card.getAttribute("href"))) card.classList.add("fresh");
      }
    }
  };

  const light = document.getElementById("live");
  if (light && document.querySelector("[data-live]")) {
    const events = new EventSource("/v1/events");
    events.onopen = () => {
      light.hidden = false;
      light.classList.remove("off");
      light.textContent = "live";
      refresh(); // what happened between the page and the stream
    };
    events.onerror = () => {
      light.classList.add("off");
      light.textContent = "not live";
    };
    events.onmessage = refresh;
  }

  // Keys.
  const step = (by) => {
    const cards = all("a.card");
    const at = cards.indexOf(document.activeElement);
    const next = cards[at < 0 ? 0 : Math.min(cards.length - 1, Math.max(0, at + by))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };
  const keys = {
    j: () => step(1),
    k: () => step(-1),
    u: () => document.querySelector(".crumb a")?.click(),
    "/": () => document.querySelector("input[name=q]")?.focus(),
    // Both only go to the place; it takes another key to decide.
    a: () => (document.querySelector("input[name='read']:not(:checked)") || document.getElementById("approve"))?.focus(),
    d: () => document.getElementById("reason")?.focus(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]):not([type=radio]), select, textarea");
    if (event.key === "Escape" && typing) typing.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  tick();
  setInterval(tick, 1000);
})();
