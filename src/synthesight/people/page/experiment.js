"use strict";
// The experiment from the first screen to the last, on jsPsych. What there is to show, and how
// long, is in the design that the page holds; order, trials and storage have files of their own.

(async () => {
  const design = JSON.parse(document.getElementById("design").textContent);
  const query = new URLSearchParams(location.search);
  const look = document.documentElement.style;
  look.setProperty("--grey", String(design.screen.background));
  look.setProperty("--mark", design.screen.background > 150 ? "black" : "white");

  const escaped = (text) => {
    const element = document.createElement("span");
    element.textContent = text;
    return element.innerHTML;
  };
  const panel = (html) => `<section class="panel">${html}</section>`;
  const needed = [
    "initJsPsych", "jsPsychBrowserCheck", "jsPsychFullscreen", "jsPsychHtmlButtonResponse",
    "jsPsychPreload", "jsPsychVirtualChinrest",
  ];
  if (needed.some((name) => !(name in window))) {
    document.body.innerHTML = panel(
      "<h1>This study could not be loaded</h1><p>A part of it, jsPsych, is not there. Check your " +
        "connection, allow cdn.jsdelivr.net, and load the page again.</p>",
    );
    return;
  }
  const screen = (html, choices = ["Continue"], more = {}) => ({
    type: jsPsychHtmlButtonResponse, stimulus: panel(html), choices, ...more,
  });

  // ---- who takes part ------------------------------------------------------------------------

  // A name as file systems take it; one that had to be changed stays apart from others.
  function plain(name) {
    const kept = name.replace(/[^A-Za-z0-9]+/g, "-").slice(0, 40);
    return kept === name ? name : `${kept.slice(0, 31)}-${Order.hash(name).toString(36)}`;
  }
  const memory = `synthesight/${design.id}/participant`;
  const remembered = () => {
    try {
      return localStorage.getItem(memory);
    } catch {
      return null;
    }
  };
  const remember = (name) => {
    try {
      if (name === null) localStorage.removeItem(memory);
      else localStorage.setItem(memory, name);
    } catch {
      // Then a closed page cannot be gone on with.
    }
  };
  const drawn = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => (byte % 36).toString(36)).join("");
  const given = query.get("PROLIFIC_PID") || query.get("participant");
  let participant = given ? plain(given) : remembered();
  const session = Math.max(1, Math.min(99, Number.parseInt(query.get("session") ?? "1", 10) || 1));
  const listed = Number.parseInt(query.get("list") ?? "", 10);

  let store = participant === null ? null : await Store.open(design, participant, session);
  const begun = store !== null && store.trials.size > 0 && store.trials.size < design.trials;

  // ---- jsPsych -------------------------------------------------------------------------------

  let stopped = false;
  const jsPsych = initJsPsych({
    show_progress_bar: true,
    auto_update_progress_bar: false,
    message_progress_bar: "",
  });
  const leave = (html) => {
    stopped = true;
    jsPsych.abortExperiment(panel(html));
  };
  const note = (kind, facts) => store.note({ kind, ...facts });

  if (begun && !given) {
    const again = await new Promise((resolve) => {
      document.body.innerHTML = panel(
        `<h1>${escaped(design.title)}</h1><p>Here someone has done ${store.trials.size} of ` +
          `${design.trials} trials. Was that you?</p>`,
      );
      for (const [text, value] of [["Yes, go on", true], ["No, begin anew", false]]) {
        const button = document.createElement("button");
        button.className = "jspsych-btn";
        button.textContent = text;
        button.addEventListener("click", () => resolve(value));
        document.body.firstChild.append(button);
      }
    });
    if (!again) participant = null;
  } else if (!begun && !given) {
    participant = null; // the one before has finished, or not begun
  }
  if (participant === null) {
    participant = drawn();
    remember(participant);
    store = await Store.open(design, participant, session);
  }

  // ---- before the trials ---------------------------------------------------------------------

  let frame = 1000 / 60;
  let size = 256;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const { min_width, min_height } = design.screen;

  const consent = screen(
    `<h1>${escaped(design.title)}</h1>${design.texts.consent}`,
    ["I agree, and take part", "I do not agree"],
    {
      on_finish: ({ response }) => {
        if (response === 1) leave("<p>Thank you. Nothing was kept. You can close this page.</p>");
      },
    },
  );

  const check = {
    type: jsPsychBrowserCheck,
    features: ["width", "height", "browser", "browser_version", "mobile", "os", "fullscreen", "vsync_rate"],
    minimum_width: min_width,
    minimum_height: min_height,
    window_resize_message: panel(
      `<h1>Please use a larger screen</h1>
       <p>This study needs a window of at least ${min_width} × ${min_height} pixels. Yours has
       <span id="browser-check-actual-width"></span> × <span id="browser-check-actual-height"></span>.
       Make it larger, or open this page on a computer.</p>`,
    ),
    resize_fail_button_text: "I cannot make it larger",
    inclusion_function: ({ mobile }) => !mobile,
    exclusion_message: () => {
      stopped = true;
      return panel(
        "<h1>Please use a larger screen</h1><p>This study does not work on a telephone or in a small " +
          "window: open the page on a computer.</p>",
      );
    },
    on_finish: (data) => {
      if (data.vsync_rate > 20) frame = 1000 / data.vsync_rate;
      const { width, height, browser, browser_version, os, vsync_rate } = data;
      note("browser", { width, height, browser, browser_version, os, vsync_rate });
    },
  };

  const fullscreen = {
    type: jsPsychFullscreen,
    message: panel("<p>The study fills the screen. Press Esc if you want to leave it.</p>"),
    delay_after: 500,
    on_finish: ({ success }) => note("fullscreen", { success }),
  };

  // The card's size by arrow keys, too; the library knows only the mouse.
  function resizable() {
    const card = document.getElementById("item");
    card.tabIndex = 0;
    card.setAttribute("role", "slider");
    card.setAttribute("aria-label", "Width of the card");
    card.focus();
    card.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 2, ArrowUp: 2, ArrowLeft: -2, ArrowDown: -2 }[event.code];
      if (!step) return;
      event.preventDefault();
      const width = Math.max(20, card.offsetWidth + step);
      card.style.width = `${width}px`;
      card.style.height = `${Math.round((width * 53.98) / 85.6)}px`;
      card.setAttribute("aria-valuenow", String(width));
    });
  }
  const calibration = {
    type: jsPsychVirtualChinrest,
    blindspot_reps: still ? 0 : design.screen.blind_spot,
    resize_units: "none",
    adjustment_prompt: panel(
      `<h1>How large is your screen?</h1>
       <p>Hold a bank card, or another card of that size (85.6 mm wide), to the screen. Drag the
       lower right corner until the grey card is as large as yours. The arrow keys do it, too.</p>`,
    ),
    adjustment_button_prompt: "It is as large as my card",
    blindspot_prompt: panel(
      `<h1>How far away do you sit?</h1>
       <ol><li>Sit as you will sit, and put your left hand on the <b>space bar</b>.</li>
       <li>Cover your <b>right eye</b>, and look at the <b>black square</b> all the time.</li>
       <li>Press the space bar. The <b>red ball</b> moves to the left and disappears at some place.
       Press the space bar as soon as it has disappeared.</li></ol>`,
    ),
    blindspot_measurements_prompt: "Still to measure: ",
    viewing_distance_report: panel(
      "<p>It seems that you sit about <b id='distance-estimate'></b> from the screen. Is that right?</p>",
    ),
    redo_measurement_button_label: "No, measure again",
    blindspot_done_prompt: "Yes",
    on_load: resizable,
    on_finish: (data) => {
      const distance = data.view_dist_mm ?? 10 * design.screen.distance; // mm
      const angle = (design.screen.degrees * Math.PI) / 180;
      const wanted = 2 * distance * Math.tan(angle / 2) * data.px2mm;
      const most = 0.8 * Math.min(innerWidth, innerHeight);
      size = Math.round(Math.min(Math.max(wanted, 32), most));
      note("calibration", {
        px_per_mm: data.px2mm, distance_mm: distance, measured: data.view_dist_mm !== undefined,
        size_px: size, wanted_px: wanted,
      });
    },
  };

  const instructions = screen(
    `<h1>What to do</h1>${design.texts.instructions}<div id="layout"></div>`,
    ["Continue"],
    {
      on_load: () => {
        const { element } = Flash.grid(design.classes, design.columns);
        element.classList.add("shown");
        element.inert = true;
        document.getElementById("layout").append(element);
      },
    },
  );

  // ---- trials --------------------------------------------------------------------------------

  const random = Order.generator(Order.hash(`${participant}/${session}/masks`));
  const pick = (items) => items[Math.floor(random() * items.length)];
  const flash = (more) => ({
    type: Flash.Plugin, mask: pick(design.masks), size: () => size, frame: () => frame,
    timing: design.timing, classes: design.classes, columns: design.columns, ...more,
  });
  const preload = (images) => ({
    type: jsPsychPreload, images, message: panel("<p>Images are loading.</p>"),
    error_message: panel("<p>Images could not be loaded. Check your connection, and load the page again.</p>"),
  });

  const rehearsed = [];
  const practice = design.practice.map(({ image, category }) =>
    flash({
      image, answer: category,
      on_finish: ({ response, rt, image_ms }) => {
        rehearsed.push(response === category);
        note("practice", { category, response, rt, image_ms });
      },
    }),
  );
  const afterPractice = screen("", ["Begin"], {
    stimulus: () => {
      const right = rehearsed.filter(Boolean).length;
      return panel(
        `<h1>Practice is over</h1><p>You were right in ${right} of ${rehearsed.length}. Now the study
         begins: ${design.trials} images, and no word on what was right.</p>`,
      );
    },
  });

  const order = Order.order(design, participant, session, Number.isNaN(listed) ? null : listed);
  const durations = [];
  let block = [];
  const main = order.map((stimulus, index) => {
    const { image, category } = design.stimuli[stimulus];
    return {
      number: index + 1,
      image,
      node: flash({
        image,
        on_finish: ({ response, rt, image_ms, longest_frame, hidden }) => {
          durations.push(image_ms);
          block.push({ right: response === category, missed: response === null });
          if (hidden || longest_frame > 2.5 * frame) {
            note("disturbed", { trial: index + 1, image_ms, longest_frame, hidden });
          }
          store.add({ trial: index + 1, stimulus, response, rt, image_ms });
          jsPsych.progressBar.progress = (index + 1) / design.trials;
        },
      }),
    };
  });
  const attention = () => {
    const expected = Math.floor(random() * design.classes.length);
    return flash({
      word: design.classes[expected].label,
      on_finish: ({ response, rt }) => note("attention", { expected, response, rt }),
    });
  };
  const rest = (number) =>
    screen("", ["Go on"], {
      stimulus: () => {
        const missed = block.filter((trial) => trial.missed).length;
        const right = block.filter((trial) => trial.right).length;
        const warning = missed > 0.02 * block.length
          ? "<p><strong>Please choose each time, and guess if you are not sure.</strong></p>" : "";
        const html =
          `<h1>Take a break</h1><p>You have done ${number} of ${design.trials}. In this part, ` +
          `${right} of ${block.length} were right, and ${missed} had no answer in time.</p>${warning}`;
        block = [];
        return panel(html);
      },
    });

  const trials = [];
  const every = design.design.attention;
  const left = main.filter(({ number }) => !store.trials.has(number));
  for (let at = 0; at < main.length; at += design.design.block) {
    const part = main.slice(at, at + design.design.block).filter((each) => left.includes(each));
    if (!part.length) continue;
    trials.push(preload(part.map(({ image }) => image)));
    for (const { number, node } of part) {
      trials.push(node);
      // One place in each stretch, drawn for it.
      const stretch = Math.floor((number - 1) / every);
      const place = Order.generator(Order.hash(`${participant}/${session}/${stretch}`))();
      if (every && (number - 1) % every === Math.floor(place * every)) trials.push(attention());
    }
    const { number } = part.at(-1);
    if (number < design.trials) trials.push(rest(number));
  }

  // ---- all of it -----------------------------------------------------------------------------

  const icons = design.classes.map(({ icon }) => icon).filter(Boolean);
  const rehearsal = begun ? [] : [...practice, ...(practice.length ? [afterPractice] : [])];
  if (left.length) {
    jsPsych.data.addProperties({ participant, session });
    await jsPsych.run([
      consent, check, fullscreen, calibration,
      preload([...design.masks, ...icons, ...design.practice.map(({ image }) => image)]),
      instructions, ...rehearsal, ...trials,
      { type: jsPsychFullscreen, fullscreen_mode: false, delay_after: 0 },
    ]);
    if (stopped) return;
  }

  // ---- the last screen -----------------------------------------------------------------------

  if (durations.length) {
    const mean = durations.reduce((sum, each) => sum + each, 0) / durations.length;
    store.note({ kind: "finished", mean_image_ms: mean, longest_image_ms: Math.max(...durations) });
  }
  const root = document.body; // jsPsych is done with it
  root.innerHTML = panel("<p>Your answers are being saved. Please wait.</p>");
  for (let tries = 0; tries < 5 && store.served; tries++) {
    await store.send();
    if (!store.unsent.size && !store.events.length) break;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  const kept = store.served && !store.unsent.size;
  if (kept) {
    store.forget();
    remember(null);
  }
  root.innerHTML = panel(`<h1>Done</h1>${design.texts.debrief}<p class="end"></p>`);
  const end = root.querySelector(".end");
  const button = (text, attributes) => {
    const link = document.createElement("a");
    Object.assign(link, { className: "jspsych-btn", textContent: text, ...attributes });
    end.append(link);
    return link;
  };
  if (kept) end.append("Your answers are saved. ");
  else {
    end.append("Please save your answers, and send these files to the people who run this study. ");
    addEventListener("beforeunload", (event) => event.preventDefault());
    for (const { name, text } of store.files()) {
      const href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
      button(`Save ${name}`, { href, download: name });
    }
  }
  if (design.completion_url) button("Finish", { href: design.completion_url });
  else if (kept) end.append("You can close this page.");
})();
