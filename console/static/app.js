// What the page does by itself: listens, asks anew when something changed, shows ages, warns when
// it is cut off, and sounds. Everything it shows was rendered by the server.
"use strict";
(() => {
  const BEAT_LOST_MS = 8000; // the server beats each 3 s; the banner must stand within 10 s
  const ERROR_LOST_MS = 3000;
  const SETTLE_MS = 400;
  const REFRESH_MS = 15000; // what changes without an alarm: the gateways
  const REPEAT_MS = 12000; // IEC 60601-1-8: high priority repeats within 15 s
  const texts = JSON.parse(document.body.dataset.texts);
  const byId = (id) => document.getElementById(id);

  // All faces now: the banner of a lost connection cannot fetch its own.
  for (const face of document.fonts) face.load().catch(() => {});

  // --- Time. The server's clock counts; this machine's may be wrong.
  let clockAhead = 0;
  const now = () => Date.now() + clockAhead;
  const put = (key, value) => texts[key].replace("{n}", value).replace("{age}", value);
  const words = (seconds) => {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 120) return put("unit.s", s);
    if (s < 7200) return put("unit.m", Math.floor(s / 60));
    if (s < 172800) return put("unit.h", Math.floor(s / 3600));
    return put("unit.d", Math.floor(s / 86400));
  };
  const showAges = () => {
    for (const time of document.querySelectorAll("time[data-age]")) {
      const seconds = (now() - Date.parse(time.dateTime)) / 1000;
      const text = put("ago", words(seconds));
      if (time.textContent !== text) time.textContent = text;
      const row = time.closest("[data-old-after]");
      if (row) row.classList.toggle("old", seconds > Number(row.dataset.oldAfter));
    }
  };

  // --- Parts that carry the same id and version stay as they are: focus, open choices and all.
  const replace = (old, fresh) => {
    const open = [...old.querySelectorAll("details[open]")].map((part) => part.id);
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    old.replaceWith(fresh);
    for (const id of open) if (id && byId(id)) byId(id).open = true;
    if (focused) { // where the pressed button is gone, the next step takes the focus
      const next = byId(focused) || fresh.querySelector("summary, button, a");
      if (next) next.focus({ preventScroll: true });
    }
    return fresh;
  };
  const merge = (into, from, changed) => {
    let place = into.firstElementChild;
    const wanted = [...from.children];
    const ids = new Set(wanted.map((part) => part.id));
    for (const old of [...into.children]) {
      if (!ids.has(old.id)) {
        if (old === place) place = place.nextElementSibling;
        old.remove();
        changed.gone = true;
      }
    }
    for (const fresh of wanted) {
      const old = byId(fresh.id);
      let here = old;
      if (!old || old.parentElement !== into) {
        here = fresh;
        into.insertBefore(fresh, place);
        changed.nodes.push(fresh);
        changed.gone = true;
        continue;
      }
      if (old !== place) into.insertBefore(old, place);
      else place = place.nextElementSibling;
      if ("keyed" in fresh.dataset) merge(old, fresh, changed);
      else if (!("kept" in fresh.dataset) && old.dataset.version !== fresh.dataset.version) {
        here = replace(old, fresh);
        changed.nodes.push(here);
      }
    }
  };
  let settled = 0;
  const settle = () => { // cards have moved: a finger on its way must not hit another one's button
    const live = byId("live");
    live.classList.add("settling");
    clearTimeout(settled);
    settled = setTimeout(() => live.classList.remove("settling"), SETTLE_MS);
  };
  htmx.defineExtension("keyed", {
    isInlineSwap: () => false,
    handleSwap: (style, target, fragment) => {
      if (style !== "keyed") return false;
      const changed = { nodes: [], gone: false };
      merge(target, fragment, changed);
      if (changed.gone) settle();
      for (const node of changed.nodes) {
        htmx.process(node);
        if (node.id === "told") toldAt = performance.now();
      }
      showAges();
      listenToCards();
      return changed.nodes;
    },
  });

  // --- The link to the server. Nothing old may look live.
  const live = byId("live");
  let lastBeat = performance.now();
  let lastGood = now();
  let errorSince = 0;
  let serverLives = true;
  let listStale = false;
  let lost = false;
  const showLink = () => {
    const at = performance.now();
    const silent = at - lastBeat > BEAT_LOST_MS;
    const broken = errorSince > 0 && at - errorSince > ERROR_LOST_MS;
    const isLost = silent || broken || !serverLives || listStale;
    const banner = byId("lost");
    const reason = silent || broken || listStale ? texts["link.lost_long"] : texts["link.store"];
    const since = `${texts["link.as_of"]} ${put("ago", words((now() - lastGood) / 1000))}`;
    const text = isLost ? `${reason} · ${since}` : "";
    if (isLost !== lost) {
      lost = isLost;
      banner.hidden = !isLost;
      document.body.classList.toggle("stale", isLost);
      if (isLost) play([392, 330, 262], 0.35);
    }
    if (banner.textContent !== text) banner.textContent = text;
    const link = byId("link");
    const state = isLost ? "lost" : "live";
    if (link.dataset.link !== state) {
      link.dataset.link = state;
      link.textContent = texts[`link.${state}`];
    }
  };

  // --- Asking anew: at once for the first change, then at most some times a second.
  let asking = false;
  let again = false;
  const ask = () => {
    if (!live || !live.hasAttribute("hx-get")) return;
    if (asking) { again = true; return; }
    asking = true;
    htmx.trigger(live, "khaen:changed");
    setTimeout(() => {
      asking = false;
      if (again) { again = false; ask(); }
    }, 150);
  };
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const read = event.detail.requestConfig && event.detail.requestConfig.verb === "get";
    const status = event.detail.xhr ? event.detail.xhr.status : 0;
    if (read) {
      listStale = !event.detail.successful;
      if (listStale && status !== 401) setTimeout(ask, 1000);
    } else if (!event.detail.successful && status !== 401) tell(texts["sent.failed"], true);
    showLink();
  });
  let toldAt = 0;
  const tell = (text, failed) => {
    const told = byId("told");
    if (!told) return;
    told.textContent = text;
    told.classList.toggle("failed", failed);
    toldAt = performance.now();
  };

  // --- Events
  const source = new EventSource(document.body.dataset.events);
  const heard = () => { lastBeat = performance.now(); errorSince = 0; };
  source.addEventListener("open", () => { heard(); showLink(); });
  source.addEventListener("alarm", () => { heard(); ask(); });
  source.addEventListener("reset", () => { heard(); ask(); });
  source.addEventListener("beat", (event) => {
    heard();
    const beat = JSON.parse(event.data);
    clockAhead = Date.parse(beat.now) - Date.now();
    serverLives = beat.live;
    if (serverLives && !listStale) lastGood = now();
    showLink();
  });
  source.addEventListener("error", () => {
    if (errorSince === 0) errorSince = performance.now();
    // A refusal (the session ended, the server restarts) closes the source for good: begin anew.
    if (source.readyState === EventSource.CLOSED) setTimeout(beginAnew, 2000);
  });
  const beginAnew = () => {
    fetch("/", { redirect: "manual", cache: "no-store" }).then((answer) => {
      if (answer.ok || answer.type === "opaqueredirect") window.location.reload();
      else setTimeout(beginAnew, 2000);
    }, () => setTimeout(beginAnew, 2000));
  };

  // --- Sound, once a gesture has allowed it
  let audio = null;
  const sounding = () => audio !== null && audio.state === "running";
  const play = (tones, step) => {
    if (!sounding()) return;
    tones.forEach((tone, index) => {
      if (tone === 0) return;
      const start = audio.currentTime + 0.05 + index * step;
      const gain = audio.createGain();
      gain.gain.setValueAtTime(0, start);
      gain.gain.linearRampToValueAtTime(0.4, start + 0.02);
      gain.gain.setValueAtTime(0.4, start + step * 0.6);
      gain.gain.linearRampToValueAtTime(0, start + step * 0.8);
      gain.connect(audio.destination);
      for (const times of [1, 2, 3]) {
        const voice = audio.createOscillator();
        const share = audio.createGain();
        share.gain.value = 0.6 / times;
        voice.frequency.value = tone * times;
        voice.connect(share).connect(gain);
        voice.start(start);
        voice.stop(start + step);
      }
    });
  };
  const HIGH = [523, 523, 523, 0, 659, 784, 0, 0, 523, 523, 523, 0, 659, 784];
  const MEDIUM = [523, 523, 523];
  const showSound = () => {
    const button = byId("sound");
    const on = sounding();
    button.setAttribute("aria-pressed", String(on));
    button.title = texts[on ? "sound.is_on" : "sound.is_off"];
    button.lastElementChild.textContent = texts[on ? "sound.off" : "sound.on"];
  };
  const openSound = async () => {
    audio = audio || new AudioContext();
    audio.onstatechange = showSound;
    await audio.resume();
  };
  byId("sound").addEventListener("click", async () => {
    if (sounding()) {
      sessionStorage.removeItem("sound");
      await audio.suspend();
    } else {
      sessionStorage.setItem("sound", "on");
      await openSound();
      play([523, 659], 0.2);
    }
    showSound();
  });
  // Sound that was on stays on from page to page: at once, or by the next press of anything.
  const wanted = () => sessionStorage.getItem("sound") === "on" && !sounding();
  if (wanted()) openSound().catch(() => {});
  for (const gesture of ["pointerup", "keydown"]) {
    document.addEventListener(gesture, (event) => {
      if (wanted() && !event.target.closest("#sound")) openSound().catch(() => {});
    });
  }

  // --- New alarms: announced and sounded once, high ones again until somebody answers
  const rung = new Set();
  let first = true;
  let highAt = 0;
  const listenToCards = () => {
    const fresh = [];
    const cards = [...document.querySelectorAll("[data-ring]")];
    const shown = new Set(cards.map((card) => card.dataset.ring));
    for (const ring of rung) if (!shown.has(ring)) rung.delete(ring); // back again: told again
    for (const card of cards) {
      if (rung.has(card.dataset.ring)) continue;
      rung.add(card.dataset.ring);
      fresh.push(card);
    }
    if (fresh.length && !first) {
      byId("announce").textContent = fresh
        .map((card) => `${card.querySelector(".priority").textContent.trim()}: ${card.querySelector(".what").textContent.trim()}`)
        .join(". ");
      if (fresh.some((card) => card.dataset.priority === "1")) {
        highAt = performance.now();
        play(HIGH, 0.16);
      } else if (fresh.some((card) => card.dataset.priority === "2")) play(MEDIUM, 0.25);
    }
    first = false;
  };
  const ringOn = () => {
    if (!document.querySelector("[data-ring][data-priority='1']")) return;
    if (performance.now() - highAt < REPEAT_MS) return;
    highAt = performance.now();
    play(HIGH, 0.16);
  };

  listenToCards();
  showAges();
  showSound();
  setInterval(() => {
    showAges();
    showLink();
    ringOn();
    const told = byId("told");
    if (told && told.textContent && toldAt === 0) toldAt = performance.now();
    if (told && toldAt && performance.now() - toldAt > 12000) { tell("", false); toldAt = 0; }
  }, 500);
  setInterval(ask, REFRESH_MS);
  document.addEventListener("visibilitychange", showLink);
})();
