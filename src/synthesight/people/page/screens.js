"use strict";
// The screens before the trials: consent, a check of the window, full screen, the size of the
// screen, instructions.

const Screens = (() => {
  const escaped = (text) => {
    const element = document.createElement("span");
    element.textContent = text;
    return element.innerHTML;
  };
  const panel = (html) => `<section class="panel">${html}</section>`;

  const screen = (html, choices = ["Continue"], more = {}) => ({
    type: jsPsychHtmlButtonResponse, stimulus: panel(html), choices, ...more,
  });

  // Ask whether the one who has begun here is the one who is here now.
  function same(design, done) {
    return new Promise((resolve) => {
      document.body.innerHTML = panel(
        `<h1>${escaped(design.title)}</h1><p>Here someone has done ${done} of ` +
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
  }

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

  // Return the screens; what they find (ms a frame, pixels of an image) goes into `view`.
  function before(design, view, note, leave) {
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
        view.stopped = true;
        return panel(
          "<h1>Please use a larger screen</h1><p>This study does not work on a telephone or in a small " +
            "window: open the page on a computer.</p>",
        );
      },
      on_finish: (data) => {
        if (data.vsync_rate > 20) view.frame = 1000 / data.vsync_rate;
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
        view.size = Math.round(Math.min(Math.max(wanted, 32), most));
        note("calibration", {
          px_per_mm: data.px2mm, distance_mm: distance, measured: data.view_dist_mm !== undefined,
          size_px: view.size, wanted_px: wanted,
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
    return [consent, check, fullscreen, calibration, instructions];
  }

  return { panel, screen, same, before };
})();
