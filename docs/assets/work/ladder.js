// The 44 milliseconds. The data is book/works/ladder.py's: cases, each with its stops.
(() => {
  const { figures, made, recordings } = figureParts;

  const build = (figure) => {
    const { data, stage, press } = recordings(figure, (number) => choose(number));

    const clock = made(stage, "p", { class: "ladder-clock", "aria-hidden": "true" });
    const rails = made(stage, "div", { class: "ladder-rails" });
    const tracks = data.rails.map((name) => {
      const rail = made(rails, "div", { class: "ladder-rail" });
      const words = made(rail, "p", { class: "ladder-words" });
      made(words, "b", {}, `${name}: `);
      const state = made(words, "span");
      const track = made(rail, "div", { class: "ladder-track" });
      const bars = made(track, "div");
      const now = made(track, "i", { class: "ladder-now" });
      const blocks = made(track, "span", { class: "ladder-blocks" });
      return { state, bars, now, blocks };
    });
    // Its unit is a hundredth of a millisecond. An arrow key moves by one of them and a
    // pointer by many, so a move by one is taken for "to the next event".
    const range = made(stage, "input", {
      class: "ladder-time", type: "range", min: 0, max: data.axis * 100, step: 1,
    });
    range.setAttribute("aria-label", "Time, in milliseconds");
    const ruler = made(stage, "div", { class: "ladder-ruler", "aria-hidden": "true" });
    for (let ms = 0; ms <= data.axis; ms += 30) {
      const mark = made(ruler, "span", {}, `${ms}${ms === data.axis ? " ms" : ""}`);
      mark.style.left = `${(ms / data.axis) * 100}%`;
    }
    const steps = made(stage, "div", { class: "work-buttons" });
    const back = made(steps, "button", { type: "button" }, "Event before");
    const next = made(steps, "button", { type: "button" }, "Next event");
    const said = made(stage, "p", { class: "work-said ladder-said", "aria-live": "polite" });

    let chosen = data.cases[0];
    let stop = 0;
    // What the slider stood at: where the reader has moved it from.
    let before = 0;

    const show = (ms) => {
      const [, sentence, states, blocks] = chosen.stops[stop];
      const share = ms / data.axis;
      range.value = before = Math.round(ms * 100);
      clock.textContent = `${ms.toFixed(2)} ms`;
      range.setAttribute("aria-valuetext", clock.textContent);
      if (said.textContent !== data.texts[sentence]) {
        said.textContent = data.texts[sentence];
      }
      tracks.forEach((rail, number) => {
        rail.state.textContent = data.texts[states[number]];
        rail.blocks.replaceChildren();
        for (const [block, where] of blocks) {
          if (where !== number) continue;
          const words = data.texts[block];
          const kind = words.split(",")[0];
          made(rail.blocks, "span", { class: `ladder-block ladder-${kind}` }, words);
        }
        rail.now.style.left = `${share * 100}%`;
        // Where the time is, or as far right as there is room.
        const wide = rail.blocks.offsetWidth;
        rail.blocks.style.left = `min(${share * 100}%, 100% - ${wide}px)`;
      });
      back.disabled = stop === 0;
      next.disabled = stop === chosen.stops.length - 1;
    };
    const go = (number) => {
      stop = Math.max(0, Math.min(chosen.stops.length - 1, number));
      show(chosen.stops[stop][0]);
    };
    // At a time between two events, things stand as the earlier one has left them.
    const at = (ms) => {
      const begun = chosen.stops.filter(([time]) => time <= ms + 0.005);
      stop = Math.max(0, begun.length - 1);
      show(Math.max(ms, chosen.stops[0][0]));
    };
    const choose = (number) => {
      chosen = data.cases[number];
      press(number);
      tracks.forEach((rail, own) => {
        rail.bars.replaceChildren();
        for (const [where, start, end, kind] of chosen.bars) {
          if (where !== own) continue;
          const bar = made(rail.bars, "i", { class: `ladder-bar ladder-${kind}` });
          bar.style.left = `${(start / data.axis) * 100}%`;
          bar.style.width = `${((end - start) / data.axis) * 100}%`;
        }
      });
      at(before / 100);
    };

    range.addEventListener("input", () => {
      const moved = Number(range.value) - before;
      if (Math.abs(moved) === 1) {
        const last = chosen.stops.length - 1;
        const since = before - Math.round(chosen.stops[stop][0] * 100);
        if (moved === 1 && stop === last) {
          show(before / 100); // behind the last event there is none to go to
        } else if (moved === -1 && since > 0) {
          go(stop);
        } else {
          go(stop + moved);
        }
        return;
      }
      // Near an event, a pointer means the event.
      if (range.value === "0") {
        go(0);
        return;
      }
      const ms = Number(range.value) / 100;
      const near = chosen.stops.map(([time]) => time).filter((time) => Math.abs(time - ms) < 0.6);
      at(near.length ? near[near.length - 1] : ms);
    });
    back.addEventListener("click", () => go(stop - 1));
    next.addEventListener("click", () => go(stop + 1));
    figure.prepend(stage);
    choose(0);
    at(data.start);
    figure.classList.add("works");
  };

  for (const figure of figures("ladder")) build(figure);
})();
