// The 44 milliseconds. The data is book/works/ladder.py's: cases, each with its stops.
(() => {
  const made = (parent, tag, attributes = {}, text = "") => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      element.setAttribute(name, value);
    }
    element.textContent = text;
    parent.append(element);
    return element;
  };

  const build = (figure) => {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const stage = document.createElement("div");
    stage.className = "work-stage";

    const switches = made(stage, "div", { class: "work-buttons", role: "group" });
    switches.setAttribute("aria-label", "Which recording");
    const choices = data.cases.map((each, number) => {
      const button = made(switches, "button", { type: "button" }, each.label);
      button.addEventListener("click", () => choose(number));
      return button;
    });

    const clock = made(stage, "p", { class: "ladder-clock", "aria-hidden": "true" });
    const rails = made(stage, "div", { class: "ladder-rails" });
    const tracks = data.rails.map((name) => {
      const rail = made(rails, "div", { class: "ladder-rail" });
      const words = made(rail, "p", { class: "ladder-words" });
      made(words, "b", {}, name);
      const state = made(words, "span");
      const track = made(rail, "div", { class: "ladder-track" });
      return { state, track };
    });
    // The unit is a hundredth of a millisecond: an arrow key moves by one of it, a
    // pointer never does, and so a move by one is taken for "to the next event".
    const range = made(stage, "input", {
      type: "range", min: 0, max: data.axis * 100, step: 1, "aria-label": "Time",
    });
    const steps = made(stage, "div", { class: "work-buttons" });
    const back = made(steps, "button", { type: "button" }, "Back");
    const next = made(steps, "button", { type: "button" }, "Next event");
    const said = made(stage, "p", { class: "work-said", "aria-live": "polite" });

    let chosen = data.cases[0];
    let stop = 0;

    const place = (element, share) => {
      element.style.left = share < 0.55 ? `${share * 100}%` : "auto";
      element.style.right = share < 0.55 ? "auto" : `${(1 - share) * 100}%`;
    };
    const show = (ms) => {
      const [, sentence, states, blocks, inferred] = chosen.stops[stop];
      range.value = Math.round(ms * 100);
      clock.textContent = `${ms.toFixed(2)} ms`;
      range.setAttribute("aria-valuetext", clock.textContent);
      const words = data.texts[sentence] + (inferred ? " (inferred)" : "");
      if (said.textContent !== words) said.textContent = words;
      tracks.forEach(({ state, track }, rail) => {
        state.textContent = data.texts[states[rail]];
        track.replaceChildren();
        for (const [from, start, end, kind] of chosen.bars) {
          if (from !== rail) continue;
          const bar = made(track, "i", { class: `ladder-bar ladder-${kind}` });
          bar.style.left = `${(start / data.axis) * 100}%`;
          bar.style.width = `${((end - start) / data.axis) * 100}%`;
        }
        const standing = made(track, "span", { class: "ladder-blocks" });
        for (const [block, where] of Object.entries(blocks)) {
          if (where === rail) made(standing, "span", { class: "ladder-block" }, data.texts[block]);
        }
        place(standing, ms / data.axis);
      });
      back.disabled = stop === 0;
      next.disabled = stop === chosen.stops.length - 1;
    };
    const go = (number) => {
      stop = Math.max(0, Math.min(chosen.stops.length - 1, number));
      show(chosen.stops[stop][0]);
    };
    const choose = (number) => {
      chosen = data.cases[number];
      choices.forEach((button, n) => button.setAttribute("aria-pressed", String(n === number)));
      go(0);
    };

    let before = 0;
    range.addEventListener("input", () => {
      const now = Number(range.value);
      const moved = now - before;
      if (Math.abs(moved) === 1) {
        go(stop + moved);
      } else {
        const times = chosen.stops.map(([ms]) => ms * 100);
        stop = Math.max(0, times.filter((time) => time <= now + 50).length - 1);
        show(Math.max(now / 100, chosen.stops[stop][0]));
      }
      before = Number(range.value);
    });
    for (const [button, by] of [[back, -1], [next, 1]]) {
      button.addEventListener("click", () => {
        go(stop + by);
        before = Number(range.value);
      });
    }
    choose(0);
    before = Number(range.value);
    figure.prepend(stage);
    figure.classList.add("works");
  };

  for (const figure of document.querySelectorAll('figure[data-work="ladder"]:not(.works)')) {
    build(figure);
  }
})();
