"use strict";
// The experiment from the first screen to the last, on jsPsych. What there is to show, and how
// long, is in the design that the page holds. Who takes part, the order, the screens before the
// trials, a trial, and storage have files of their own.

(async () => {
  const design = JSON.parse(document.getElementById("design").textContent);
  const query = new URLSearchParams(location.search);
  const look = document.documentElement.style;
  look.setProperty("--grey", String(design.screen.background));
  look.setProperty("--mark", design.screen.background > 150 ? "black" : "white");

  const { panel, screen } = Screens;
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

  // ---- who takes part ------------------------------------------------------------------------

  const given = query.get("PROLIFIC_PID") || query.get("participant");
  let participant = given ? Participant.plain(given) : Participant.remembered(design);
  const session = Math.max(1, Math.min(99, Number.parseInt(query.get("session") ?? "1", 10) || 1));
  const listed = Number.parseInt(query.get("list") ?? "", 10);

  let store = participant === null ? null : await Store.open(design, participant, session);
  const begun = store !== null && store.trials.size > 0 && store.trials.size < design.trials;

  // ---- jsPsych -------------------------------------------------------------------------------

  const view = { frame: 1000 / 60, size: 256, stopped: false };
  const jsPsych = initJsPsych({
    show_progress_bar: true,
    auto_update_progress_bar: false,
    message_progress_bar: "",
  });
  const leave = (html) => {
    view.stopped = true;
    jsPsych.abortExperiment(panel(html));
  };
  const note = (kind, facts) => store.note({ kind, ...facts });

  if (begun && !given) {
    const again = await Screens.same(design, store.trials.size);
    if (!again) participant = null;
  } else if (!begun && !given) {
    participant = null; // the one before has finished, or not begun
  }
  if (participant === null) {
    participant = Participant.drawn();
    Participant.remember(design, participant);
    store = await Store.open(design, participant, session);
  }

  // ---- trials --------------------------------------------------------------------------------

  const random = Order.generator(Order.hash(`${participant}/${session}/masks`));
  const pick = (items) => items[Math.floor(random() * items.length)];
  const flash = (more) => ({
    type: Flash.Plugin, mask: pick(design.masks), size: () => view.size, frame: () => view.frame,
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
          if (hidden || longest_frame > 2.5 * view.frame) {
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
      ...Screens.before(design, view, note, leave),
      preload([...design.masks, ...icons, ...design.practice.map(({ image }) => image)]),
      ...rehearsal, ...trials,
      { type: jsPsychFullscreen, fullscreen_mode: false, delay_after: 0 },
    ]);
    if (view.stopped) return;
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
    Participant.remember(design, null);
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
