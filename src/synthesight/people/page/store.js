"use strict";
// Keep each trial as soon as it is done: in this browser, and on the server where there is one.

const COLUMNS = [
  "subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename",
  "image_ms",
];

class Store {
  // `trials` are those done, from here and from the server, by number.
  static async open(design, participant, session) {
    const store = new Store(design, participant, session);
    const { trials, events } = store.remembered();
    store.trials = new Map(trials.map((trial) => [trial.trial, trial]));
    store.events = events;
    store.unsent = new Map(store.trials);
    const query = new URLSearchParams({ participant, session });
    const there = await store.ask(`progress?${query}`);
    store.served = there !== null && there.design === design.id;
    if (store.served) {
      for (const number of there.trials) {
        store.unsent.delete(number);
        if (!store.trials.has(number)) store.trials.set(number, null);
      }
    }
    return store;
  }

  constructor(design, participant, session) {
    Object.assign(this, { design, participant, session, sending: Promise.resolve() });
    this.key = `synthesight/${design.id}/${participant}/${session}`;
  }

  remembered() {
    try {
      const kept = JSON.parse(localStorage.getItem(this.key));
      if (kept) return kept;
    } catch {
      // a browser that keeps nothing, or not from files
    }
    return { trials: [], events: [] };
  }

  remember() {
    try {
      const trials = [...this.trials.values()].filter(Boolean);
      localStorage.setItem(this.key, JSON.stringify({ trials, events: this.events }));
    } catch {
      // The server, or the download at the end, has them.
    }
  }

  forget() {
    try {
      localStorage.removeItem(this.key);
    } catch {
      // It kept nothing.
    }
  }

  add(trial) {
    this.trials.set(trial.trial, trial);
    this.unsent.set(trial.trial, trial);
    this.remember();
    return this.send();
  }

  // What is no trial of the study: screens, practice, attention checks.
  note(event) {
    this.events.push({ at: new Date().toISOString(), ...event });
    this.remember();
    return this.send();
  }

  // One request at a time; what fails goes with the next one.
  send() {
    if (!this.served) return Promise.resolve();
    this.sending = this.sending.then(async () => {
      if (!this.unsent.size && !this.events.length) return;
      const trials = [...this.unsent.values()];
      const events = this.events.slice();
      const { participant, session } = this;
      const body = JSON.stringify({ design: this.design.id, participant, session, trials, events });
      const headers = { "Content-Type": "application/json" };
      if ((await this.ask("trials", { method: "POST", headers, body })) === null) return;
      for (const { trial } of trials) this.unsent.delete(trial);
      this.events.splice(0, events.length);
      this.remember();
    });
    return this.sending;
  }

  // The answer, or null where there is no server of ours.
  async ask(address, options = {}) {
    if (location.protocol === "file:") return null;
    try {
      const answer = await fetch(address, { cache: "no-store", ...options });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  }

  // What a participant saves where there is no server: what each file is called, and what is in
  // it. Trials in the published layout, one file a dataset, and what else was noted.
  files() {
    const { design, participant, session } = this;
    const rows = [...this.trials.values()].filter(Boolean).sort((a, b) => a.trial - b.trial);
    const log = {
      name: `subject-${participant}_session_${session}.jsonl`,
      text: this.events.map((event) => JSON.stringify(event) + "\n").join(""),
    };
    const tables = design.datasets.map(({ place }, dataset) => ({
      name: `${place}_subject-${participant}_session_${session}.csv`,
      text: [
        [...COLUMNS, ...design.factors],
        ...rows
          .filter((row) => design.stimuli[row.stimulus].dataset === dataset)
          .map((row) => {
            const stimulus = design.stimuli[row.stimulus];
            const named = (index) => design.classes[index].name;
            return [
              `subject-${participant}`, session, row.trial,
              row.rt === null ? "nan" : row.rt.toFixed(4),
              row.response === null ? "na" : named(row.response),
              named(stimulus.category), stimulus.condition, stimulus.name,
              row.image_ms.toFixed(2),
              ...design.factors.map((name) => stimulus.factors[name] ?? ""),
            ];
          }),
      ].map((cells) => cells.map(quoted).join(",") + "\n").join(""),
    }));
    return [...tables, log];
  }
}

function quoted(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
