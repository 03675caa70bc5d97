"use strict";
// A jsPsych plugin for one trial: fixation square, image, mask, response screen. Each part begins
// with a frame of the screen; how long the image stood is measured from those frames.

const Flash = typeof jsPsychModule === "undefined" ? null : (() => {
  const type = jsPsychModule.ParameterType;

  const info = {
    name: "synthesight-flash",
    version: "1.0.0",
    parameters: {
      image: { type: type.STRING, default: null }, // address; or else a word
      word: { type: type.STRING, default: null },
      mask: { type: type.STRING, default: null },
      size: { type: type.INT }, // side of the image, in CSS pixels
      timing: { type: type.OBJECT }, // fixation, image, mask, response, feedback: ms
      frame: { type: type.FLOAT, default: 1000 / 60 }, // ms between two frames of the screen
      classes: { type: type.COMPLEX, array: true }, // label, icon
      columns: { type: type.INT },
      answer: { type: type.INT, default: null }, // shown where the response is another
    },
    data: {
      response: { type: type.INT }, // index of the class; null: none
      rt: { type: type.FLOAT }, // seconds since the response screen appeared
      image_ms: { type: type.FLOAT },
      mask_ms: { type: type.FLOAT },
      longest_frame: { type: type.FLOAT }, // ms, while the image stood
      hidden: { type: type.BOOL }, // whether the page was left
    },
  };

  // Physical keys, in rows as on a keyboard; their letters differ between countries.
  const KEYS = [
    ["Digit1", "Digit2", "Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8", "Digit9", "Digit0"],
    ["KeyQ", "KeyW", "KeyE", "KeyR", "KeyT", "KeyY", "KeyU", "KeyI", "KeyO", "KeyP"],
    ["KeyA", "KeyS", "KeyD", "KeyF", "KeyG", "KeyH", "KeyJ", "KeyK", "KeyL", "Semicolon"],
    ["KeyZ", "KeyX", "KeyC", "KeyV", "KeyB", "KeyN", "KeyM", "Comma", "Period", "Slash"],
  ];
  const SIGNS = { Semicolon: ";", Comma: ",", Period: ".", Slash: "/" };
  let letters = null;
  navigator.keyboard?.getLayoutMap?.().then((map) => (letters = map), () => {});

  const keyOf = (index, columns) => KEYS[Math.floor(index / columns)][index % columns];
  const signOf = (code) => letters?.get(code)?.toUpperCase() ?? SIGNS[code] ?? code.at(-1);

  const nextFrame = () => new Promise(requestAnimationFrame);

  // The decoded pixels, so that the frame that shows them has nothing left to do.
  async function pixels(address) {
    const image = new Image();
    image.src = address;
    await image.decode();
    return createImageBitmap(image);
  }

  function written(word, side) {
    const canvas = new OffscreenCanvas(side, side);
    const context = canvas.getContext("2d");
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = "bold 100px sans-serif";
    const height = Math.min(side / 3, (0.9 * side * 100) / context.measureText(word).width);
    context.font = `bold ${height}px sans-serif`;
    context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--mark");
    context.fillText(word, side / 2, side / 2);
    return canvas;
  }

  // Buttons in the layout of the response screen, as elements: labels are text, never HTML.
  function grid(classes, columns) {
    const buttons = classes.map(({ label, icon }, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "choice";
      if (icon) {
        const image = document.createElement("img");
        image.src = icon;
        image.alt = "";
        button.append(image);
      }
      const text = document.createElement("span");
      text.textContent = label;
      const key = document.createElement("kbd");
      key.textContent = signOf(keyOf(index, columns));
      button.append(text, key);
      return button;
    });
    const element = document.createElement("div");
    element.className = "choices";
    element.style.setProperty("--columns", columns);
    element.setAttribute("role", "group");
    element.setAttribute("aria-label", "What did the image show?");
    element.append(...buttons);
    return { element, buttons };
  }

  class Plugin {
    static info = info;

    async trial(display, trial, loaded) {
      const { timing, frame, columns } = trial;
      const density = window.devicePixelRatio || 1;
      const side = Math.round(trial.size * density);
      const [image, mask] = await Promise.all([
        trial.word === null ? pixels(trial.image) : written(trial.word, side),
        trial.mask && timing.mask > 0 ? pixels(trial.mask) : null,
      ]);
      const { element, buttons } = grid(trial.classes, columns);
      const canvas = document.createElement("canvas");
      // A margin, for the fixation square lies around the image: 230 pixels around 224.
      const margin = Math.max(2, Math.round(0.03 * side));
      canvas.width = canvas.height = side + 2 * margin;
      canvas.style.width = canvas.style.height = `${canvas.width / density}px`;
      const stage = document.createElement("div");
      stage.className = "stage";
      stage.append(canvas, element);
      display.replaceChildren(stage);
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      let hidden = document.hidden;
      const leave = () => (hidden ||= document.hidden);
      document.addEventListener("visibilitychange", leave);
      let longest = 0;

      const clear = () => context.clearRect(0, 0, canvas.width, canvas.height);
      const show = (picture) => {
        clear();
        context.drawImage(picture, margin, margin, side, side);
      };
      // Wait until a part has stood for its time, to the nearest frame.
      const hold = async (since, ms) => {
        let before = since;
        for (;;) {
          const now = await nextFrame();
          longest = Math.max(longest, now - before);
          if (now - since >= ms - frame / 2) return now;
          before = now;
        }
      };

      loaded();
      let now = await nextFrame();
      if (timing.fixation > 0) {
        context.lineWidth = Math.max(1, margin / 2);
        context.strokeStyle = getComputedStyle(stage).color; // seen on dark and on light grey
        const edge = margin / 2;
        context.strokeRect(edge, edge, canvas.width - 2 * edge, canvas.height - 2 * edge);
        now = await hold(now, timing.fixation);
      }
      const shown = now;
      longest = 0;
      show(image);
      const masked = await hold(shown, timing.image);
      const longest_frame = longest;
      let asked = masked;
      if (mask) {
        show(mask);
        asked = await hold(masked, timing.mask);
      }
      clear();
      const { response, rt } = await this.ask(element, buttons, asked, trial);
      if (trial.answer !== null && trial.answer !== response) {
        buttons[trial.answer].classList.add("right");
        await hold(await nextFrame(), timing.feedback);
      }
      document.removeEventListener("visibilitychange", leave);
      for (const picture of [image, mask]) picture?.close?.(); // frees the pixels
      display.replaceChildren();
      return {
        response, rt, image_ms: masked - shown, mask_ms: asked - masked, longest_frame, hidden,
      };
    }

    // The last choice within the time counts, as in the published experiments.
    ask(element, buttons, since, { timing, frame, columns }) {
      element.classList.add("shown");
      const chosen = { response: null, rt: null };
      return new Promise((resolve) => {
        const stop = new AbortController();
        const end = () => {
          stop.abort();
          resolve(chosen);
        };
        const choose = (index, event) => {
          chosen.response = index;
          chosen.rt = Math.max(0, event.timeStamp - since) / 1000;
          buttons.forEach((button, n) => button.setAttribute("aria-pressed", String(n === index)));
          if (timing.response === 0) end();
        };
        const move = (index, event) => {
          event.preventDefault();
          buttons[Math.min(Math.max(index, 0), buttons.length - 1)].focus();
        };
        const on = (target, name, act) => target.addEventListener(name, act, { signal: stop.signal });
        buttons.forEach((button, index) => {
          on(button, "pointerdown", (event) => event.button === 0 && choose(index, event));
          // By the keyboard or by assistive technology: no pointer went down.
          on(button, "click", (event) => event.detail === 0 && choose(index, event));
        });
        on(document, "keydown", (event) => {
          if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
          const index = buttons.findIndex((_, n) => keyOf(n, columns) === event.code);
          if (index >= 0) choose(index, event);
          const focused = buttons.indexOf(document.activeElement);
          const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
          if (event.code in step) move(focused < 0 ? 0 : focused + step[event.code], event);
        });
        const wait = (now) => {
          if (stop.signal.aborted) return;
          if (timing.response > 0 && now - since >= timing.response - frame / 2) end();
          else requestAnimationFrame(wait);
        };
        requestAnimationFrame(wait);
      });
    }
  }

  return { Plugin, grid };
})();
